"""What other features may ask of administration, and what it needs of them."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import Protocol

from msgspec import Struct

from secureconnect.features.users.api import Ban, Status
from secureconnect.infra.database.base import WriteTx
from secureconnect.kit.principal import Principal, RequestContext

__all__ = ["Bans", "Figures", "Presences", "Probe"]


class Bans(Protocol):
    """Keeping people out of the server."""

    def ban_in(
        self,
        tx: WriteTx,
        admin: Principal,
        context: RequestContext,
        user_id: str,
        *,
        reason: str,
        until: int | None,
    ) -> Ban:
        """Keep a user out until `until` (ms since the epoch), or for good.

        With the commit its sessions end, its sockets close with 4004, and a login with the right password
        answers ACCOUNT_BANNED. Recorded as `user_banned`. Whether `admin` is a server admin is the caller's
        business.

        Raises:
            ApiError: `VALIDATION_ERROR` on field `user_id` for oneself; `NOT_FOUND` for unknown and erased
                users; `CONFLICT` for another admin, and while a ban is in force.
        """


class Presences(Protocol):
    """Who is here, whoever may see it."""

    async def online(self) -> Collection[str]:
        """Users whose effective status is not offline."""

    async def statuses(self, user_ids: Collection[str]) -> Mapping[str, Status]:
        """The effective status of each of `user_ids`."""


class Figures(Protocol):
    """What the process knows of itself."""

    def sockets(self) -> int:
        """Open sockets."""

    def cache_hit_rate(self) -> float:
        """Look-ups of accounts that were answered from memory, in percent with two decimals; 0 before the
        first."""


class Probe(Struct, frozen=True):
    """How to find out whether a component works.

    `ask` returns the seconds that an answer took, or None for a component that is not used here; it raises
    ApiError or OSError when there is no answer. Without a `required` one the server can do nothing.
    """

    name: str
    required: bool
    ask: Callable[[], Awaitable[float | None]]
