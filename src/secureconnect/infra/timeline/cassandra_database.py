"""The Database beside a timeline in Cassandra: its write transactions carry the logs' changes with them."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Final, TypeVar

from sqlalchemy import Connection

from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.infra.timeline.cassandra_bridge import Bridge
from secureconnect.infra.timeline.cassandra_claims import Claims
from secureconnect.infra.timeline.cassandra_link import unavailable
from secureconnect.infra.timeline.cassandra_scope import ClaimedTx, Scope, Wanted
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ApiError, ErrorCode

__all__ = ["ClaimingDatabase"]

T = TypeVar("T")

# Each run after the first has the claims that the one before it lacked.
_RUNS: Final = 20


class ClaimingDatabase:
    """A `Database` whose transactions may change logs; every transaction that does goes through it.

    A write returns after both stores have it (invariant I4). When it raises `TIMELINE_UNAVAILABLE` the
    relational part may have been committed; the logs follow as soon as Cassandra is back.
    """

    def __init__(self, database: Database, claims: Claims, bridge: Bridge, clock: Clock) -> None:
        self._database = database
        self._claims = claims
        self._bridge = bridge
        self._clock = clock

    async def read(self, query: Callable[[Connection], T]) -> T:
        return await self._database.read(query)

    async def lookup(self, query: Callable[[Connection], T]) -> T:
        return await self._database.lookup(query)

    def write(self, work: Callable[[WriteTx], T], *, brief: bool = False) -> Coroutine[Any, Any, T]:
        return _apart(self._write(work, brief))

    async def ping(self) -> float:
        return await self._database.ping()

    async def size(self) -> int:
        return await self._database.size()

    async def close(self) -> None:
        await self._database.close()

    async def _write(self, work: Callable[[WriteTx], T], brief: bool) -> T:
        scope = Scope(self._claims, self._clock.now())
        near = self._bridge.near
        wanted: set[str] = set()
        for _ in range(_RUNS):
            try:
                await scope.take(near, wanted)
                result = await self._database.write(partial(_run, work, scope), brief=brief)
            except Wanted as more:
                wanted.add(more.conversation_id)
                await scope.give_back(near)
            except BaseException as error:
                doubtful = isinstance(error, ApiError) and error.code is ErrorCode.DATABASE_UNAVAILABLE
                if scope.plans and (doubtful or isinstance(error, asyncio.CancelledError)):
                    await scope.in_doubt(near)
                else:
                    await scope.give_back(near)
                raise
            else:
                await scope.finish(near)
                return result
        raise unavailable("The conversation keeps changing; nothing was stored.")


def _run(work: Callable[[WriteTx], T], scope: Scope, tx: WriteTx) -> T:
    scope.restart()
    result = work(ClaimedTx(tx, scope))
    scope.seal(tx)
    return result


async def _apart(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` to its end even when the caller is cancelled: a claim must not be left behind."""
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        task.add_done_callback(_forget)
        raise


def _forget(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()
