"""The rooms of the SFU as the calls are stored: there while a call runs, and nobody in them who is not in it.

A pass that was given before its holder left opens the room for some minutes more; and what the SFU tells us
may get lost, as may what it is told while it is away. So both are compared again at each turn of the reaper.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from secureconnect.features.calls import rules, store
from secureconnect.features.calls.rules import Talk
from secureconnect.features.calls.service.announcing import Cause
from secureconnect.features.calls.service.desk import Decide, Desk
from secureconnect.infra.database.base import Database
from secureconnect.infra.sfu.base import Sfu, SfuUnavailable
from secureconnect.infra.telemetry.log import get_logger
from secureconnect.kit.clock import Clock
from secureconnect.kit.ids import is_uuid

__all__ = ["Change", "SfuRooms"]

log = get_logger()

#: Changes one call, on behalf of nobody; whether anything changed.
Change = Callable[[str, Decide], Awaitable[bool]]

_BATCH: Final = 200
#: How long calls wait for an SFU that does not answer.
_PATIENCE_MS: Final = 30_000


class SfuRooms:
    """Compares, and puts right what differs."""

    def __init__(self, database: Database, desk: Desk, sfu: Sfu, clock: Clock) -> None:
        self._database = database
        self._desk = desk
        self._sfu = sfu
        self._clock = clock

    async def came(self, call_id: str, user_id: str) -> None:
        """Somebody is connected to the room of a call: lets them into the call, or puts them out of the room.

        Raises:
            ApiError: `NOT_FOUND`; the store is away.
            SfuUnavailable.
        """
        now = self._clock.now()
        after = (
            await self._desk.change(call_id, lambda _, talk: rules.sfu_joined(talk, user_id, now), Cause())
        ).after
        person = after.people.get(user_id)
        if person is None or not person.taking_part:
            log.info("somebody who is not in a call was in its room", call_id=call_id, user_id=user_id)
            await self._sfu.remove(call_id, user_id)

    async def may_hold(self, call_id: str, user_id: str) -> bool:
        """Whether the SFU has somebody connected, or cannot say so now."""
        try:
            return user_id in await self._inside(call_id)
        except SfuUnavailable:
            return True

    async def compare(self, change: Change) -> int:
        """One turn; returns how many calls were changed.

        Raises:
            ApiError: the store is away.
        """
        if not self._sfu.configured:
            return 0
        now = self._clock.now()
        try:
            rooms = await self._sfu.rooms()
        except SfuUnavailable as error:
            lost: Decide = lambda _, talk: rules.sfu_lost(talk, now, _PATIENCE_MS)  # noqa: E731
            touched = await self._each_running(lambda talk: change(talk.call.call_id, lost))
            if touched:
                log.warning("calls lose the SFU", reason=error.reason, calls=touched)
            return touched
        open_rooms = set(rooms)

        async def runs(talk: Talk) -> bool:
            call = talk.call
            if call.call_id not in open_rooms:
                await self._sfu.open_room(call.call_id, max_participants=call.max_participants)
            if call.sfu_lost_at is None:
                return False
            return await change(call.call_id, lambda _, talk: rules.sfu_back(talk))

        try:
            touched = await self._each_running(runs)
            await self._put_right([room for room in rooms if is_uuid(room)])
        except SfuUnavailable as error:
            log.warning("rooms of the SFU are compared later", reason=error.reason)
            return 0
        return touched

    async def _each_running(self, work: Callable[[Talk], Awaitable[bool]]) -> int:
        touched, after = 0, ""
        while page := await self._database.read(lambda conn: store.running_sfu(conn, after, _BATCH)):  # noqa: B023
            for talk in page:
                touched += await work(talk)
            after = page[-1].call.call_id
        return touched

    async def _put_right(self, rooms: Sequence[str]) -> None:
        """Close the rooms of calls that are over, and put strangers out of the others. Rooms that belong to
        no call are somebody else's, or of a call that begins right now."""
        for first in range(0, len(rooms), _BATCH):
            some = rooms[first : first + _BATCH]
            talks = await self._database.read(lambda conn, some=some: store.find_many(conn, some))  # type: ignore[misc]
            for call_id, talk in talks.items():
                if talk.call.topology != "sfu":
                    continue
                if talk.call.over:
                    await self._sfu.close_room(call_id)
                    continue
                known = {person.user_id for person in talk.inside}
                for user_id in await self._inside(call_id) - known:
                    await self.came(call_id, user_id)  # decides on the call as it is by now

    async def _inside(self, call_id: str) -> set[str]:
        return {each.user_id for each in await self._sfu.participants(call_id)}
