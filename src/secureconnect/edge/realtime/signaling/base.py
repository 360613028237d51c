"""What the signaling edge needs to know of calls; offered by the feature."""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Protocol

from secureconnect.kit.principal import Principal

if TYPE_CHECKING:
    from secureconnect.edge.realtime.signaling.session import SignalSession

__all__ = ["CallSockets", "Roster"]


class Roster(Protocol):
    """Which people take part in a call through which process."""

    async def places(self, call_id: str) -> Mapping[str, str]:
        """User → process of everybody whose socket takes part now, as it is stored."""

    async def versions(self, call_ids: Collection[str]) -> Mapping[str, int]:
        """How often each call was changed; calls that do not exist are left out."""


class CallSockets(Protocol):
    """The feature behind the sockets. Nothing here blocks; what takes time runs in the background."""

    async def admit(self, principal: Principal, call_id: str) -> None:
        """Return when this user may open a socket of this call.

        Raises:
            ApiError: `NOT_FOUND`, `FORBIDDEN`, `CALL_ENDED`.
        """

    async def enter(self, session: "SignalSession") -> None:
        """A socket opened: greet it. Commands wait until this returns."""

    async def lost(self, session: "SignalSession") -> None:
        """A socket through which somebody took part is gone without a `leave`."""
