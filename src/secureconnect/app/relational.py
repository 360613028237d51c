"""The relational store that settings name: opened, waited for, migrated."""

from typing import Protocol

from secureconnect.app.data_dir import DataDirectory
from secureconnect.app.failure import Failure
from secureconnect.app.patience import patiently
from secureconnect.app.settings import Settings
from secureconnect.infra.database.base import BatchDatabase, DatabaseRefused
from secureconnect.infra.database.metrics import Connections, ServerMetrics
from secureconnect.infra.database.sqlite import SqliteDatabase
from secureconnect.infra.telemetry.log import get_logger
from secureconnect.infra.timeline.base import TimelineMetrics
from secureconnect.infra.timeline.relational import RelationalTimeline
from secureconnect.migrations import runner

__all__ = ["MIGRATION_PATIENCE", "RelationalStore", "migrate", "open_relational", "open_timeline"]

log = get_logger()

#: A migration may rewrite a large table, and waits for another process that does.
MIGRATION_PATIENCE = 3600.0


class RelationalStore(BatchDatabase, Protocol):
    """A `Database` that says how many connections it uses."""

    def connections(self) -> Connections:
        """For gauges."""


def open_relational(
    settings: Settings,
    data_dir: DataDirectory,
    metrics: ServerMetrics | None = None,
    *,
    statement_timeout: float | None = None,
    any_schema: bool = False,
) -> RelationalStore:
    """The store of `database.url`. A file is opened at once, and refused when its schema is newer than this
    program unless `any_schema`; a server is not asked before the first use.

    Raises:
        DatabaseRefused: the file cannot be used; nothing in it was changed.
    """
    given = settings.database
    timeout = given.statement_timeout if statement_timeout is None else statement_timeout
    if settings.embedded_sql:
        from secureconnect.infra.database.sqlite import open_sqlite

        return open_sqlite(
            data_dir.database,
            metrics=metrics,
            newest_schema=None if any_schema else runner.newest_version(),
            acquire_timeout=given.acquire_timeout,
            statement_timeout=timeout,
        )
    from secureconnect.infra.database.postgres import PostgresDatabase
    from secureconnect.infra.database.postgres_url import read_url

    return PostgresDatabase(
        read_url(given.url),
        pool_min=given.pool_min,
        pool_max=given.pool_max,
        acquire_timeout=given.acquire_timeout,
        statement_timeout=timeout,
        pool_guard=given.pool_guard,
        metrics=metrics,
    )


def open_timeline(database: RelationalStore, metrics: TimelineMetrics | None) -> RelationalTimeline:
    """The timeline in the relational store."""
    if not isinstance(database, SqliteDatabase):  # whose start needs none of this
        from secureconnect.infra.database.postgres import PostgresDatabase
        from secureconnect.infra.timeline.postgres import PostgresTimeline

        if isinstance(database, PostgresDatabase):
            return PostgresTimeline(database, metrics=metrics)
    return RelationalTimeline(database, metrics=metrics)


async def migrate(database: RelationalStore, settings: Settings, data_dir: DataDirectory) -> None:
    """Wait until the store answers, and bring its schema up to date or make sure that it is.

    Raises:
        DatabaseRefused: its schema is of a newer program, and not readable by this one.
        Failure: migrations are pending and `database.auto_migrate` is off.
    """
    await patiently(lambda: _migrate(database, settings, data_dir))


async def _migrate(database: RelationalStore, settings: Settings, data_dir: DataDirectory) -> None:
    status = await database.read(runner.status)
    if status.unreadable:
        raise DatabaseRefused(
            f"The database has schema version {status.version},"
            f" this program knows {runner.newest_version()}.",
            "Run the newer program, or restore a backup that this version made.",
        )
    if status.unknown:
        log.info("the schema is of a newer program, which this one works beside", version=status.version)
    if not status.pending:
        return
    if not settings.database.auto_migrate:
        raise Failure(
            f"{len(status.pending)} migrations are pending and database.auto_migrate is off\n"
            "Run: secureconnect migrate up"
        )
    if settings.embedded_sql:
        await database.write(lambda tx: runner.upgrade(tx.conn))
        return
    patient = open_relational(settings, data_dir, statement_timeout=MIGRATION_PATIENCE)
    try:
        await patient.write(lambda tx: runner.upgrade(tx.conn))
    finally:
        await patient.close()
