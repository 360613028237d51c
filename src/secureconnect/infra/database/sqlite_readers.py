"""Reading from SQLite: a few threads for real queries, one connection on the event loop for lookups."""

import asyncio
import contextlib
import queue
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Connection

from secureconnect.infra.database.metrics import DatabaseMetrics
from secureconnect.infra.database.sqlite_connection import SqliteConnection
from secureconnect.infra.database.sqlite_errors import told, unavailable

__all__ = ["Readers"]

T = TypeVar("T")


class _Query(NamedTuple):
    run: Callable[[Connection], Any]
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    queued_at: float


class Readers:
    """Read-only connections. Every query sees one snapshot with all writes acknowledged before it."""

    def __init__(
        self,
        links: list[SqliteConnection],
        on_loop: SqliteConnection,
        *,
        acquire_timeout: float,
        metrics: DatabaseMetrics | None,
    ) -> None:
        self._on_loop = on_loop
        self._acquire_timeout = acquire_timeout
        self._metrics = metrics
        self._closed = False
        self._active = 0
        self._inbox: queue.SimpleQueue[_Query | None] = queue.SimpleQueue()
        self._threads = [
            threading.Thread(target=self._serve, args=(link,), name="sqlite-reader", daemon=True)
            for link in links
        ]
        for thread in self._threads:
            thread.start()

    @property
    def active(self) -> int:
        """Queries that run or wait, at most one per connection."""
        return min(self._active, len(self._threads))

    def lookup(self, query: Callable[[Connection], T]) -> T:
        """Run `query` here and now."""
        if self._closed:
            raise unavailable("The database is closed.")
        try:
            return self._on_loop.read(query)
        except Exception as error:
            answer = told(error)
            if answer is error:
                raise
            raise answer from error

    async def read(self, query: Callable[[Connection], T]) -> T:
        """Run `query` in a thread."""
        if self._closed:
            raise unavailable("The database is closed.")
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        self._active += 1
        self._inbox.put(_Query(query, loop, future, time.monotonic()))
        try:
            return await future
        finally:
            self._active -= 1

    async def close(self) -> None:
        """Finish what was accepted and close the connections."""
        if self._closed:
            return
        self._closed = True
        for _ in self._threads:
            self._inbox.put(None)
        for thread in self._threads:
            await asyncio.to_thread(thread.join)
        self._on_loop.close()

    def _serve(self, link: SqliteConnection) -> None:
        while (query := self._inbox.get()) is not None:
            if query.future.cancelled():
                continue
            result: Any = None
            error: BaseException | None = None
            waited = time.monotonic() - query.queued_at
            if self._metrics is not None:
                self._metrics.acquired(waited)
            if waited > self._acquire_timeout:
                if self._metrics is not None:
                    self._metrics.acquire_timed_out()
                error = unavailable("The database is too busy.")
            else:
                try:
                    result = link.read(query.run)
                except BaseException as raised:  # noqa: BLE001 - handed to the caller
                    error = told(raised)
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                query.loop.call_soon_threadsafe(_answer, query.future, result, error)
            del query, result, error  # an idle thread keeps nothing alive
        link.close()


def _answer(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)
