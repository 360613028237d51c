"""Presence over the embedded cache and bus, with people who know each other or not, and a clock to turn."""

import json
from collections.abc import Callable, Collection
from typing import Any

from secureconnect.edge.realtime.background import Background
from secureconnect.edge.realtime.frames import payload_of
from secureconnect.edge.realtime.timers import Timers
from secureconnect.features.presence.rules import PresenceTimes
from secureconnect.features.presence.service import Devices, PresenceService
from secureconnect.features.presence.socket import Lifetimes, Watches
from secureconnect.infra.bus.memory import MemoryBus
from secureconnect.infra.cache.memory import MemoryCache
from secureconnect.kit.hints import CONTROL, Hint, PresenceChanged
from secureconnect.kit.ids import new_id
from secureconnect.kit.principal import Principal
from tests.unit.messages.fakes import FakeClock, FakeUsers, user

__all__ = ["FakeSession", "World"]


class FakeRelations:
    """Everybody sees everybody but `strangers`."""

    def __init__(self) -> None:
        self.strangers: set[tuple[str, str]] = set()

    def _near(self, a: str, b: str) -> bool:
        return (a, b) not in self.strangers and (b, a) not in self.strangers

    async def seen_by(self, viewer_id: str, user_ids: Collection[str]) -> set[str]:
        return {one for one in user_ids if self._near(viewer_id, one)}

    async def viewers_of(self, user_id: str, viewer_ids: Collection[str]) -> set[str]:
        return {one for one in viewer_ids if self._near(user_id, one)}


class FakeSession:
    """A socket that keeps what it is sent."""

    def __init__(self, world: "World", user_id: str, session_id: str) -> None:
        self.connection_id = new_id()
        self.principal = Principal(user_id, session_id, new_id(), "user", 0)
        self.frames: list[dict[str, Any]] = []
        self._world = world
        self._listeners: list[Callable[[FakeSession, int], None]] = []

    def push(self, frame: bytes) -> None:
        self.frames.append(json.loads(bytes(payload_of(frame))))

    def on_close(self, listener: Callable[["FakeSession", int], None]) -> None:
        self._listeners.append(listener)

    def closed(self) -> None:
        """The socket is gone."""
        for listener in self._listeners:
            listener(self, 1000)
        self._world.open.remove(self)

    def statuses(self) -> list[str]:
        return [frame["status"] for frame in self.frames]


class World:
    """Everything of presence but HTTP."""

    def __init__(self, *user_ids: str, times: PresenceTimes | None = None) -> None:
        times = times or PresenceTimes()
        self.clock = FakeClock()
        self.timers = Timers(self.clock)
        self.background = Background()
        self.bus = MemoryBus()
        self.users = FakeUsers(*(user(one) for one in user_ids))
        self.relations = FakeRelations()
        self.open: list[FakeSession] = []
        self.told: list[str] = []
        self.service = PresenceService(
            Devices(MemoryCache(self.clock)),
            self.relations,  # type: ignore[arg-type]
            self.users,  # type: ignore[arg-type]
            self.bus,
            self.clock,
            times,
        )
        self.lifetimes = Lifetimes(self.service, self.timers, self.background, times)
        self.watches = Watches(
            self.service,
            self.relations,  # type: ignore[arg-type]
            self,  # type: ignore[arg-type]
            self.timers,
            self.background,
            self.clock,
            min_interval=times.min_interval,
        )

    async def start(self) -> "World":
        def heard(hint: Hint) -> None:
            assert isinstance(hint, PresenceChanged)
            self.told.append(hint.user_id)
            self.watches.changed(hint.user_id)

        await self.bus.subscribe(CONTROL, heard)
        return self

    def sessions_of(self, user_id: str) -> tuple[FakeSession, ...]:
        return tuple(session for session in self.open if session.principal.user_id == user_id)

    async def connect(self, user_id: str, session_id: str | None = None) -> FakeSession:
        """A socket opens."""
        session = FakeSession(self, user_id, session_id or new_id())
        self.open.append(session)
        self.lifetimes.opened(user_id, session)  # type: ignore[arg-type]
        await self.background.settled()
        return session

    async def pass_time(self, seconds: float) -> None:
        """In steps, as a running server does it."""
        end = self.clock.seconds + seconds
        while self.clock.seconds < end:
            self.clock.seconds = min(self.clock.seconds + 0.1, end)
            self.timers.poll()
            if len(self.background):
                await self.background.settled()

    async def status(self, user_id: str) -> str:
        """What others see."""
        return (await self.service.visible("viewer", [user_id]))[user_id]

    async def seen(self, user_id: str) -> str | None:
        """`last_seen_at` as others see it."""
        (presence,) = await self.service.read("viewer", [user_id])
        return presence.last_seen_at

    async def text(self, user_id: str) -> str | None:
        """`status_text` as others see it."""
        (presence,) = await self.service.read("viewer", [user_id])
        return presence.status_text
