"""Statements on a Cassandra cluster: prepared once, timed, repeated when that is safe.

The driver is acsylla, the C++ driver under asyncio (ADR 0020). A `Link` belongs to one event loop.
"""

import asyncio
import contextlib
import gc
import socket
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final, NamedTuple, Protocol

import acsylla
import msgspec
from acsylla import errors

from secureconnect.infra.telemetry.log import get_logger
from secureconnect.infra.timeline.cassandra_deadlines import Deadlines
from secureconnect.infra.timeline.cassandra_failures import CLOSED, ILL, reason_of
from secureconnect.kit.errors import ApiError, ErrorCode

__all__ = ["Cluster", "Cql", "Link", "QueryMetrics", "Row", "unavailable"]

log = get_logger()

Row = tuple[Any, ...]

_RETRIES: Final = 3
_FIRST_PAUSE: Final = 0.1  # seconds; doubles
_SPECULATE_MS: Final = 250  # a read that takes longer is asked of a second node too
_RECONNECT_MS: Final = 1000
_PAUSE_OF_CONNECTING: Final = 0.5  # seconds after an attempt that failed
_GRACE: Final = 0.5  # seconds
_CLOSING: Final = 5.0  # seconds for the requests that are under way
_RETRY_AFTER: Final = 2
_FRESH: Final = 0.02  # seconds that an answer says something about the next one
_SHORTEST: Final = 0.05  # seconds that a repetition is worth

#: Sessions that were given up while the driver still worked for them: it would use what was freed with them.
#: One per link that was closed while its cluster was away.
_abandoned: Final[list[tuple[Any, Any]]] = []


class QueryMetrics(Protocol):
    """Where measurements of statements go. May be called on any thread."""

    def cassandra_query(self, operation: str, table: str, seconds: float) -> None:
        """One statement was answered, however often it was repeated."""

    def cassandra_failed(self, operation: str, reason: str) -> None:
        """One attempt failed: `timeout`, `unavailable`, `exhausted` or `other`."""

    def cassandra_retried(self) -> None:
        """One attempt is repeated."""


class Cluster(msgspec.Struct, frozen=True):
    """Where the nodes are and how to talk to them. `timeout` in seconds, for one statement with all of its
    repetitions. `local_dc` empty: the data centre of the node that answers first. `keyspace` empty: none, for
    what makes the keyspace."""

    hosts: tuple[str, ...]
    port: int = 9042
    keyspace: str = "secureconnect_ks"
    local_dc: str = ""
    replication_factor: int = 3
    username: str = ""
    password: str = ""
    timeout: float = 5.0


class Cql(NamedTuple):
    """A statement, which may be run again."""

    operation: str
    table: str
    text: str


_BATCH: Final = Cql("INSERT", "batch", "")


def unavailable(cause: str = "The timeline store does not answer; nothing was acknowledged.") -> ApiError:
    """What a caller is told."""
    return ApiError(ErrorCode.TIMELINE_UNAVAILABLE, cause, retry_after=_RETRY_AFTER)


class Link:
    """Statements on a cluster. Connects with the first one, and again whenever that failed.

    Raises:
        ApiError: `TIMELINE_UNAVAILABLE`, after the repetitions that are allowed.
    """

    def __init__(self, cluster: Cluster, metrics: QueryMetrics | None = None) -> None:
        self._cluster = cluster
        self._metrics = metrics
        self._session: Any = None
        self._driver: Any = None
        self._opening: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._leaving = asyncio.Event()
        self._unanswered_until = 0.0  # when the driver has ended the last request that nobody waits for
        self._ill = False
        self._not_before = 0.0
        self._answered = 0.0
        self._prepared: dict[str, Any] = {}
        self._deadlines = Deadlines()

    @property
    def in_doubt(self) -> bool:
        """Whether the cluster has to be asked for a sign of life before anything is decided: the last answer
        was none, or is some time ago."""
        return self._ill or self._session is None or time.perf_counter() - self._answered > _FRESH

    async def rows(self, cql: Cql, *params: Any) -> list[Row]:
        """The rows of a query that returns few enough for one answer."""
        result = await self._repeated(cql, params)
        return [row.as_tuple() for row in result.all()]

    async def row(self, cql: Cql, *params: Any) -> Row | None:
        """The first row of a query."""
        first = (await self._repeated(cql, params)).first()
        return None if first is None else first.as_tuple()

    async def run(self, cql: Cql, *params: Any) -> None:
        """A write that may be done twice."""
        await self._repeated(cql, params)

    async def pages(self, cql: Cql, *params: Any, size: int) -> AsyncIterator[list[Row]]:
        """The rows of a query, so many at a time."""
        state: bytes | None = None
        while True:
            result = await self._repeated(cql, params, page=(size, state))
            yield [row.as_tuple() for row in result.all()]
            if not result.has_more_pages():
                return
            state = result.page_state()

    async def together(self, writes: Sequence[tuple[Cql, Sequence[Any]]]) -> None:
        """Writes in one request, which may be done twice; those of one partition take effect together."""

        async def attempt(left: float) -> Any:
            session = self._session
            batch = acsylla.create_batch_unlogged(timeout=left)
            for cql, params in writes:
                prepared = self._known(session, cql) or await self._prepare(session, cql)
                batch.add_statement(_bound(prepared, params))
            return await session.execute_batch(batch)

        await self._timed(_BATCH, attempt)

    async def execute(self, text: str) -> list[Row]:
        """A statement of the schema, not prepared."""
        await self._open()
        statement = acsylla.create_statement(text, timeout=60.0)
        try:
            return [row.as_tuple() for row in (await self._session.execute(statement)).all()]
        except ILL as error:
            raise unavailable() from error

    async def close(self) -> None:
        """Give the connections up."""
        self._leaving.set()
        if self._opening is not None:
            await asyncio.gather(self._opening, return_exceptions=True)
        self._give_up(rest=max(0.0, self._unanswered_until - time.perf_counter()))
        await asyncio.gather(*self._closing)

    async def _repeated(
        self, cql: Cql, params: Sequence[Any], page: tuple[int, bytes | None] | None = None
    ) -> Any:
        async def attempt(left: float) -> Any:
            session = self._session
            prepared = self._known(session, cql) or await self._prepare(session, cql)
            statement = _bound(prepared, params)
            statement.set_timeout(left)
            if page is not None:
                statement.set_page_size(page[0])
                if page[1] is not None:
                    statement.set_page_state(page[1])
            return await session.execute(statement)

        return await self._timed(cql, attempt)

    async def _timed(self, cql: Cql, attempt: Any) -> Any:
        started = time.perf_counter()
        end = started + self._cluster.timeout
        pause, retries = _FIRST_PAUSE, _RETRIES
        while True:
            try:
                if self._session is None:
                    await self._open()
                left = max(end - time.perf_counter(), _SHORTEST)
                result = await self._answer(attempt, left)
            except (*ILL, RuntimeError, TimeoutError) as error:
                if isinstance(error, RuntimeError) and str(error) != CLOSED:
                    raise
                reason = reason_of(error)
                silent = time.perf_counter() - self._answered > self._cluster.timeout
                if silent or isinstance(error, errors.CassErrorLibNoHostsAvailable):
                    self._give_up(rest=self._cluster.timeout + _GRACE)
                if self._metrics is not None:
                    self._metrics.cassandra_failed(cql.operation, reason)
                if retries == 0 or time.perf_counter() + pause + _SHORTEST > end:
                    if not self._ill:
                        self._ill = True
                        log.warning("cassandra does not answer", table=cql.table, reason=reason)
                    raise unavailable() from error
            else:
                self._answered = time.perf_counter()
                if self._ill:
                    self._ill = False
                    log.info("cassandra answers again")
                if self._metrics is not None:
                    self._metrics.cassandra_query(cql.operation, cql.table, time.perf_counter() - started)
                return result
            if self._metrics is not None:
                self._metrics.cassandra_retried()
            retries -= 1
            await asyncio.sleep(pause)
            pause *= 2

    async def _answer(self, attempt: Any, left: float) -> Any:
        try:
            # The driver ends what takes too long, unless its session is lost.
            return await self._deadlines.within(left + _GRACE, attempt(left))
        except asyncio.CancelledError:
            self._unanswered_until = max(self._unanswered_until, time.perf_counter() + left + _GRACE)
            raise

    def _known(self, session: Any, cql: Cql) -> Any:
        return self._prepared.get(cql.text) if session is self._session else None

    async def _prepare(self, session: Any, cql: Cql) -> Any:
        prepared = await session.create_prepared(cql.text, timeout=self._cluster.timeout)
        if session is self._session:
            self._prepared[cql.text] = prepared
        return prepared

    def _give_up(self, rest: float) -> None:
        """Let the next one connect anew: the driver does not always find nodes again that were all away.

        Args:
            rest: seconds after which the driver has ended all that it was asked for.
        """
        session, driver, self._session, self._driver = self._session, self._driver, None, None
        self._prepared.clear()
        if session is not None:
            closing = asyncio.create_task(self._end(session, driver, rest))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

    async def _end(self, session: Any, driver: Any, rest: float) -> None:
        # Closed below its requests, the driver follows a null pointer in a thread of its own.
        if not rest or not await self._left_within(rest):
            with contextlib.suppress(TimeoutError, *ILL):
                async with asyncio.timeout(_CLOSING):
                    await session.close()
                _let_go(driver)
                return
        _abandoned.append((session, driver))

    async def _left_within(self, seconds: float) -> bool:
        """Whether the link is closed before so much time has gone by."""
        try:
            async with asyncio.timeout(seconds):
                return await self._leaving.wait()
        except TimeoutError:
            return False

    async def _open(self) -> None:
        """Connect once for all that wait, even when none of them waits any more: the driver ends a session
        whose connecting is given up in this thread and never returns from that."""
        if self._session is not None:
            return
        if self._opening is None:
            if time.perf_counter() < self._not_before or self._leaving.is_set():
                raise unavailable()
            self._opening = asyncio.create_task(self._connect())
            self._opening.add_done_callback(self._opened)
        await asyncio.shield(self._opening)

    def _opened(self, opening: "asyncio.Task[None]") -> None:
        self._opening = None
        if not opening.cancelled():
            opening.exception()  # whoever waits for it is told

    async def _connect(self) -> None:
        cluster = self._cluster
        opened = acsylla.create_cluster(
            list(cluster.hosts),
            port=cluster.port,
            username=cluster.username or None,
            password=cluster.password or None,
            connect_timeout=min(cluster.timeout, 5.0),
            request_timeout=cluster.timeout,
            log_level="critical",
            consistency="LOCAL_QUORUM",
            load_balance_dc_aware=cluster.local_dc or None,
            constant_reconnect_delay_ms=_RECONNECT_MS,
            retry_policy="fallthrough",
            speculative_execution_policy=acsylla.SpeculativeExecutionPolicy(_SPECULATE_MS, 1),
            application_name="secureconnect",
        )
        try:
            self._session = await opened.create_session(cluster.keyspace or None)
            self._driver = opened
            self._answered = time.perf_counter()
        except ILL as error:
            _let_go(opened)
            self._not_before = time.perf_counter() + _PAUSE_OF_CONNECTING
            if self._metrics is not None:
                self._metrics.cassandra_failed("connect", reason_of(error))
            raise unavailable() from error


def _bound(prepared: Any, params: Sequence[Any]) -> Any:
    statement = prepared.bind()
    if params:
        statement.bind_list(params if type(params) is list else list(params))
    statement.set_is_idempotent(True)
    return statement


def _let_go(driver: Any) -> None:
    """Close what wakes the event loop for the driver, which leaves that to the garbage collector."""
    loop = asyncio.get_running_loop()
    for part in (driver, driver.get_logger()):
        for waker in gc.get_referents(part):
            if isinstance(waker, socket.socket) and waker.fileno() >= 0:
                loop.remove_reader(waker.fileno())
                waker.close()
