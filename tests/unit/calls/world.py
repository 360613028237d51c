"""Calls over a real embedded store, with a clock, an SFU and sockets that tests move."""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

from secureconnect.edge.realtime.background import Background
from secureconnect.edge.realtime.close import CloseCode
from secureconnect.features.calls import store
from secureconnect.features.calls.rules import CallLimits, Participant, Talk
from secureconnect.features.calls.service import (
    Admissions,
    Announcer,
    AnswerService,
    CallAllowed,
    CallReadService,
    Desk,
    InitiateService,
    Logbook,
    Placement,
    Presences,
    Pulse,
    Reaper,
    Summons,
)
from secureconnect.features.calls.service.counting import Running
from secureconnect.features.calls.service.sfu_rooms import SfuRooms
from secureconnect.features.friends.service import Relations
from secureconnect.features.notifications.api import Notice, NoticeType
from secureconnect.features.push.api import Ring
from secureconnect.infra.database.base import WriteTx
from secureconnect.infra.outbox.relational import RelationalOutbox
from secureconnect.infra.sfu.base import SfuParticipant, SfuPass, SfuUnavailable
from secureconnect.infra.timeline.base import NewEvent, Timeline
from secureconnect.infra.turn.base import IceGrant
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.pagination import Cursors
from secureconnect.kit.principal import Principal
from tests.unit.conversations import world as conversations
from tests.unit.conversations.world import CONTEXT

__all__ = ["LIMITS", "World", "world"]

LIMITS = CallLimits("auto", 45, 86_400, 30, 5)


class Counts:
    """What the metrics were told."""

    def __init__(self) -> None:
        self.over: list[tuple[str, int | None]] = []
        self.running = self.recovered = self.unrecovered = self.rejected = 0

    def call_started(self, call_type: str, topology: str) -> None: ...

    def call_over(self, call_type: str, status: str, duration: int | None) -> None:
        self.over.append((status, duration))

    def calls_running(self, count: int) -> None:
        self.running = count

    def call_capacity_rejected(self, at: str) -> None:
        self.rejected += 1

    def call_recovered(self) -> None:
        self.recovered += 1

    def call_recovery_failed(self) -> None:
        self.unrecovered += 1

    def signaled(self, type_: str) -> None: ...

    def outbox(self, kind: str, pending: int, oldest_age: float) -> None: ...


class Sockets:
    """The rooms of one process: what they were told, and which sockets they hold."""

    def __init__(self, process_id: str) -> None:
        self.process_id = process_id
        self.told: list[tuple[str, CloseCode | None]] = []
        self.open: set[str] = set()
        self.missed: set[str] = set()

    def tell(self, call_id: str, frames: Sequence[bytes] = (), **options: Any) -> None:
        self.told.append((call_id, options.get("close")))

    def noted(self, call_id: str, version: int) -> None: ...

    @property
    def sockets(self) -> int:
        return len(self.open)

    def connections(self) -> set[str]:
        return self.open

    async def stale(self) -> Collection[str]:
        return set(self.missed)

    async def refresh(self, call_id: str, version: int) -> None:
        self.missed.discard(call_id)


class Forwarder:
    """An SFU; `away` when it does not answer."""

    configured = True
    max_participants = 10

    def __init__(self) -> None:
        self.away = False
        self.there: set[str] = set()
        self.open: set[str] = set()
        self.removed: list[str] = []

    def _ask(self) -> None:
        if self.away:
            raise SfuUnavailable("away")

    async def open_room(self, room: str, *, max_participants: int) -> None:
        self._ask()
        self.open.add(room)

    async def rooms(self) -> Sequence[str]:
        self._ask()
        return sorted(self.open)

    def admit(self, room: str, user_id: str, *, now: int) -> SfuPass:
        return SfuPass("wss://sfu", user_id, 600)

    async def participants(self, room: str) -> Sequence[SfuParticipant]:
        self._ask()
        return [SfuParticipant(user_id, 0) for user_id in self.there]

    async def remove(self, room: str, user_id: str) -> None:
        self._ask()
        self.there.discard(user_id)
        self.removed.append(user_id)

    async def close_room(self, room: str) -> None:
        self._ask()
        self.open.discard(room)

    def read_webhook(self, body: bytes, authorization: str, *, now: int) -> Any: ...

    async def ping(self) -> float:
        self._ask()
        return 0.0

    async def close(self) -> None: ...


class Absent:
    """The timeline, as far as calls write to it; `away` when it does not answer."""

    def __init__(self, timeline: Timeline) -> None:
        self._timeline = timeline
        self.away = False

    def append_in(self, tx: WriteTx, event: NewEvent) -> int:
        if self.away:
            raise ApiError(ErrorCode.TIMELINE_UNAVAILABLE, "away", retry_after=2)
        return self._timeline.append_in(tx, event)


class Told:
    """Inboxes and devices."""

    def __init__(self) -> None:
        self.notices: list[Notice] = []
        self.rings: list[tuple[str, str]] = []

    def tell_in(self, tx: WriteTx, notice: Notice) -> None:
        tx.after_commit(lambda: self.notices.append(notice))

    def pushable_in(self, tx: WriteTx, user_ids: Collection[str], type_: NoticeType) -> set[str]:
        return set(user_ids)

    def ring_in(self, tx: WriteTx, ring: Ring) -> bool:
        tx.after_commit(lambda: self.rings.append((ring.user_id, ring.data["event"])))
        return True

    hush_in = ring_in


class NoIce:
    def for_user(self, user_id: str, now: int) -> IceGrant:
        return IceGrant((), 60)


class World:
    """The feature and its neighbours."""

    def __init__(self, place: conversations.World) -> None:
        self.place = place
        self.database, self.clock = place.database, place.clock
        self.counts, self.told, self.sfu = Counts(), Told(), Forwarder()
        self.rooms = Sockets("00000000-0000-4000-8000-00000000000a")
        self.background = Background()
        near, users, metrics = place.neighbours, place.users, cast("Any", self.counts)
        self.timeline = Absent(place.timeline)
        self.outbox = RelationalOutbox(place.database, self.clock, self.counts, alone=True, poll=3600)
        logbook = Logbook(place.database, cast("Any", self.timeline), near, self.outbox, self.clock)
        self.desk = Desk(
            logbook,
            users,
            place.trail,
            Summons(near, self.told, self.told, self.clock),
            Announcer(place.bus, self.rooms),
            metrics,
        )
        relations = Relations(place.database)
        allowed = CallAllowed(users, relations)
        self.admissions = Admissions(NoIce(), self.sfu, self.background, self.clock)
        self.desk.on_change(self.admissions.changed)
        self.running = Running(place.database, metrics, self.background)
        self.initiating = InitiateService(
            place.database,
            near,
            users,
            place.trail,
            logbook,
            self.desk,
            allowed,
            self.admissions,
            metrics,
            self.clock,
            LIMITS,
        )
        self.answering = AnswerService(
            place.database, near, logbook, self.desk, allowed, metrics, self.clock, LIMITS
        )
        self.presences = Presences(self.desk, self.rooms, metrics, self.clock, LIMITS)
        reading = CallReadService(place.database, near, users, Cursors(bytes(32)))
        self.reaper = self.reaper_of(self.rooms, reading)

    def reaper_of(self, rooms: Sockets, reading: CallReadService | None = None) -> Reaper:
        """The reaper of a process."""
        return Reaper(
            self.database,
            self.place.neighbours,
            Relations(self.database),
            self.desk,
            self.presences,
            cast("Any", reading),
            rooms,
            SfuRooms(self.database, self.desk, self.sfu, self.clock),
            self.running,
            Pulse(self.database, rooms.process_id, self.clock, every=LIMITS.reaper_interval),
            cast("Any", self.counts),
            self.clock,
            LIMITS,
        )

    async def group(self, *names: str) -> tuple[str, list[str]]:
        """A group, and its members."""
        people = await self.place.people(*names)
        return await self.place.group(*people), people

    async def ring(self, g: str, caller: str, *callees: str, topology: str = "mesh") -> str:
        """A call that rings."""
        begun = await self.initiating.initiate(
            as_(caller), CONTEXT, g, "audio", callees, cast("Any", topology)
        )
        return begun.call.call_id

    async def join(self, call_id: str, user_id: str, socket: str | None = None) -> None:
        """Answer; with `socket` through one of this process."""
        place = Placement(socket, self.rooms.process_id) if socket is not None else None
        if socket is not None:
            self.rooms.open.add(socket)
        await self.answering.join(as_(user_id), CONTEXT, call_id, takeover=False, place=place)

    async def talk(self, call_id: str) -> Talk:
        """The call as it is stored."""
        talk = await self.database.read(lambda conn: store.find(conn, call_id))
        assert talk is not None
        return talk

    async def person(self, call_id: str, user_id: str) -> Participant:
        """Somebody in it."""
        return (await self.talk(call_id)).people[user_id]

    def later(self, seconds: float) -> None:
        """Time goes by."""
        self.clock.at += round(seconds * 1000)


def as_(user_id: str) -> Principal:
    """The caller, on its one session."""
    return Principal(user_id, f"session-{user_id}"[:36], "jti", "user", 2**50)


@asynccontextmanager
async def world(folder: Path) -> AsyncIterator[World]:
    """A world on a new store."""
    async with conversations.world(folder) as place:
        made = World(place)
        yield made
        await made.background.settled()
