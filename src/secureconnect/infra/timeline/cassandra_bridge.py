"""Waiting for Cassandra where code must not look asynchronous: inside units of work.

A unit of work of a server database runs in a greenlet on the event loop, where waiting looks like calling.
One of SQLite runs on the writer's thread, or on the event loop itself when it is brief; then another thread
talks to the cluster, over a connection of its own.
"""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from sqlalchemy.util import await_only
from sqlalchemy.util.concurrency import in_greenlet

from secureconnect.infra.timeline.cassandra_link import Cluster, Link, QueryMetrics

__all__ = ["Bridge"]

T = TypeVar("T")


class Bridge:
    """The connections of one process to one cluster. `near` is for the event loop."""

    def __init__(self, cluster: Cluster, metrics: QueryMetrics | None = None) -> None:
        self._cluster = cluster
        self._metrics = metrics
        self.near = Link(cluster, metrics)
        self._far: Link | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    @property
    def in_doubt(self) -> bool:
        """See `Link.in_doubt`, of the one that is used where this is called."""
        link = self.near if in_greenlet() else self._far
        return link is None or link.in_doubt

    def call(self, work: Callable[[Link], Coroutine[Any, Any, T]]) -> T:
        """What `work` returns or raises, waited for where this is called."""
        if in_greenlet():
            result: T = await_only(work(self.near))
            return result
        loop, link = self._beside()
        return asyncio.run_coroutine_threadsafe(work(link), loop).result()

    async def close(self) -> None:
        """Give up the connections and the thread."""
        await self.near.close()
        if self._loop is not None and self._far is not None and self._thread is not None:
            closing = asyncio.run_coroutine_threadsafe(self._far.close(), self._loop)
            await asyncio.wrap_future(closing)
            self._loop.call_soon_threadsafe(self._loop.stop)
            await asyncio.to_thread(self._thread.join)
            self._loop.close()
            self._loop = self._far = self._thread = None

    def _beside(self) -> tuple[asyncio.AbstractEventLoop, Link]:
        with self._starting:
            if self._loop is None or self._far is None:
                self._loop = asyncio.new_event_loop()
                self._far = Link(self._cluster, self._metrics)
                self._thread = threading.Thread(
                    target=self._loop.run_forever, name="timeline-units-of-work", daemon=True
                )
                self._thread.start()
            return self._loop, self._far
