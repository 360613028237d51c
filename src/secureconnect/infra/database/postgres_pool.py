"""Connections to a server: opened when needed, kept, handed out first come first served."""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Awaitable, Callable

from secureconnect.infra.database.metrics import Connections, DatabaseMetrics
from secureconnect.infra.database.postgres_connection import Link
from secureconnect.infra.database.postgres_errors import unavailable

__all__ = ["Pool"]

#: A connection above the minimum that nobody needed for this long is closed.
_SURPLUS_SECONDS = 60.0


class Pool:
    """At most `most` connections, of which at least `least` are kept.

    Args:
        connect: opens one more.
        acquire_timeout: seconds that somebody may wait for one.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[Link]],
        *,
        least: int,
        most: int,
        acquire_timeout: float,
        metrics: DatabaseMetrics | None,
    ) -> None:
        self._connect = connect
        self._least = min(least, most)
        self._most = most
        self._timeout = acquire_timeout
        self._metrics = metrics
        self._idle: deque[Link] = deque()
        self._waiting: deque[asyncio.Future[Link | None]] = deque()
        self._hoping: deque[asyncio.Future[None]] = deque()
        self._opened = 0  # in use, idle, and those being opened
        self._closed = False
        self._empty: asyncio.Event = asyncio.Event()

    @property
    def wanted(self) -> int:
        """How many are in use or waited for."""
        return self._opened - len(self._idle) + len(self._waiting)

    def connections(self) -> Connections:
        """For gauges."""
        return Connections(self._opened - len(self._idle), len(self._idle), self._most)

    async def fill(self) -> None:
        """Open the minimum; see `Opener.open` for what it raises."""
        while self._opened < self._least:
            self.release(await self._open())

    async def acquire(self) -> Link:
        """Take a connection; `release` or `discard` gives it back.

        Raises:
            ApiError: none came free in time, or the pool is closed.
            OSError, TimeoutError, asyncpg.PostgresError: a new one could not be opened.
        """
        if self._closed:
            raise unavailable("The database is closed.")
        started = time.monotonic()
        try:
            return await self._take(started)
        finally:
            if self._metrics is not None:
                self._metrics.acquired(time.monotonic() - started)

    async def _take(self, started: float) -> Link:
        if not self._waiting:
            link = self._at_once()
            if link is not None:
                return link
            if self._opened < self._most:
                return await self._open()
        while True:
            given = await self._wait(self._timeout - (time.monotonic() - started))
            if given is not None:
                return given
            if self._closed:
                raise unavailable("The database is closed.")
            if self._opened < self._most:
                return await self._open()

    async def eased(self, limit: float, seconds: float) -> bool:
        """Whether one more makes no more than `limit` wanted; waits for that, in turn, so many seconds."""
        try:
            async with asyncio.timeout(seconds):
                while self.wanted + 1 > limit:
                    hope: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                    self._hoping.append(hope)
                    await hope
        except TimeoutError:
            return False
        return True

    def release(self, link: Link) -> None:
        """Give back one that the next may use."""
        if self._closed or link.closed:
            self.discard(link)
            return
        self._encourage()
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(link)
                return
        link.idle_since = time.monotonic()
        self._idle.append(link)
        self._trim(link.idle_since)

    def discard(self, link: Link) -> None:
        """Give back one that nobody may use any more."""
        link.terminate()
        self._gone()

    def drop_idle(self) -> None:
        """Forget what is not in use: the server went away, and they with it."""
        while self._idle:
            self.discard(self._idle.popleft())

    async def close(self, patience: float) -> None:
        """Wait for those in use, at most `patience` seconds, and close all."""
        if self._closed:
            return
        self._closed = True
        for waiter in self._waiting:
            if not waiter.done():
                waiter.set_result(None)
        leaving = list(self._idle)
        self._idle.clear()
        for link in leaving:
            with contextlib.suppress(Exception):  # whatever the server says now
                await link.close()
            self._gone()
        if self._opened:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await self._empty.wait()

    def _at_once(self) -> Link | None:
        while self._idle:
            link = self._idle.pop()
            if not link.closed:
                return link
            self.discard(link)
        return None

    async def _open(self) -> Link:
        self._opened += 1
        try:
            return await self._connect()
        except BaseException:
            self._gone()
            raise

    async def _wait(self, seconds: float) -> Link | None:
        waiter: asyncio.Future[Link | None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                return await waiter
        except TimeoutError:
            self._leave(waiter)
            if self._metrics is not None:
                self._metrics.acquire_timed_out()
            raise unavailable("The database is too busy.") from None
        except BaseException:
            self._leave(waiter)
            raise

    def _leave(self, waiter: asyncio.Future[Link | None]) -> None:
        with contextlib.suppress(ValueError):
            self._waiting.remove(waiter)
        if waiter.done() and not waiter.cancelled() and (link := waiter.result()) is not None:
            self.release(link)  # it came in the moment in which we gave up

    def _gone(self) -> None:
        self._opened -= 1
        if self._closed and not self._opened:
            self._empty.set()
        self._encourage()
        # There is room for one more: who waits longest may open it.
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    def _encourage(self) -> None:
        """One is wanted less."""
        while self._hoping:
            hope = self._hoping.popleft()
            if not hope.done():
                hope.set_result(None)
                return

    def _trim(self, now: float) -> None:
        oldest = self._idle[0]
        if self._opened > self._least and now - oldest.idle_since > _SURPLUS_SECONDS:
            self.discard(self._idle.popleft())
