"""A backup into a database server: all of it in one transaction, or nothing."""

from pathlib import Path

from sqlalchemy import Connection, text

from secureconnect.app.backup.dump import PATIENCE
from secureconnect.app.backup.scratch import Verified
from secureconnect.app.backup.settle import settle
from secureconnect.app.backup.tables import empty_tables, insert_pages
from secureconnect.app.backup.trail import record
from secureconnect.app.data_dir import open_data_dir
from secureconnect.app.relational import RelationalStore, open_relational
from secureconnect.app.settings import Settings
from secureconnect.infra.archive.reader import ArchiveReader
from secureconnect.kit.clock import SystemClock
from secureconnect.migrations import runner

__all__ = ["holds_people", "refill"]


async def holds_people(settings: Settings) -> bool:
    """Whether anybody ever registered in the store of `database.url`."""

    def anybody(conn: Connection) -> bool:
        if not conn.dialect.has_table(conn, "users"):
            return False
        return conn.execute(text("SELECT 1 FROM users LIMIT 1")).first() is not None

    database = _open(settings)
    try:
        return await database.read(anybody)
    finally:
        await database.close()


async def refill(
    settings: Settings, archive: Path, passphrase: str, found: Verified, *, keep_sessions: bool
) -> dict[str, int]:
    """Put the rows of a verified archive in place of those that are there; returns what was settled."""
    schema = found.manifest.schema

    def fill(conn: Connection) -> dict[str, int]:
        """May run again: it begins by emptying what there is."""
        now = SystemClock().now()
        empty_tables(conn)
        # Rows are read into the schema that they were written from, and then brought up to date.
        newer = sum(step.version > schema for step in runner.status(conn).applied)
        if newer:
            runner.downgrade(conn, newer)
        runner.upgrade(conn, schema)
        for part in ArchiveReader(archive, passphrase).parts():
            if part.begin.kind == "table":
                insert_pages(conn, part)
        runner.upgrade(conn)
        done = settle(conn, now, keep_sessions=keep_sessions)
        details = {"created_at": str(found.manifest.created_at), "rows": str(found.rows)}
        details.update((name, str(count)) for name, count in done.items())
        record(conn, "restore_completed", now, details)
        return done

    database = _open(settings)
    try:
        return await database.write(lambda tx: fill(tx.conn))
    finally:
        await database.close()


def _open(settings: Settings) -> RelationalStore:
    return open_relational(settings, open_data_dir(settings), statement_timeout=PATIENCE)
