"""The Database on a PostgreSQL or CockroachDB server, over asyncpg.

Units of work run in greenlets over a pool of connections: they look synchronous and wait without blocking the
event loop. Writes are SERIALIZABLE; one that fails because of another is run again.
"""

import asyncio
import random
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, TypeVar, cast

from sqlalchemy import Connection
from sqlalchemy.util import greenlet_spawn

from secureconnect.infra.database.after_commit import Call, run_calls
from secureconnect.infra.database.base import ServerTx, WriteTx
from secureconnect.infra.database.metrics import Connections, ServerMetrics
from secureconnect.infra.database.postgres_connection import Link, Opener
from secureconnect.infra.database.postgres_errors import (
    Verdict,
    is_collision,
    kind_of,
    told,
    unavailable,
    verdict,
)
from secureconnect.infra.database.postgres_guard import Guard
from secureconnect.infra.database.postgres_pool import Pool
from secureconnect.infra.database.postgres_reading import Reading
from secureconnect.infra.database.postgres_turns import Turns
from secureconnect.infra.database.postgres_url import ServerUrl
from secureconnect.infra.database.postgres_watch import Watch
from secureconnect.infra.telemetry.log import get_logger

__all__ = ["PostgresDatabase"]

log = get_logger()
T = TypeVar("T")

#: How often a unit of work runs again before its caller is told 503 (docs/reference/data.md §1).
RETRIES: Final = 5
#: How often one that wrote a key that exists: it may be there since after we looked.
_COLLISIONS: Final = 2
_PAUSE = 0.005  # seconds before the first repetition, at most; doubles with each
_CLOSING = 10.0
#: Seconds within which a server that is well says so.
_SIGN_OF_LIFE = 1.0
#: Two that wait for each other are found out by the server after a second; this is sooner.
_LOCK_MS: Final = 300
#: So long a unit of work that runs again waits, if it must, for the rows that it locks first.
_LOCK_PATIENCE: Final = 5.0
#: The server stops a statement first, when it can; this much later we stop waiting for it.
_GRACE = 0.5


class _Modes:
    """How transactions begin. CockroachDB knows one isolation level, which is serializable."""

    def __init__(self, *, cockroach: bool) -> None:
        self.write = "BEGIN" if cockroach else "BEGIN ISOLATION LEVEL SERIALIZABLE"
        self.locked = (
            f"BEGIN; SET LOCAL lock_timeout = {_LOCK_MS}"
            if cockroach
            else f"BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = {_LOCK_MS}"
        )
        # A snapshot is all that reading needs, and it is never refused.
        self.read = "BEGIN READ ONLY" if cockroach else "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


class _Refused(Exception):
    """The transaction cannot be committed because a statement of it was refused; it has to be careful."""


class _Overtaken(Exception):
    """Others changed a row while it was waited for to be locked, first of all: nothing was done yet."""


class _InDoubt(Exception):
    """The connection was lost while the server committed: nobody knows whether it did."""


#: A statement that locks a row, and its parameters.
_Lock = tuple[str, tuple[Any, ...]]


class PostgresTx:
    """The `WriteTx` of one unit of work."""

    __slots__ = ("_contended", "calls", "conn", "run", "run_many", "works")

    def __init__(self, link: Link, contended: dict[_Lock, None]) -> None:
        self._contended = contended
        self.conn: Connection = link.conn
        self.calls: list[Call] = []
        self.run = link.run
        self.run_many = link.run_many
        #: What the metrics count as units of work of this commit.
        self.works = 1

    def after_commit(self, callback: Callable[[], None]) -> None:
        self.calls.append((None, callback))

    def deliver(self, sink: Callable[[Sequence[Any]], None], item: object) -> None:
        self.calls.append((sink, item))

    def lock_when_repeated(self, sql: str, params: tuple[Any, ...]) -> None:
        self._contended[sql, params] = None


class PostgresDatabase:
    """The `Database` of one process on a server. Used on one event loop.

    Nothing is connected before the first use. While the server does not answer, every call raises
    `DATABASE_UNAVAILABLE`; when it is back, they work again within seconds.

    Args:
        url: where the server is.
        pool_min, pool_max: connections that are kept, and at most.
        acquire_timeout: seconds that a unit of work may wait for a connection, a new one included.
        statement_timeout: seconds that one unit of work may run.
        pool_guard: the part of `pool_max` above which requests that can wait are refused.
        metrics: told about statements, commits, retries and waiting times.
    """

    def __init__(
        self,
        url: ServerUrl,
        *,
        pool_min: int = 5,
        pool_max: int = 25,
        acquire_timeout: float = 5.0,
        statement_timeout: float = 10.0,
        pool_guard: float = 0.8,
        metrics: ServerMetrics | None = None,
    ) -> None:
        self._url = url
        self._metrics = metrics
        self._modes = _Modes(cockroach=url.cockroach)
        self._reading = Reading(self._modes.read)
        self._unit_timeout = statement_timeout + _GRACE
        self._opener = Opener(
            url, metrics, statement_timeout=statement_timeout, connect_timeout=acquire_timeout
        )
        self._pool = Pool(
            self._opener.open,
            least=pool_min,
            most=pool_max,
            acquire_timeout=acquire_timeout,
            metrics=metrics,
        )
        self._watch = Watch(
            self._probe,
            self._pool.drop_idle,
            probe_timeout=min(2.0, acquire_timeout),
            metrics=metrics,
        )
        self._guard = Guard(self._pool, self._watch, pool_guard * pool_max, metrics)
        self._turns = Turns()
        self._running: set[asyncio.Task[Any]] = set()
        self._answers = 0

    def __repr__(self) -> str:
        return f"PostgresDatabase({self._url.shown!r})"

    @property
    def cockroach(self) -> bool:
        """Whether the server is a CockroachDB."""
        return self._url.cockroach

    def read(self, query: Callable[[Connection], T]) -> Coroutine[Any, Any, T]:
        return self._admitted(self._read, query)

    def lookup(self, query: Callable[[Connection], T]) -> Coroutine[Any, Any, T]:
        return self._admitted(self._read, query)

    def write(self, work: Callable[[WriteTx], T], *, brief: bool = False) -> Coroutine[Any, Any, T]:  # noqa: ARG002
        return self._admitted(self._write, work, self._modes.write)

    def write_locked(self, work: Callable[[ServerTx], T]) -> Coroutine[Any, Any, T]:
        return self._apart(self._write(work, self._modes.locked))

    async def ping(self) -> float:
        started, before = time.perf_counter(), self._answers
        try:
            async with asyncio.timeout(_SIGN_OF_LIFE):
                await self.read(lambda conn: conn.exec_driver_sql("SELECT 1").scalar())
        except TimeoutError:
            # It hangs, or many wait for a connection and others are answered. A new one tells, sooner than
            # statements run out of time.
            if self._answers == before:
                self._watch.suspect()
            await self._watch.admit()
        return time.perf_counter() - started

    async def size(self) -> int:
        sql = (
            "SELECT coalesce(sum(range_size), 0)::INT8 FROM [SHOW RANGES FROM CURRENT_CATALOG WITH DETAILS]"
            if self._url.cockroach
            else "SELECT pg_database_size(current_database())"
        )
        return await self.read(lambda conn: int(conn.exec_driver_sql(sql).scalar_one()))

    def connections(self) -> Connections:
        """For gauges."""
        return self._pool.connections()

    async def close(self) -> None:
        if self._running:
            await asyncio.wait(set(self._running), timeout=_CLOSING)
        await self._watch.close()
        await self._pool.close(_CLOSING)
        await self._opener.close()

    def _admitted(self, run: Callable[..., Coroutine[Any, Any, T]], *args: Any) -> Coroutine[Any, Any, T]:
        return self._apart(run(*args)) if self._guard.passes() else self._later(run, *args)

    async def _later(self, run: Callable[..., Coroutine[Any, Any, T]], *args: Any) -> T:
        await self._guard.wait()
        return await self._apart(run(*args))

    async def _apart(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` to its end even when its caller is cancelled: half a talk spoils a connection."""
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(_forget)
            raise

    async def _probe(self) -> None:
        """A new connection, since one that is kept may wait for a server that is gone."""
        link = await self._opener.open()
        link.terminate()

    async def _read(self, query: Callable[[Connection], T]) -> T:
        async def attempt(_: int) -> T:
            result: T = await self._on_link(self._reading.run, query)
            return result

        return await self._attempts(attempt)

    async def _write(self, work: Callable[[ServerTx], T], mode: str) -> T:
        careful = False
        contended: dict[_Lock, None] = {}

        async def attempt(number: int) -> T:
            nonlocal careful
            result: T
            patient_until = time.monotonic() + _LOCK_PATIENCE
            async with self._turns.turn(number, locks=bool(contended)):
                while True:
                    try:
                        result, calls = await self._on_link(self._writing, mode, work, careful, contended)
                        break
                    except _Refused:
                        if careful:
                            raise
                        careful = True
                    except _Overtaken as overtaken:
                        # Serializable transactions cannot queue for a row: who waited is refused and asks
                        # again, at once, or whoever holds it now has the next turn as well.
                        if time.monotonic() > patient_until:
                            raise cast("Exception", overtaken.__cause__) from None
            run_calls(calls)
            return result

        return await self._attempts(attempt, _COLLISIONS if mode is self._modes.write else 0)

    async def _attempts(self, attempt: Callable[[int], Coroutine[Any, Any, T]], collisions: int = 0) -> T:
        """Run `attempt` until it succeeds or fails for good, `collisions` times though a key exists."""
        number = 0
        while True:
            await self._watch.admit()
            try:
                return await attempt(number)
            except _InDoubt as error:
                self._watch.suspect()
                raise unavailable("The database was lost while it committed.") from error
            except Exception as error:
                found = verdict(error)
                if number < collisions and is_collision(error):
                    found = Verdict.RETRY
                if found is Verdict.PASS:
                    raise
                if self._metrics is not None and found is not Verdict.ABORTED:
                    self._metrics.query_failed("other", kind_of(error))
                again = found in (Verdict.RETRY, Verdict.LOST)
                if found is Verdict.LOST:
                    self._watch.suspect()
                if not again or number >= RETRIES:
                    raise told(error) from error
            number += 1
            if self._metrics is not None:
                self._metrics.retried()
            await asyncio.sleep(random.uniform(0, _PAUSE * 2**number))  # noqa: S311 - no secret

    async def _on_link(self, run: Callable[..., T], *args: Any) -> T:
        """Run in a greenlet on a connection, which is whole afterwards or gone."""
        link = await self._pool.acquire()
        try:
            async with asyncio.timeout(self._unit_timeout):
                result = await greenlet_spawn(run, link, *args)
        except BaseException as error:
            if isinstance(error, TimeoutError | asyncio.CancelledError) or not await self._rolled_back(link):
                self._pool.discard(link)
            else:
                self._pool.release(link)
                self._answers += 1
            if isinstance(error, TimeoutError):
                self._watch.suspect()
                raise unavailable("The database did not answer in time.") from error
            raise
        self._pool.release(link)
        self._answers += 1
        return result

    async def _rolled_back(self, link: Link) -> bool:
        if link.closed:
            return False
        try:
            async with asyncio.timeout(1.0):
                await greenlet_spawn(link.rollback)
        except Exception:  # noqa: BLE001 - then the connection is given up
            return False
        return True

    def _writing(
        self,
        link: Link,
        mode: str,
        work: Callable[[ServerTx], T],
        careful: bool,
        contended: dict[_Lock, None],
    ) -> tuple[T, list[Call]]:
        link.begin(mode, careful=careful)
        tx = PostgresTx(link, contended)
        _lock(tx, contended)
        try:
            result = work(tx)
        except Exception as error:
            if link.refused and verdict(error) is Verdict.ABORTED:
                raise _Refused from error
            raise
        if link.refused:
            raise _Refused
        if link.closed:  # while it stood still: then nothing is in doubt
            raise ConnectionResetError("The connection was lost before the commit.")
        started = time.perf_counter()
        try:
            committed = link.commit()
        except Exception as error:
            if verdict(error) is Verdict.LOST:
                raise _InDoubt from error
            raise
        if not committed:
            raise unavailable("The transaction was ended by the database.")
        if self._metrics is not None:
            self._metrics.committed(tx.works, time.perf_counter() - started)
        return result, tx.calls


def _lock(tx: PostgresTx, contended: dict[_Lock, None]) -> None:
    """Lock, in one order, so that nobody waits for each other."""
    try:
        for sql, params in sorted(contended):
            tx.run(sql, params)
    except Exception as error:
        if verdict(error) is Verdict.RETRY:
            raise _Overtaken from error
        raise


def _forget(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()
