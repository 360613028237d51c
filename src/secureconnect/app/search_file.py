"""The file of the search index, which is made anew when it cannot be used."""

from pathlib import Path

from secureconnect.app.settings import Settings
from secureconnect.infra.database.base import DatabaseRefused
from secureconnect.infra.database.sqlite import SqliteDatabase, open_sqlite
from secureconnect.infra.telemetry.log import get_logger

__all__ = ["open_search_file"]

log = get_logger()

#: Dropping the tables of a large index takes its time.
_STATEMENT_TIMEOUT = 120.0


def open_search_file(path: Path, settings: Settings) -> SqliteDatabase:
    """Open the index at `path`, whose directory the caller has locked.

    Raises:
        DatabaseRefused: even a new file cannot be used.
    """
    try:
        return _open(path, settings)
    except DatabaseRefused as error:
        log.warning("the search index cannot be used and is made anew", error=error.message)
    for file in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
        file.unlink(missing_ok=True)
    return _open(path, settings)


def _open(path: Path, settings: Settings) -> SqliteDatabase:
    return open_sqlite(
        path,
        acquire_timeout=settings.database.acquire_timeout,
        statement_timeout=_STATEMENT_TIMEOUT,
        synced=False,
    )
