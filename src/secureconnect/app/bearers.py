"""Who a bearer token belongs to: a person's session or a bot."""

from collections.abc import Coroutine
from typing import Any

from secureconnect.edge.access import Authenticator
from secureconnect.features.bots.rules import TOKEN_PREFIX
from secureconnect.features.bots.service import BotAccess
from secureconnect.kit.principal import Principal

__all__ = ["Bearers"]


class Bearers:
    """Implements `edge.access.Authenticator`: a token says by its beginning who knows it.

    Plain functions that hand the work on: every request passes here.
    """

    def __init__(self, people: Authenticator, bots: BotAccess) -> None:
        self._people = people
        self._bots = bots

    def authenticate(self, token: str) -> Coroutine[Any, Any, Principal]:
        if token.startswith(TOKEN_PREFIX):
            return self._bots.authenticate(token)
        return self._people.authenticate(token)

    def require_admin(self, principal: Principal) -> Coroutine[Any, Any, None]:
        return self._people.require_admin(principal)

    def require_fresh(self, principal: Principal) -> Coroutine[Any, Any, None]:
        return self._people.require_fresh(principal)
