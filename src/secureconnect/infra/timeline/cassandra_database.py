"""The Database beside a timeline in Cassandra: its write transactions carry the logs' changes with them."""

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar
from weakref import WeakValueDictionary

from sqlalchemy import Connection

from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.infra.timeline.cassandra_bridge import Bridge
from secureconnect.infra.timeline.cassandra_commits import Commits
from secureconnect.infra.timeline.cassandra_link import unavailable
from secureconnect.infra.timeline.cassandra_tx import LogTx, Unsettled
from secureconnect.kit.clock import Clock

__all__ = ["LogDatabase"]

T = TypeVar("T")

# Each run finds one more commit done that it had to wait for.
_RUNS: Final = 20


class LogDatabase:
    """A `Database` whose transactions may change logs; every transaction that does goes through it.

    A write returns after both stores have it (invariant I4). When it raises `TIMELINE_UNAVAILABLE` the
    relational part may have been committed; the logs follow as soon as Cassandra is back.
    """

    def __init__(self, database: Database, commits: Commits, bridge: Bridge, clock: Clock) -> None:
        self._database = database
        self._commits = commits
        self._bridge = bridge
        self._clock = clock
        self._queues: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def read(self, query: Callable[[Connection], T]) -> T:
        return await self._database.read(query)

    async def lookup(self, query: Callable[[Connection], T]) -> T:
        return await self._database.lookup(query)

    def write(self, work: Callable[[WriteTx], T], *, brief: bool = False) -> Coroutine[Any, Any, T]:
        return self.write_logs(work, brief=brief)

    def write_logs(self, work: Callable[[LogTx], T], *, brief: bool = False) -> Coroutine[Any, Any, T]:
        """`write`, for those who know what they get."""
        return _apart(self._write(work, brief))

    async def ping(self) -> float:
        return await self._database.ping()

    async def size(self) -> int:
        return await self._database.size()

    async def close(self) -> None:
        await self._database.close()

    async def _write(self, work: Callable[[LogTx], T], brief: bool) -> T:
        now = self._clock.now()
        runs: list[LogTx] = []

        def run(tx: WriteTx) -> tuple[T, LogTx]:
            logs = LogTx(tx, self._commits, self._bridge, now)
            runs.append(logs)
            result = work(logs)
            logs.seal()
            return result, logs

        queue: contextlib.AbstractAsyncContextManager[object] = contextlib.nullcontext()
        log = ""
        for _ in range(_RUNS):
            # Those that have to wait for each other do so in the order in which they came.
            async with queue:
                await self._commits.idle(log)
                try:
                    result, logs = await self._database.write(run, brief=brief)
                except Unsettled as other:
                    log = other.conversation_id
                else:
                    await logs.finish(self._bridge.near)
                    return result
                finally:
                    for each in runs:
                        each.withdraw()
            queue = self._queues.setdefault(log, asyncio.Lock())
        raise unavailable("The conversation keeps changing; nothing was stored.")


async def _apart(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` to its end even when the caller is cancelled: what is decided is told by whoever did."""
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        task.add_done_callback(_forget)
        raise


def _forget(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()
