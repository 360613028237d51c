"""Whether a file may be opened as our database. Nothing is written before that is known."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from secureconnect.infra.database.base import DatabaseRefused
from secureconnect.infra.database.sqlite_errors import sqlite_code

__all__ = ["check_file", "refused"]

#: `SCon`, in the header field that SQLite reserves for telling application files apart.
_APPLICATION_ID = 0x53436F6E
#: Files up to this size are checked completely: a few milliseconds per MiB, many more from a cold disk. Of
#: larger ones only the schema, the length and the first rows of each table are read; `doctor` does the rest.
_QUICK_CHECK_BYTES = 4 * 1024 * 1024


def check_file(path: Path, newest_schema: int | None, lock_wait: float) -> None:
    """Create `path` (mode 0600) when it is missing; else make sure that it is sound and ours.

    Another process may hold its lock for `lock_wait` seconds.

    Raises:
        DatabaseRefused: no database, another program's, damaged, locked, or of a newer version.
    """
    try:
        _create_missing(path)
        # Read-only first: closing a writable connection would fold the log into a file we may have to refuse.
        with closing(_open(path, "ro", lock_wait)) as raw:
            _check_content(path, raw, newest_schema)
        with closing(_open(path, "rw", lock_wait)) as raw:
            _claim(path, raw)
    except (OSError, sqlite3.Error) as error:
        raise refused(path, error) from error


def refused(path: Path, error: OSError | sqlite3.Error) -> DatabaseRefused:
    """The operator's explanation of `error`."""
    if isinstance(error, OSError):
        return DatabaseRefused(
            f"The database file {path} cannot be opened: {error.strerror}.",
            "Check that the directory exists and belongs to the user that runs the server.",
        )
    code = sqlite_code(error)
    if code == sqlite3.SQLITE_NOTADB:
        return DatabaseRefused(
            f"The file {path} is not a SQLite database.",
            "Nothing was changed in it. Move it away, or restore a backup in its place.",
        )
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return DatabaseRefused(
            f"The database file {path} is locked by another process.",
            "Stop the other process that uses it, then start again.",
        )
    if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
        return DatabaseRefused(
            f"The database file {path} cannot be opened for writing.",
            "Check that it and its directory belong to the user that runs the server.",
        )
    if code == sqlite3.SQLITE_FULL:
        return DatabaseRefused(f"There is no space left for {path}.", "Free some space, then start again.")
    return _damaged(path, str(error))


def _damaged(path: Path, finding: str) -> DatabaseRefused:
    return DatabaseRefused(
        f"The database file {path} is damaged ({finding}).",
        "Nothing was changed in it. Keep a copy and restore the latest backup.",
    )


def _create_missing(path: Path) -> None:
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        return
    # The new name must survive power loss as well as what will be written under it.
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _open(path: Path, mode: str, lock_wait: float) -> sqlite3.Connection:
    uri = f"{path.absolute().as_uri()}?mode={mode}"
    return sqlite3.connect(uri, uri=True, timeout=lock_wait, isolation_level=None)


def _check_content(path: Path, raw: sqlite3.Connection, newest_schema: int | None) -> None:
    tables = {row[0] for row in raw.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    (application_id,) = raw.execute("PRAGMA application_id").fetchone()
    if application_id != _APPLICATION_ID and tables and "schema_migrations" not in tables:
        raise DatabaseRefused(
            f"The file {path} is the database of another program.",
            "Nothing was changed in it. Choose another data directory or move the file away.",
        )
    finding = _finding(path, raw, tables)
    if finding is not None:
        raise _damaged(path, finding)
    if newest_schema is not None and "schema_migrations" in tables:
        unreadable = "SELECT max(version) FROM schema_migrations WHERE version > ?1"
        if "schema_readable" in tables:
            unreadable += " AND version NOT IN (SELECT version FROM schema_readable WHERE since <= ?1)"
        (version,) = raw.execute(unreadable, (newest_schema,)).fetchone()
        if version is not None:
            raise DatabaseRefused(
                f"The database {path} has schema version {version}; this program knows {newest_schema}.",
                "Run the newer program, or restore a backup that this version made.",
            )


def _finding(path: Path, raw: sqlite3.Connection, tables: set[str]) -> str | None:
    """What is wrong with the content, as far as a start may take the time to look."""
    size = path.stat().st_size
    if size <= _QUICK_CHECK_BYTES:
        (finding,) = raw.execute("PRAGMA quick_check(1)").fetchone()
        return None if finding == "ok" else str(finding).splitlines()[-1]
    for table in tables:
        raw.execute(f'SELECT 1 FROM "{table}" LIMIT 1').fetchone()  # noqa: S608 - a name from the schema
    log = path.with_name(path.name + "-wal")
    if not log.exists() or log.stat().st_size == 0:  # else pages may be missing that the log still brings
        (pages,) = raw.execute("PRAGMA page_count").fetchone()
        (page_size,) = raw.execute("PRAGMA page_size").fetchone()
        if pages * page_size > size:
            return "it was cut short"
    return None


def _claim(path: Path, raw: sqlite3.Connection) -> None:
    """Mark the file as ours; the write lock shows whether another process holds it."""
    if raw.execute("PRAGMA journal_mode = WAL").fetchone() != ("wal",):
        raise DatabaseRefused(
            f"The file system of {path} does not support a write-ahead log.",
            "Put the data directory on a local file system.",
        )
    raw.execute("BEGIN IMMEDIATE")
    if raw.execute("PRAGMA application_id").fetchone() != (_APPLICATION_ID,):
        raw.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
    raw.execute("COMMIT")
