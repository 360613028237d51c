"""A user with at least one socket, or an admission under way, in this process."""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from secureconnect.edge.realtime.fanout.lane import Lane
    from secureconnect.edge.realtime.session.chat import Session

__all__ = ["LocalUser"]


class LocalUser:
    """The user's sockets and the conversations that they follow.

    `admissions` counts upgrades that hold this entry although their socket is not open yet.
    `loading` is set until the memberships are known; `changes` counts what happened to them meanwhile. An
    entry that was `dropped` serves nobody any more.
    """

    __slots__ = (
        "admissions",
        "changes",
        "dropped",
        "floors",
        "lanes",
        "loading",
        "sessions",
        "unsubscribe",
        "user_id",
    )

    def __init__(self, user_id: str) -> None:
        self.user_id = user_id
        self.sessions: tuple[Session, ...] = ()
        self.lanes: dict[str, Lane] = {}
        #: Events up to these seqs lie before this user's interest, although fan-out has not reached them.
        self.floors: dict[str, int] | None = None
        self.admissions = 0
        self.changes = 0
        self.dropped = False
        self.loading: asyncio.Task[None] | None = None
        self.unsubscribe: Callable[[], None] | None = None

    def floor(self, conversation_id: str) -> int:
        """The seq up to which nothing is delivered to this user."""
        return 0 if self.floors is None else self.floors.get(conversation_id, 0)

    def raise_floor(self, conversation_id: str, seq: int) -> None:
        """Deliver nothing up to `seq`."""
        if self.floors is None:
            self.floors = {}
        self.floors[conversation_id] = seq

    def drop_floor(self, conversation_id: str) -> None:
        """Fan-out passed the floor, or the user left."""
        if self.floors is not None:
            self.floors.pop(conversation_id, None)
            if not self.floors:
                self.floors = None
