"""Who a bearer token belongs to: a person's session or a bot."""

from collections.abc import Collection, Coroutine
from typing import Any

from secureconnect.features.bots.rules import TOKEN_PREFIX
from secureconnect.features.bots.service import BotAccess
from secureconnect.features.sessions.service import Access
from secureconnect.kit.principal import Principal

__all__ = ["Bearers"]


class Bearers:
    """Implements `edge.access.Authenticator`: a token says by its beginning who knows it; and `Endings`.

    Plain functions that hand the work on: every request passes here.
    """

    def __init__(self, people: Access, bots: BotAccess) -> None:
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

    async def ended_among(self, principals: Collection[Principal]) -> dict[str, int]:
        """The close code for each ended session or bot token, by its id."""
        bots = [principal for principal in principals if principal.kind == "bot"]
        people = [principal for principal in principals if principal.kind != "bot"]
        ended = await self._people.ended_among(people) if people else {}
        return ended | (await self._bots.ended_among(bots) if bots else {})
