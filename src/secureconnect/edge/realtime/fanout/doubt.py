"""While the bus may be missing hints, the store is asked for what they would have said.

Every second of such a time: the heads of the conversations followed here, how many memberships each connected
user has, and which sessions ended. After it everything is compared once (`repair`).
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

from secureconnect.edge.realtime.base import Endings
from secureconnect.edge.realtime.fanout.repair import repair, repair_user
from secureconnect.infra.telemetry.log import get_logger
from secureconnect.kit.errors import ApiError
from secureconnect.kit.hints import SessionEnded

if TYPE_CHECKING:
    from secureconnect.edge.realtime.fanout.hub import Hub

__all__ = ["Doubts"]

log = get_logger()

T = TypeVar("T")

_CHUNK = 500  # of a query
_TRY_AGAIN = 1.0
_SESSIONS_EVERY = 2  # rounds


class Doubts:
    """Catches up for one hub, one round at a time.

    Args:
        endings: knows which sessions ended.
        pause: seconds until a round that the store failed is tried again.
    """

    def __init__(self, hub: "Hub", endings: Endings, pause: float = _TRY_AGAIN) -> None:
        self._hub = hub
        self._endings = endings
        self._pause = pause
        self._asked = self._over = self._failing = False
        self._rounds = 0
        self._running: asyncio.Task[None] | None = None

    def doubt(self, over: bool) -> None:
        """A `bus.Doubt`."""
        self._asked = True
        self._over |= over
        if self._running is None or self._running.done():
            self._running = self._hub.interest.start(self._work())

    async def _work(self) -> None:
        while self._asked:
            self._asked, over = False, self._over
            self._over = False
            try:
                await self._round(over=over)
                self._failing = False
            except ApiError as error:
                if not self._failing:  # said once
                    log.info("what the bus missed is read later", code=error.code.name)
                self._failing = True
                if over:  # nobody asks again
                    self._asked = self._over = True
                    await asyncio.sleep(self._pause)

    async def _round(self, *, over: bool) -> None:
        interest = self._hub.interest
        for some in _chunks(list(interest.lanes)):
            for conversation_id, last_seq in (await interest.source.heads(some)).items():
                lane = interest.lanes.get(conversation_id)
                if lane is not None:
                    lane.want(last_seq)
        if over:
            await repair(interest)
        else:
            await self._look_for_memberships()
        if over or self._rounds % _SESSIONS_EVERY == 0:
            await self._look_for_sessions()
        self._rounds += 1

    async def _look_for_memberships(self) -> None:
        interest = self._hub.interest
        for some in _chunks(list(interest.users)):
            counts: Mapping[str, int] = await interest.memberships.counts(some)
            for user_id in some:
                user = interest.users.get(user_id)
                if user is not None and len(user.lanes) != counts.get(user_id, 0):
                    await repair_user(interest, user)

    async def _look_for_sessions(self) -> None:
        here = {session.principal.session_id: session.principal for session in self._hub.sessions()}
        for some in _chunks(list(here.values())):
            for session_id, close in (await self._endings.ended_among(some)).items():
                self._hub.end_session(SessionEnded(here[session_id].user_id, session_id, close))


def _chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    return (items[start : start + _CHUNK] for start in range(0, len(items), _CHUNK))
