"""The server in figures."""

from typing import Final, NamedTuple

from msgspec import Struct
from sqlalchemy import Connection

from secureconnect.features.admin.api import Figures, Presences
from secureconnect.features.admin.service.health import Component, HealthWatch
from secureconnect.features.admin.service.trail import Admin, Trail
from secureconnect.features.conversations.api import Catalogue, CatalogueEntry
from secureconnect.features.files.api import Files
from secureconnect.features.sessions.api import Sessions
from secureconnect.features.users.api import Accounts
from secureconnect.infra.database.base import Database
from secureconnect.infra.outbox.base import Outbox, Queue
from secureconnect.infra.timeline.base import Timeline
from secureconnect.kit.clock import Clock
from secureconnect.kit.pagination import Page

__all__ = ["Counts", "Listed", "Overview"]

_DAY_MS: Final = 24 * 3600 * 1000


class Counts(Struct, frozen=True):
    """Sizes in bytes, the hit rate in percent, `uptime` in seconds, `at` in milliseconds since the epoch."""

    total_users: int
    active_users: int
    online_users: int
    total_conversations: int
    total_messages: int
    sockets: int
    storage_used: int
    database_size: int
    cache_hit_rate: float
    uptime: int
    at: int


class Listed(NamedTuple):
    """A conversation and the seq of its last event."""

    entry: CatalogueEntry
    last_seq: int


class _Stored(NamedTuple):
    users: int
    active: int
    conversations: int
    bytes: int


class Overview:
    """What administrators look at; nothing of it says what anybody wrote."""

    def __init__(
        self,
        *,
        database: Database,
        timeline: Timeline,
        outbox: Outbox,
        accounts: Accounts,
        sessions: Sessions,
        catalogue: Catalogue,
        files: Files,
        presences: Presences,
        figures: Figures,
        health: HealthWatch,
        trail: Trail,
        clock: Clock,
    ) -> None:
        self._database = database
        self._timeline = timeline
        self._outbox = outbox
        self._accounts = accounts
        self._sessions = sessions
        self._catalogue = catalogue
        self._files = files
        self._presences = presences
        self._figures = figures
        self._health = health
        self._trail = trail
        self._clock = clock
        self._started = clock.monotonic()

    async def counts(self, admin: Admin) -> Counts:
        """How much of everything there is now."""
        now = self._clock.now()

        def query(conn: Connection) -> _Stored:
            return _Stored(
                self._accounts.count_in(conn),
                self._sessions.active_users_in(conn, now - _DAY_MS),
                self._catalogue.count_in(conn),
                self._files.stored_bytes_in(conn),
            )

        stored = await self._database.read(query)
        found = Counts(
            total_users=stored.users,
            active_users=stored.active,
            online_users=len(await self._presences.online()),
            total_conversations=stored.conversations,
            total_messages=await self._timeline.count_messages(),
            sockets=self._figures.sockets(),
            storage_used=stored.bytes,
            database_size=await self._database.size(),
            cache_hit_rate=self._figures.cache_hit_rate(),
            uptime=int(self._clock.monotonic() - self._started),
            at=now,
        )
        self._trail.viewed(admin, "stats")
        return found

    async def components(self, admin: Admin) -> list[Component]:
        """What the server stands on, and how it stands."""
        found = await self._health.components()
        self._trail.viewed(admin, "health")
        return found

    async def queues(self, admin: Admin) -> list[Queue]:
        """What waits to be done."""
        found = await self._outbox.queues()
        self._trail.viewed(admin, "queues")
        return found

    async def conversations(self, admin: Admin, *, after: tuple[int, str] | None, limit: int) -> Page[Listed]:
        """All conversations, those made last first."""
        entries = await self._database.read(
            lambda conn: self._catalogue.newest_in(conn, after=after, limit=limit + 1)
        )
        shown = entries[:limit]
        heads = await self._timeline.heads([entry.conversation_id for entry in shown])
        last = shown[-1] if len(entries) > limit else None
        self._trail.viewed(admin, "conversations")
        return Page(
            [
                Listed(entry, heads[entry.conversation_id].last_seq if entry.conversation_id in heads else 0)
                for entry in shown
            ],
            (last.created_at, last.conversation_id) if last is not None else None,
        )
