"""The file of the search index: opened when it is first needed, made anew when it cannot be used."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection

from secureconnect.app.settings import Settings
from secureconnect.infra.database.base import DatabaseRefused, WriteTx
from secureconnect.infra.database.sqlite import SqliteDatabase, open_sqlite
from secureconnect.infra.telemetry.log import get_logger
from secureconnect.kit.errors import ApiError, ErrorCode

__all__ = ["SearchFile"]

T = TypeVar("T")

log = get_logger()

#: Dropping the tables of a large index takes its time.
_STATEMENT_TIMEOUT = 120.0


class SearchFile:
    """A `Database` whose content may be lost.

    Commands that only assemble the product, also beside a running server, never open it. Whoever uses it
    holds the lock of the data directory.
    """

    def __init__(self, path: Path, settings: Settings) -> None:
        self._path = path
        self._settings = settings
        self._opened: SqliteDatabase | None = None

    async def read(self, query: Callable[[Connection], T]) -> T:
        return await self._database().read(query)

    async def lookup(self, query: Callable[[Connection], T]) -> T:
        return await self._database().lookup(query)

    async def write(self, work: Callable[[WriteTx], T], *, brief: bool = False) -> T:
        return await self._database().write(work, brief=brief)

    async def ping(self) -> float:
        return await self._database().ping()

    async def size(self) -> int:
        return await self._database().size()

    async def close(self) -> None:
        if self._opened is not None:
            await self._opened.close()

    def _database(self) -> SqliteDatabase:
        if self._opened is None:
            try:
                self._opened = self._open()
            except (DatabaseRefused, OSError) as error:
                raise ApiError(
                    ErrorCode.DATABASE_UNAVAILABLE, "The search index cannot be opened.", retry_after=5
                ) from error
        return self._opened

    def _open(self) -> SqliteDatabase:
        try:
            return self._connect()
        except DatabaseRefused as error:
            log.warning("the search index cannot be used and is made anew", error=error.message)
        for suffix in ("", "-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
        return self._connect()

    def _connect(self) -> SqliteDatabase:
        return open_sqlite(
            self._path,
            acquire_timeout=self._settings.database.acquire_timeout,
            statement_timeout=_STATEMENT_TIMEOUT,
            synced=False,
        )
