"""A store of its own, filled from an archive and checked, before anything live is touched."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct
from sqlalchemy import Connection, create_engine, event, text

from secureconnect.app.backup.tables import insert_pages
from secureconnect.app.failure import Failure
from secureconnect.app.invariants import Invariant, check_invariants
from secureconnect.infra.archive.base import ArchiveBroken, Manifest
from secureconnect.infra.archive.reader import ArchiveReader
from secureconnect.infra.database.sqlite import open_sqlite
from secureconnect.migrations import runner

__all__ = ["Verified", "fill_scratch", "remove_database", "scratch_connection"]


class Verified(Struct, frozen=True):
    """What a whole archive holds."""

    manifest: Manifest
    rows: int
    objects: int
    invariants: tuple[Invariant, ...]


async def fill_scratch(archive: Path, passphrase: str, scratch: Path) -> Verified:
    """Read all of `archive`, load its tables into a new database file `scratch`, and check them.

    Raises:
        Failure: something is not as it was written, or the stores disagree with each other.
    """
    remove_database(scratch)
    # The file gets its owner and its mark first; then one connection fills it, without a log and without
    # syncing: what is cut off here is made again from the start.
    await open_sqlite(scratch).close()
    reader = ArchiveReader(archive, passphrase)
    rows = objects = 0
    try:
        schema = _schema_of(archive, passphrase)
        with scratch_connection(scratch) as conn:
            runner.upgrade(conn, schema)
            for part in reader.parts():
                if part.begin.kind == "table":
                    rows += insert_pages(conn, part)
                else:
                    part.skip()
                    objects += part.begin.kind == "object"
            runner.upgrade(conn)
            conn.execute(text("ANALYZE"))
        with scratch_connection(scratch) as conn:
            found = tuple(check_invariants(conn))
    except ArchiveBroken as error:
        raise Failure(f"{archive} cannot be restored: {error}") from error
    assert reader.manifest is not None
    broken = [each for each in found if not each.holds]
    if broken:
        shown = "".join(f"\n  {each.number} {each.says}: {each.broken[0]}" for each in broken)
        raise Failure(f"{archive} holds a store that disagrees with itself:{shown}")
    return Verified(reader.manifest, rows, objects, found)


@contextlib.contextmanager
def scratch_connection(path: Path) -> Iterator[Connection]:
    """One transaction on a database file that nobody else uses, durable once the block ends."""
    engine = create_engine(f"sqlite:///{path}", isolation_level="AUTOCOMMIT", hide_parameters=True)

    @event.listens_for(engine, "connect")
    def _set_up(raw: object, _: object) -> None:
        for pragma in (
            "journal_mode = DELETE",
            "journal_mode = OFF",
            "synchronous = OFF",
            "foreign_keys = OFF",
            "cache_size = -65536",
            "temp_store = FILE",
        ):
            raw.execute(f"PRAGMA {pragma}").fetchall()  # type: ignore[attr-defined]

    try:
        with engine.connect() as conn:
            conn.exec_driver_sql("BEGIN")
            yield conn
            conn.exec_driver_sql("COMMIT")
    finally:
        engine.dispose()
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_database(path: Path) -> None:
    """Remove a database file with what SQLite keeps beside it; that first, for it means nothing to another
    file of this name."""
    for suffix in ("-wal", "-shm", "-journal", ""):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _schema_of(archive: Path, passphrase: str) -> int:
    """The schema of the archive, which says so at its end."""
    schema = ArchiveReader(archive, passphrase).check().schema
    if schema > runner.newest_version():
        raise Failure(
            f"{archive} was made by a newer version, with schema {schema}; "
            f"this one knows {runner.newest_version()}"
        )
    return schema
