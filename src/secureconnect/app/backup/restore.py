"""`restore`: an archive becomes an installation again; stopped at any point, it can be run again.

Order: everything is read and checked into a scratch store, then a mark is set that keeps servers away, then
come keys and objects, then the database in one step, and last the mark goes.
"""

import asyncio
import os
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from msgspec import Struct

from secureconnect import __version__
from secureconnect.app.backup.dump import PREFIXES, refuse_cassandra
from secureconnect.app.backup.refill import holds_people, refill
from secureconnect.app.backup.scratch import Verified, fill_scratch, remove_database, scratch_connection
from secureconnect.app.backup.settle import settle
from secureconnect.app.backup.trail import record
from secureconnect.app.data_dir import DirectoryLock, open_data_dir, restore_mark
from secureconnect.app.failure import Failure
from secureconnect.app.object_store import open_blobs
from secureconnect.app.settings import Settings
from secureconnect.infra.archive.reader import ArchiveReader, PartReader
from secureconnect.infra.blobs.base import Blobs
from secureconnect.infra.telemetry.metrics import Metrics
from secureconnect.kit.clock import SystemClock

__all__ = ["Restored", "restore", "verify"]


class Restored(Struct, frozen=True):
    """What was read and, unless it was only verified, put in place."""

    seconds: float
    created_at: int
    version: str
    schema: int
    rows: int
    objects: int
    settled: dict[str, int]


def verify(archive: Path, passphrase: str) -> Restored:
    """Read all of an archive, load it into a scratch store below `TMPDIR`, and check it there.

    Raises:
        Failure: it is not whole, was altered, or disagrees with itself.
    """
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="secureconnect-verify-") as folder:
        found = asyncio.run(fill_scratch(archive, passphrase, Path(folder) / "scratch.db"))
    return _receipt(found, {}, started)


def restore(
    settings: Settings, archive: Path, passphrase: str, *, force: bool, keep_sessions: bool
) -> Restored:
    """Put an archive in place of what the data directory holds.

    Raises:
        Failure: the archive does not verify, somebody uses the directory, or it holds something and `force`
            was not given. Nothing live was changed then.
        OSError: the disk failed half-way; servers stay away until a restore is run to its end.
    """
    started = time.monotonic()
    refuse_cassandra(settings)
    target = settings.database_path
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    locks = [settings.data_dir / "lock"]
    if target.parent.resolve() != settings.data_dir.resolve():
        locks.append(target.with_name(f"{target.name}.lock"))
    with DirectoryLock(locks):
        mark = restore_mark(settings.data_dir)
        held = next(_contents(settings), None)
        if held is not None and not force and not mark.exists():
            raise Failure(f"{held} is not empty\nGive --force to replace it, or another --data-dir.")
        scratch = target.with_name(f".{target.name}.restoring")
        try:
            found = asyncio.run(fill_scratch(archive, passphrase, scratch))
            done = _settle(scratch, found, keep_sessions=keep_sessions) if settings.embedded_sql else {}
            _write(mark, b"a restore is not finished\n")
            _put_keys(settings, ArchiveReader(archive, passphrase).parts())
            wanted = asyncio.run(_put_objects(settings, archive, passphrase))
            remove_database(settings.data_dir / "search.db")
            if settings.embedded_sql:
                remove_database(target)
                scratch.replace(target)
                _sync(target.parent)
            else:
                done = asyncio.run(refill(settings, archive, passphrase, found, keep_sessions=keep_sessions))
            if "objects" not in found.manifest.excluded:
                done["objects_removed"] = asyncio.run(_remove_others(settings, wanted))
        finally:
            remove_database(scratch)
        mark.unlink()
        _sync(mark.parent)
    return _receipt(found, done, started)


def _receipt(found: Verified, done: dict[str, int], started: float) -> Restored:
    manifest = found.manifest
    return Restored(
        round(time.monotonic() - started, 3),
        manifest.created_at,
        manifest.version,
        manifest.schema,
        found.rows,
        found.objects,
        done,
    )


def _contents(settings: Settings) -> Iterator[Path]:
    """What a restore would replace."""
    if not settings.embedded_sql:
        if asyncio.run(holds_people(settings)):
            yield Path("the database")
    elif settings.database_path.exists() and _in_use(settings.database_path):
        yield settings.database_path
    if settings.object_store.backend == "local":
        for prefix in PREFIXES:
            folder = settings.data_dir / "objects" / prefix
            yield from (path for path in folder.rglob("*") if path.is_file())


def _in_use(database: Path) -> bool:
    """Whether somebody ever registered."""
    import sqlite3

    try:
        raw = sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)
        try:
            return raw.execute("SELECT 1 FROM users LIMIT 1").fetchone() is not None
        finally:
            raw.close()
    except sqlite3.OperationalError as error:
        return "no such table" not in str(error)
    except sqlite3.DatabaseError:
        return True  # damaged, which may be why it is replaced, but that is for the operator to say


def _settle(scratch: Path, found: Verified, *, keep_sessions: bool) -> dict[str, int]:
    now = SystemClock().now()
    with scratch_connection(scratch) as conn:
        done = settle(conn, now, keep_sessions=keep_sessions)
        details = {"created_at": str(found.manifest.created_at), "rows": str(found.rows)}
        details.update((name, str(count)) for name, count in done.items())
        record(conn, "restore_completed", now, details)
    return done


def _put_keys(settings: Settings, parts: Iterable[PartReader]) -> None:
    folder = settings.data_dir / "secrets"
    folder.mkdir(mode=0o700, exist_ok=True)
    for part in parts:
        if part.begin.kind == "key" and "/" not in part.begin.name:
            _write(folder / part.begin.name, b"".join(part.pieces()))


async def _put_objects(settings: Settings, archive: Path, passphrase: str) -> set[str]:
    """Returns the keys; each object is put whole, and again when the restore is repeated."""
    blobs = _blobs(settings)
    wanted: set[str] = set()
    try:
        with tempfile.TemporaryDirectory(prefix=".restoring-", dir=settings.data_dir) as folder:
            for part in ArchiveReader(archive, passphrase).parts():
                if part.begin.kind == "object":
                    await _put_object(blobs, part, Path(folder) / "object")
                    wanted.add(part.begin.name)
    finally:
        await blobs.close()
    return wanted


async def _put_object(blobs: Blobs, part: PartReader, file: Path) -> None:
    key, content_type = part.begin.name, part.begin.content_type or "application/octet-stream"
    pieces = part.pieces()
    first = next(pieces, b"")
    second = next(pieces, None)
    if second is None:
        await blobs.put(key, first, content_type=content_type)
        return
    with file.open("wb") as target:
        target.write(first + second)
        target.writelines(pieces)
    await blobs.put_file(key, str(file), content_type=content_type)


async def _remove_others(settings: Settings, wanted: set[str]) -> int:
    """Objects that the archive does not hold belong to nobody any more."""
    blobs = _blobs(settings)
    try:
        others = [
            entry.key
            for prefix in PREFIXES
            async for entry in blobs.entries(prefix)
            if entry.key not in wanted
        ]
        for start in range(0, len(others), 1000):
            await blobs.delete(others[start : start + 1000])
        return len(others)
    finally:
        await blobs.close()


def _blobs(settings: Settings) -> Blobs:
    metrics = Metrics("secureconnect", __version__)
    return open_blobs(settings, open_data_dir(settings), SystemClock(), metrics, alone=False)


def _write(path: Path, data: bytes) -> None:
    """A private file, whole or not there."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        os.write(descriptor, data)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    fresh.replace(path)
    _sync(path.parent)


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
