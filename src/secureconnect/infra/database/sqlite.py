"""The embedded Database: one SQLite file in write-ahead-log mode, synced at every commit."""

import sqlite3
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from secureconnect.infra.database.base import BatchTx, WriteTx
from secureconnect.infra.database.metrics import Connections, DatabaseMetrics
from secureconnect.infra.database.sqlite_connection import connect, make_engine
from secureconnect.infra.database.sqlite_file import check_file, refused
from secureconnect.infra.database.sqlite_readers import Readers
from secureconnect.infra.database.sqlite_writer import GroupWriter
from secureconnect.infra.telemetry import tracing

__all__ = ["SqliteDatabase", "open_sqlite"]

T = TypeVar("T")

_SIZE = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"


class SqliteDatabase:
    """The `Database` of one process. Made by `open_sqlite`; used on one event loop at a time."""

    def __init__(self, path: Path, writer: GroupWriter, readers: Readers, threads: int) -> None:
        self.path = path
        self._writer = writer
        self._readers = readers
        self._limit = threads + 1

    # Plain functions that hand out the coroutine: one frame less on the way of every message.

    def read(self, query: Callable[[Connection], T]) -> Coroutine[Any, Any, T]:
        return self._readers.read(tracing.carried(query) if tracing.enabled() else query)

    async def lookup(self, query: Callable[[Connection], T]) -> T:
        return self._readers.lookup(query)

    def write(self, work: Callable[[WriteTx], T], *, brief: bool = False) -> Coroutine[Any, Any, T]:
        return self._writer.write(tracing.carried(work) if tracing.enabled() else work, brief)

    def write_locked(self, work: Callable[[BatchTx], T]) -> Coroutine[Any, Any, T]:
        # The one writer has all of the file to itself.
        return self._writer.write(work, brief=False)

    async def ping(self) -> float:
        started = time.perf_counter()
        await self._readers.read(lambda conn: conn.exec_driver_sql("SELECT 1").scalar())
        return time.perf_counter() - started

    def size(self) -> Coroutine[Any, Any, int]:
        return self._readers.read(lambda conn: int(conn.exec_driver_sql(_SIZE).scalar_one()))

    def connections(self) -> Connections:
        """The writing connection and those of the reading threads, for gauges."""
        active = self._readers.active + self._writer.busy
        return Connections(active, self._limit - active, self._limit)

    async def close(self) -> None:
        await self._readers.close()
        await self._writer.close()  # last, so that its checkpoint meets no reader


def open_sqlite(
    path: Path,
    *,
    metrics: DatabaseMetrics | None = None,
    newest_schema: int | None = None,
    readers: int = 2,
    acquire_timeout: float = 5.0,
    statement_timeout: float = 10.0,
    synced: bool = True,
) -> SqliteDatabase:
    """Open the database at `path`, created with mode 0600 when missing. Blocks; call it while starting.

    Args:
        path: the file; its directory exists.
        metrics: told about statements, commits and waiting times.
        newest_schema: the highest schema version that this program can work on.
        readers: threads for `read`.
        acquire_timeout: seconds that a unit of work may wait for its turn, also behind another process.
        statement_timeout: seconds that one unit of work may run.
        synced: False for what can be made again: commits are whole, but a loss of power may undo the latest.

    Raises:
        DatabaseRefused: the file cannot be used; nothing was changed in it.
    """
    check_file(path, newest_schema, acquire_timeout)
    engine = make_engine(path, metrics)
    try:
        # The writer asks for its lock on the event loop and must not wait there; it waits in its thread.
        writing = connect(
            engine, cache_kib=32_768, busy_ms=0, statement_timeout=statement_timeout, synced=synced
        )
        reading = [
            connect(
                engine, cache_kib=8_192, busy_ms=5000, statement_timeout=statement_timeout, query_only=True
            )
            for _ in range(readers)
        ]
        on_loop = connect(
            engine, cache_kib=16_384, busy_ms=100, statement_timeout=statement_timeout, query_only=True
        )
    except (sqlite3.Error, DBAPIError) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        raise refused(
            path, cause if isinstance(cause, sqlite3.Error) else sqlite3.Error(str(error))
        ) from error
    return SqliteDatabase(
        path,
        GroupWriter(writing, acquire_timeout=acquire_timeout, metrics=metrics),
        Readers(reading, on_loop, acquire_timeout=acquire_timeout, metrics=metrics),
        readers,
    )
