"""What time does to calls: rings that nobody answers, people who do not come back, processes that died.

One process reaps for all, and each looks after its own sockets. Should two reap at once: each change is
decided anew on the call as it is stored.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping
from functools import partial
from typing import Final, Protocol

from sqlalchemy import Connection

from secureconnect.edge.realtime.close import CloseCode
from secureconnect.features.calls import rules, store
from secureconnect.features.calls.api import CallStatus
from secureconnect.features.calls.rules import CallLimits, Talk
from secureconnect.features.calls.service import rendering
from secureconnect.features.calls.service.announcing import Cause, Rooms
from secureconnect.features.calls.service.answering import Placement
from secureconnect.features.calls.service.counting import Running
from secureconnect.features.calls.service.desk import Decide, Desk
from secureconnect.features.calls.service.metrics import CallMetrics
from secureconnect.features.calls.service.presences import Presences
from secureconnect.features.calls.service.pulse import Pulse
from secureconnect.features.calls.service.reading import CallReadService
from secureconnect.features.calls.service.sfu_rooms import SfuRooms
from secureconnect.features.calls.store import RunningCall
from secureconnect.features.conversations.api import Conversations
from secureconnect.features.friends.api import Friends
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.infra.telemetry.log import get_logger
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ApiError

__all__ = ["LocalRooms", "Reaper"]

log = get_logger()

_BATCH: Final = 200
#: Turns of the reaper without a sign of life after which a process counts as dead.
_SILENT_TURNS: Final = 3
_BY_ITSELF: Final = Cause()


class LocalRooms(Rooms, Protocol):
    """The sockets of this process."""

    @property
    def process_id(self) -> str:
        """Tells this process from the others."""

    @property
    def sockets(self) -> int:
        """How many sockets there are here, also of who does not take part yet."""

    def connections(self) -> set[str]:
        """The sockets here through which somebody takes part."""

    async def stale(self) -> Collection[str]:
        """Calls whose sockets here were not told of a change."""

    async def refresh(self, call_id: str, version: int) -> None:
        """Read again who takes part elsewhere."""


class Reaper:
    """Ends what nobody else ends."""

    def __init__(
        self,
        database: Database,
        conversations: Conversations,
        friends: Friends,
        desk: Desk,
        presences: Presences,
        reading: CallReadService,
        rooms: LocalRooms,
        sfu_rooms: SfuRooms,
        running: Running,
        pulse: Pulse,
        metrics: CallMetrics,
        clock: Clock,
        limits: CallLimits,
    ) -> None:
        self._database = database
        self._conversations = conversations
        self._friends = friends
        self._desk = desk
        self._presences = presences
        self._reading = reading
        self._rooms = rooms
        self._sfu_rooms = sfu_rooms
        self._running = running
        self._pulse = pulse
        self._metrics = metrics
        self._clock = clock
        self._limits = limits
        self._suspects: set[str] = set()

    async def reap(self) -> int:
        """One turn for all processes; returns how many calls it touched."""
        return await self._each(
            self._dead, self._rings, self._lost, self._too_long, self._strangers, self._sfu_calls
        )

    async def look_after(self) -> int:
        """One turn for this process: it lives, and its sockets know what it knows."""
        return await self._each(self._beat, self._own_lost, self._untold, self._count)

    async def _each(self, *parts: Callable[[], Awaitable[int]]) -> int:
        """A part that fails holds up no other."""
        touched = 0
        for part in parts:
            try:
                touched += await part()
            except ApiError as error:
                log.warning("calls are reaped later", part=part.__name__, error_code=error.code.name)
        return touched

    async def withdraw(self, conversation_id: str, user_id: str) -> None:
        """The user left the conversation, and with it its calls."""
        now = self._clock.now()
        for call_id in await self._database.read(
            lambda conn: store.running_of(conn, user_id, conversation_id)
        ):
            await self._change(
                call_id, lambda _, talk: rules.withdraw(talk, user_id, now), Cause(why="removed")
            )

    async def part(self, a: str, b: str) -> None:
        """A block between the two was set or lifted: while one stands, they do not talk."""
        for call_id in await self._database.read(lambda conn: store.running_of(conn, a)):
            await self._part(call_id, a, b)

    # Turns

    async def _beat(self) -> int:
        if self._rooms.sockets:
            await self._pulse.beat()
        return 0

    async def _count(self) -> int:
        await self._running.count()
        return 0

    async def _own_lost(self) -> int:
        """Places of sockets that are gone, which could not be stored when they went; and sockets that others
        took for lost, because nothing was heard of this process for a while."""
        process_id, most = self._rooms.process_id, _BATCH * 100
        mine, given_up = await self._database.read(
            lambda conn: (
                store.on_process(conn, process_id, most),
                store.on_process(conn, process_id, most, lost=True),
            )
        )
        here = self._rooms.connections()
        for call_id, user_id, connection_id in given_up:
            if connection_id in here:
                await self._presences.kept(call_id, user_id, Placement(connection_id, process_id))
        # Twice: a socket that joins right now is stored a moment before it is here.
        missing = {each for each in mine if each[2] not in here}
        gone = {each for each in missing if each[2] in self._suspects}
        self._suspects = {each[2] for each in missing}
        for call_id, user_id, connection_id in gone:
            await self._presences.lost(call_id, user_id, connection_id)
        return len(gone)

    async def _dead(self) -> int:
        """People whose process died, with everybody's chance to come back through another one."""
        silence = round(_SILENT_TURNS * self._limits.reaper_interval * 1000)
        before = self._clock.now() - silence
        dead = await self._database.read(lambda conn: store.dead_processes(conn, before))
        touched, empty = 0, []
        for process_id, seen_at in dead.items():
            if process_id == self._rooms.process_id:
                continue  # this one had nothing to say, or was stopped, and lives
            there = await self._database.read(
                lambda conn, process_id=process_id: store.on_process(conn, process_id, _BATCH)  # type: ignore[misc]
            )
            for call_id, user_id, connection_id in there:
                await self._presences.lost(call_id, user_id, connection_id, at=seen_at)
            touched += len(there)
            if len(there) < _BATCH:
                empty.append(process_id)
        if empty:
            await self._database.write(lambda tx: store.drop_processes(tx, empty))
        return touched

    async def _rings(self) -> int:
        now = self._clock.now()
        due = await self._database.read(lambda conn: store.due_rings(conn, now, _BATCH))
        return sum([await self._change(each, lambda _, talk: rules.ring_out(talk, now)) for each in due])

    async def _lost(self) -> int:
        now = self._clock.now()
        before = now - round(self._limits.reconnect_window * 1000)
        lost = await self._database.read(lambda conn: store.lost(conn, before, _BATCH))
        touched = 0
        for call_id, user_id, topology in lost:
            if topology == "sfu" and await self._on_sfu(call_id, user_id):
                continue

            def leave(_: object, talk: Talk, user_id: str = user_id) -> Talk:
                person = talk.people.get(user_id)
                since = None if person is None else person.lost_at or person.joined_at
                came_back = since is None or since > before
                return talk if came_back else rules.leave(talk, user_id, now, "connection_lost")

            if await self._change(call_id, leave, Cause(why="connection_lost")):
                self._metrics.call_recovery_failed()
                touched += 1
        return touched

    async def _on_sfu(self, call_id: str, user_id: str) -> bool:
        """Whether the SFU has somebody whose socket is lost, or cannot say so now."""
        if not await self._sfu_rooms.may_hold(call_id, user_id):
            return False
        await self._change(call_id, lambda _, talk: rules.still_there(talk, user_id))
        return True

    async def _too_long(self) -> int:
        now = self._clock.now()
        before = now - round(self._limits.max_duration * 1000)
        due = await self._database.read(lambda conn: store.too_long(conn, before, _BATCH))
        over: Decide = lambda _, talk: rules.finish(talk, "ended", "max_duration", now)  # noqa: E731
        return sum([await self._change(each, over) for each in due])

    async def _strangers(self) -> int:
        """People who left the conversation or blocked each other while nobody could see to it, and
        conversations that are gone."""
        touched, after, now = 0, "", self._clock.now()
        while page := await self._database.read(partial(self._page, after)):
            for call_id, (running, apart) in page.items():
                if apart:
                    touched += await self._part(call_id, *running.people)
                    continue
                facts = await self._conversations.facts(running.conversation_id)
                people = running.people
                strangers = people if facts is None else people - facts.members.keys()
                if not strangers:
                    continue

                def leave(_: object, talk: Talk, strangers: Collection[str] = strangers) -> Talk:
                    for user_id in strangers:
                        talk = rules.withdraw(talk, user_id, now)
                    return talk

                def end(_: object, talk: Talk) -> Talk:
                    return rules.finish(talk, _outcome(talk), "admin", now)

                touched += await self._change(call_id, end if facts is None else leave, Cause(why="removed"))
            after = max(page)
        return touched

    async def _part(self, call_id: str, a: str, b: str) -> bool:
        now = self._clock.now()

        def apart(tx: WriteTx, talk: Talk) -> Talk:
            both = {a, b} <= talk.people.keys()
            return rules.part(talk, now) if both and self._friends.blocked_in(tx.conn, a, b) else talk

        return await self._change(call_id, apart)

    def _page(self, after: str, conn: Connection) -> Mapping[str, tuple[RunningCall, bool]]:
        """Calls, and whether a block stands between the two of it."""

        def apart(call: RunningCall) -> bool:
            return call.direct and len(call.people) == 2 and self._friends.blocked_in(conn, *call.people)

        found = store.running_after(conn, after, _BATCH)
        return {call_id: (call, apart(call)) for call_id, call in found.items()}

    async def _sfu_calls(self) -> int:
        return await self._sfu_rooms.compare(self._change)

    async def _untold(self) -> int:
        """Sockets here that missed a hint are told how their call stands."""
        stale = await self._rooms.stale()
        found = await self._database.read(lambda conn: store.find_many(conn, stale)) if stale else {}
        for call_id in stale:
            talk = found.get(call_id)
            if talk is None or talk.call.over:
                frames = [rendering.ended_frame(talk.call)] if talk is not None else []
                self._rooms.tell(call_id, frames, close=CloseCode.CALL_ENDED, here_only=True)
                continue
            await self._rooms.refresh(call_id, talk.call.version)
            call = await self._reading.shown(talk)
            self._rooms.tell(call_id, [rendering.updated_frame(call)], here_only=True)
        return len(stale)

    async def _change(self, call_id: str, decide: Decide, cause: Cause = _BY_ITSELF) -> bool:
        """Whether a call changed; one that cannot be changed now is left to the next turn."""
        try:
            changed = await self._desk.change(call_id, decide, cause)
        except ApiError:
            raise
        except Exception:
            log.exception("a call could not be reaped", call_id=call_id)
            return False
        return changed.before is not changed.after


def _outcome(talk: Talk) -> CallStatus:
    return "missed" if talk.call.started_at is None else "ended"
