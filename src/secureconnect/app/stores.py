"""The stores of one process: opened, migrated, and closed in order."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from msgspec import Struct

from secureconnect.app.data_dir import DataDirectory
from secureconnect.app.exchange import open_exchange, tell_of_work
from secureconnect.app.object_store import open_blobs
from secureconnect.app.relational import migrate, open_relational
from secureconnect.app.search_file import SearchFile
from secureconnect.app.settings import Settings
from secureconnect.app.timeline import ListeningTimeline, open_timeline
from secureconnect.infra.blobs.base import Blobs
from secureconnect.infra.bus.base import Bus
from secureconnect.infra.cache.base import Cache
from secureconnect.infra.crypto.sealing import Sealer
from secureconnect.infra.database.base import Database
from secureconnect.infra.leases.base import Leases
from secureconnect.infra.outbox.relational import RelationalOutbox
from secureconnect.infra.search.base import SearchIndex
from secureconnect.infra.search.postgres import PostgresSearchIndex
from secureconnect.infra.search.sqlite import SqliteSearchIndex
from secureconnect.infra.telemetry.metrics import Metrics
from secureconnect.kit.clock import Clock
from secureconnect.kit.hints import CONTROL, WorkWaits
from secureconnect.kit.pagination import Cursors

__all__ = ["Stores", "open_stores"]


class Stores(Struct, frozen=True):
    """What features stand on."""

    database: Database
    timeline: ListeningTimeline
    bus: Bus
    cache: Cache
    sealer: Sealer
    cursors: Cursors
    clock: Clock
    metrics: Metrics
    outbox: RelationalOutbox
    blobs: Blobs
    search: SearchIndex
    vapid_key: bytes
    #: The name of this process among others.
    process: str = ""
    #: How processes share what only one should do; None when this is the only one.
    leases: Leases | None = None
    #: Seconds that Redis needs to answer; None without it.
    ping_redis: Callable[[], Awaitable[float]] | None = None
    #: Seconds that Cassandra needs to answer; None when the timeline lies in the relational store.
    ping_timeline: Callable[[], Awaitable[float]] | None = None


@contextlib.asynccontextmanager
async def open_stores(
    settings: Settings, data_dir: DataDirectory, clock: Clock, metrics: Metrics, *, alone: bool = True
) -> AsyncIterator[Stores]:
    """Open the stores on `data_dir`, whose lock the caller holds; not `alone`, somebody else may hold it.

    Raises:
        DatabaseRefused: the database cannot be used; nothing in it was changed.
        Failure: migrations are pending and `database.auto_migrate` is off.
    """
    database = open_relational(settings, data_dir, metrics)
    search_file = SearchFile(data_dir.search, settings)
    exchange_scope = contextlib.AsyncExitStack()
    blobs = open_blobs(settings, data_dir, clock, metrics, alone=alone, patient=False)
    try:
        await migrate(database, settings, data_dir)
        metrics.watch_database(
            lambda: database.connections().active,
            lambda: database.connections().idle,
            database.connections().limit,
        )
        exchange = await exchange_scope.enter_async_context(open_exchange(settings, database, clock, metrics))
        logs = await exchange_scope.enter_async_context(open_timeline(settings, database, clock, metrics))
        # The lock on the data directory keeps every other process off a file in it, not off a server. Who
        # runs beside others takes nothing over from them at the start.
        outbox = RelationalOutbox(
            logs.database,
            clock,
            metrics,
            alone=alone and exchange.leases is None,
            elsewhere=lambda kind: exchange.bus.publish(CONTROL, WorkWaits(kind)),
        )
        await tell_of_work(exchange.bus, outbox)
        yield Stores(
            logs.database,
            logs.timeline,
            exchange.bus,
            exchange.cache,
            Sealer(data_dir.master_key, data_dir.previous_master_keys),
            Cursors(data_dir.cursor_key),
            clock,
            metrics,
            outbox,
            blobs,
            SqliteSearchIndex(search_file) if settings.embedded_sql else PostgresSearchIndex(database),
            data_dir.vapid_key,
            exchange.process,
            exchange.leases,
            exchange.ping,
            logs.ping,
        )
    finally:
        await exchange_scope.aclose()
        await blobs.close()
        await search_file.close()
        await database.close()
