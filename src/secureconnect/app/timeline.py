"""The timeline that settings name: opened beside the relational store, made ready, closed."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct
from sqlalchemy import text

from secureconnect.app import relational
from secureconnect.app.failure import Failure
from secureconnect.app.patience import patiently
from secureconnect.app.relational import RelationalStore
from secureconnect.app.settings import Settings
from secureconnect.infra.database.base import Database
from secureconnect.infra.telemetry.log import get_logger
from secureconnect.infra.telemetry.metrics import Metrics
from secureconnect.infra.timeline.base import CommitListener, Timeline
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ApiError

if TYPE_CHECKING:
    from secureconnect.infra.timeline.cassandra_link import Cluster

__all__ = ["ListeningTimeline", "OpenedTimeline", "cluster_of", "open_timeline", "refuse_unknown"]

log = get_logger()

_LOGS = text("SELECT EXISTS (SELECT 1 FROM timeline_heads)")
_NO_LOGS = text(
    "SELECT EXISTS (SELECT 1 FROM conversations WHERE deleted_at IS NULL)"
    " AND NOT EXISTS (SELECT 1 FROM timeline_heads)"
)
_NOWHERE = text(
    "SELECT EXISTS (SELECT 1 FROM conversations WHERE deleted_at IS NULL)"
    " AND NOT EXISTS (SELECT 1 FROM timeline_heads) AND NOT EXISTS (SELECT 1 FROM decided_heads)"
)
_PAUSE = 1.0  # seconds between two attempts to reach a cluster that is away


class ListeningTimeline(Timeline, Protocol):
    """A `Timeline` that is told later who listens."""

    def listen(self, on_commit: CommitListener) -> None:
        """Set the commit listener, before the first append."""


class OpenedTimeline(Struct, frozen=True):
    """A timeline, the database through which transactions change it, and how to ask for a sign of life; None
    when it lies in the database."""

    timeline: ListeningTimeline
    database: Database
    ping: Callable[[], Awaitable[float]] | None = None


@contextlib.asynccontextmanager
async def open_timeline(
    settings: Settings, database: RelationalStore, clock: Clock, metrics: Metrics
) -> AsyncIterator[OpenedTimeline]:
    """Open it. A cluster that is away does not keep the process from starting: it is joined when it is there.

    Raises:
        Failure: migrations of Cassandra are pending and `database.auto_migrate` is off, or the messages of
            this installation lie in the other store.
    """
    await patiently(lambda: _refuse_elsewhere(settings, database))
    if settings.timeline.backend == "database":
        yield OpenedTimeline(relational.open_timeline(database, metrics), database)
        return
    # Processes without Cassandra do not load its driver.
    from secureconnect.infra.timeline.cassandra import CassandraTimeline

    cluster = cluster_of(settings)
    joining = None
    if not await _ready(cluster, automatic=settings.database.auto_migrate):
        joining = asyncio.create_task(_join(cluster, automatic=settings.database.auto_migrate))
    timeline = CassandraTimeline(database, cluster, clock, metrics=metrics, store_metrics=metrics.timeline)
    timeline.start()
    try:
        yield OpenedTimeline(timeline, timeline.database, timeline.ping)
    finally:
        if joining is not None:
            joining.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await joining
        await timeline.close()


def cluster_of(settings: Settings) -> "Cluster":
    """Where the nodes are."""
    from secureconnect.infra.timeline.cassandra_link import Cluster

    given = settings.timeline
    return Cluster(
        given.hosts,
        given.port,
        given.keyspace,
        given.local_dc,
        given.replication_factor,
        given.username,
        given.password,
        given.timeout,
    )


async def refuse_unknown(database: Database) -> None:
    """Logs that stand in no table of this program are neither served nor moved.

    Raises:
        Failure: they lie in Cassandra as a program before the first release wrote them.
    """
    if await database.read(lambda conn: bool(conn.execute(_NOWHERE).scalar())):
        raise Failure(
            "the messages of this installation were written to Cassandra by an earlier program\n"
            "Move them into the database with that program (migrate timeline), then start this one."
        )


async def _refuse_elsewhere(settings: Settings, database: Database) -> None:
    """Served from the wrong store, all messages would seem to be gone."""
    await refuse_unknown(database)
    in_cassandra = settings.timeline.backend == "cassandra"
    if await database.read(lambda conn: bool(conn.execute(_LOGS if in_cassandra else _NO_LOGS).scalar())):
        raise Failure(
            f"the messages of this installation lie in {'the database' if in_cassandra else 'Cassandra'}\n"
            "Stop all processes and run: secureconnect migrate timeline; or set timeline.backend back"
        )


async def _ready(cluster: "Cluster", *, automatic: bool) -> bool:
    """Make sure of the tables; False when the cluster does not answer."""
    from secureconnect.infra.timeline.cassandra_migrate import migrate, pending

    try:
        if automatic:
            await migrate(cluster)
        elif missing := await pending(cluster):
            raise Failure(
                f"{len(missing)} migrations of Cassandra are pending and database.auto_migrate is off\n"
                "Run: secureconnect migrate up"
            )
    except ApiError:
        log.warning("cassandra does not answer; nothing can be sent or read before it does")
        return False
    return True


async def _join(cluster: "Cluster", *, automatic: bool) -> None:
    while True:
        await asyncio.sleep(_PAUSE)
        try:
            if await _ready(cluster, automatic=automatic):
                log.info("cassandra answers")
                return
        except Failure as failure:
            log.error("cassandra has no tables for this program", reason=str(failure))  # noqa: TRY400
