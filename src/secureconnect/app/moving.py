"""Taking all messages along when `timeline.backend` changes (docs/how-to/cluster.md)."""

import asyncio
from collections.abc import Callable
from contextlib import nullcontext

from sqlalchemy import Connection, text

from secureconnect.app.data_dir import DataDirectory, open_data_dir
from secureconnect.app.failure import Failure
from secureconnect.app.relational import MIGRATION_PATIENCE, RelationalStore, open_relational
from secureconnect.app.settings import Settings
from secureconnect.app.timeline import cluster_of, refuse_unknown
from secureconnect.infra.database.sqlite import SqliteDatabase
from secureconnect.infra.timeline.cassandra import CassandraTimeline
from secureconnect.infra.timeline.cassandra_link import Link
from secureconnect.infra.timeline.cassandra_logs import CassandraLogs
from secureconnect.infra.timeline.cassandra_migrate import migrate
from secureconnect.infra.timeline.moving import Logs, Moved, NotMoved, move
from secureconnect.infra.timeline.relational_logs import RelationalLogs
from secureconnect.kit.clock import SystemClock
from secureconnect.migrations import runner

__all__ = ["move_timeline"]

_OTHERS = text(
    "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'secureconnect'"
    " AND datname = current_database() AND pid <> pg_backend_pid()"
)
_PAUSE = 0.2  # seconds


def move_timeline(settings: Settings, tell: Callable[[int, int], None]) -> Moved:
    """Move every log to where `timeline.backend` says, and empty the other store. No server may run.

    Args:
        tell: hears how many conversations and events were copied so far.

    Raises:
        Failure: somebody uses the stores, or the copy is not what was copied. What was there is there.
        ApiError, DatabaseRefused: a store does not answer, or cannot be used.
    """
    if not settings.timeline.hosts:
        raise Failure(
            "timeline.hosts names no node of Cassandra\nName them, also to move from there.", exit_code=2
        )
    data_dir = open_data_dir(settings)
    with data_dir.lock() if settings.embedded_sql else nullcontext():
        return asyncio.run(_move(settings, data_dir, tell))


async def _move(settings: Settings, data_dir: DataDirectory, tell: Callable[[int, int], None]) -> Moved:
    database = open_relational(settings, data_dir, statement_timeout=MIGRATION_PATIENCE)
    cluster = cluster_of(settings)
    link = Link(cluster)
    try:
        await _refuse_others(database)
        if (await database.read(runner.status)).pending:
            raise Failure("migrations are pending\nRun: secureconnect migrate up")
        await refuse_unknown(database)
        await migrate(cluster)
        timeline = CassandraTimeline(database, cluster, SystemClock())
        try:
            # What transactions decided about logs in Cassandra has to be in them.
            while await timeline.repair(older_than=0):  # noqa: ASYNC110 - claims of the dead tell nobody
                await asyncio.sleep(_PAUSE)
        finally:
            await timeline.close()
        here, there = RelationalLogs(database), CassandraLogs(database, link)
        ways: dict[str, tuple[Logs, Logs]] = {"cassandra": (here, there), "database": (there, here)}
        try:
            return await move(*ways[settings.timeline.backend], tell)
        except NotMoved as reason:
            raise Failure(f"{reason}\nNothing was removed.") from reason
    finally:
        await link.close()
        await database.close()


async def _refuse_others(database: RelationalStore) -> None:
    """A file is locked by whoever serves it; a server knows who is connected."""
    if isinstance(database, SqliteDatabase) or getattr(database, "cockroach", False):
        return

    def others(conn: Connection) -> int:
        return int(conn.execute(_OTHERS).scalar_one())

    if await database.read(others):
        raise Failure("other processes of SecureConnect use the database\nStop all of them first.")
