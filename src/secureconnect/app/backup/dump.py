"""`backup`: one consistent cut of everything, taken while the server runs."""

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec import Struct
from sqlalchemy import Connection, select

from secureconnect import __version__
from secureconnect.app.backup.tables import kept_tables, pages
from secureconnect.app.backup.trail import record
from secureconnect.app.data_dir import DataDirectory, open_data_dir
from secureconnect.app.failure import Failure
from secureconnect.app.object_store import open_blobs
from secureconnect.app.relational import open_relational
from secureconnect.app.settings import Settings
from secureconnect.infra.archive.base import Manifest, PartFacts
from secureconnect.infra.archive.writer import ArchiveWriter
from secureconnect.infra.blobs.base import Blobs, ObjectMissing
from secureconnect.infra.database.base import Database
from secureconnect.infra.telemetry.metrics import Metrics
from secureconnect.kit.clock import SystemClock
from secureconnect.migrations import runner

__all__ = ["KEYS", "PATIENCE", "PREFIXES", "Made", "back_up", "refuse_cassandra"]

#: Seconds that the one transaction of a backup may take.
PATIENCE = 24 * 3600.0
#: Where objects of people lie (docs/reference/data.md §5).
PREFIXES = ("users/", "thumbs/", "avatars/", "exports/")
#: Files of the directory `secrets`.
KEYS = ("master_key", "cursor_key", "vapid_key", "turn_secret")
_TYPES = {"thumbs": "image/webp", "avatars": "image/webp", "exports": "application/zip"}


class Made(Struct, frozen=True):
    """What a backup holds, and how long it took."""

    path: str
    bytes: int
    seconds: float
    encrypted: bool
    schema: int
    rows: int
    objects: int
    object_bytes: int
    missing: int
    tables: dict[str, int]


def back_up(settings: Settings, out: Path, passphrase: str, *, without: Sequence[str] = ()) -> Made:
    """Write a backup to `out`. `without` may name `objects`. Works beside a running server.

    The cut is the moment at which this begins to read: everything acknowledged before it is inside.

    Raises:
        Failure: the file exists, its directory does not, or there is nothing to back up.
        DatabaseRefused, ApiError: a store cannot be read.
        OSError: the file cannot be written; nothing of it is left.
    """
    return asyncio.run(_back_up(settings, out, passphrase, frozenset(without)))


def refuse_cassandra(settings: Settings) -> None:
    """Half an installation is no backup.

    Raises:
        Failure: the timeline lies in Cassandra, which this does not read.
    """
    if settings.timeline.backend == "cassandra":
        raise Failure(
            "the timeline lies in Cassandra, which has snapshots of its own (`nodetool snapshot`)\n"
            "Take those, and copies of the relational store and of the bucket by their own means."
        )


async def _back_up(settings: Settings, out: Path, passphrase: str, without: frozenset[str]) -> Made:
    started = time.monotonic()
    if await asyncio.to_thread(out.exists):
        raise Failure(f"{out} exists already")
    if not await asyncio.to_thread(out.parent.is_dir):
        raise Failure(f"there is no directory {out.parent}")
    if settings.embedded_sql and not await asyncio.to_thread(settings.database_path.exists):
        raise Failure(f"there is nothing to back up: {settings.database_path} does not exist")
    refuse_cassandra(settings)
    data_dir = open_data_dir(settings)
    metrics, clock = Metrics("secureconnect", __version__), SystemClock()
    database = open_relational(settings, data_dir, statement_timeout=PATIENCE)
    blobs = open_blobs(settings, data_dir, clock, metrics, alone=False)
    try:
        with ArchiveWriter(out, passphrase) as archive:
            created_at = clock.now()
            schema = await database.read(lambda conn: _tables(conn, archive))
            missing = 0
            if "objects" not in without:
                missing = await _objects(database, blobs, archive)
            _keys(data_dir, archive)
            parts = tuple(archive.parts)
            archive.finish(Manifest(__version__, schema, created_at, parts, tuple(sorted(without)), missing))
        made = _made(out, parts, passphrase, schema, missing, time.monotonic() - started)
        details = {"rows": str(made.rows), "objects": str(made.objects), "bytes": str(made.bytes)}
        await database.write(lambda tx: record(tx.conn, "backup_created", clock.now(), details))
        return made
    finally:
        await blobs.close()
        await database.close()


def _tables(conn: Connection, archive: ArchiveWriter) -> int:
    """Every table in one snapshot; returns the version of its schema. May run again."""
    archive.rewind()
    status = runner.status(conn)
    if status.pending:
        raise Failure("migrations are pending\nRun: secureconnect migrate up")
    for table in kept_tables():
        columns = [str(column.name) for column in table.columns]
        archive.table(str(table.name), columns, pages(conn, table))
    return status.version


async def _objects(database: Database, blobs: Blobs, archive: ArchiveWriter) -> int:
    """Copy objects after the rows that know them: they never change. Returns how many went away meanwhile."""
    missing = 0
    for prefix in PREFIXES:
        async for entry in blobs.entries(prefix):
            missing += not await _object(database, blobs, archive, entry.key)
    return missing


async def _object(database: Database, blobs: Blobs, archive: ArchiveWriter, key: str) -> bool:
    take: Callable[[bytes | None], None] | None = None
    known = _TYPES.get(key.partition("/")[0])
    content_type = known if known is not None else await database.lookup(_type_of(key))
    try:
        async for piece in blobs.chunks(key):
            take = take or archive.opened("object", key, content_type)
            take(piece)
    except ObjectMissing:
        if take is not None:
            raise Failure(f"{key} was removed while it was read\nRun the command again.") from None
        return False
    take = take or archive.opened("object", key, content_type)
    take(None)
    return True


def _type_of(key: str) -> Callable[[Connection], str]:
    from secureconnect.features.files.store.tables import files

    query = select(files.c.content_type).where(files.c.file_id == key.rpartition("/")[2])
    return lambda conn: str(conn.execute(query).scalar() or "application/octet-stream")


def _keys(data_dir: DataDirectory, archive: ArchiveWriter) -> None:
    for name in KEYS:
        path = data_dir.path / "secrets" / name
        if path.is_file():
            take = archive.opened("key", name)
            take(path.read_bytes())
            take(None)


def _made(
    out: Path, parts: Sequence[PartFacts], passphrase: str, schema: int, missing: int, seconds: float
) -> Made:
    tables = {part.name: part.count for part in parts if part.kind == "table"}
    sizes = [part.count for part in parts if part.kind == "object"]
    return Made(
        path=str(out),
        bytes=out.stat().st_size,
        seconds=round(seconds, 3),
        encrypted=bool(passphrase),
        schema=schema,
        rows=sum(tables.values()),
        objects=len(sizes),
        object_bytes=sum(sizes),
        missing=missing,
        tables=tables,
    )
