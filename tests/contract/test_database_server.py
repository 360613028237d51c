"""What only a store on a server has: retries, a pool with a guard, and times when nobody answers."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from contextvars import copy_context
from pathlib import Path
from typing import Any, cast

import pytest
from sqlalchemy import Connection
from sqlalchemy.exc import IntegrityError
from sqlalchemy.util import await_only

from secureconnect.infra.database import postgres_guard
from secureconnect.infra.database.base import ServerTx, WriteTx
from secureconnect.infra.database.postgres import PostgresDatabase
from secureconnect.infra.database.postgres_url import read_url
from secureconnect.infra.database.pressure import defer
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.migrations import runner
from stack.postgres import Postgres

from .database_worlds import StartServer, migrated_copy
from .numbers import everything, get, numbers, put, put_fast


class Recorder:
    """Counts what a database tells about itself."""

    def __init__(self) -> None:
        self.retries = self.shed = self.timeouts = 0
        self.failures: list[str] = []
        self.states: list[int] = []

    def query(self, operation: str, table: str, seconds: float) -> None: ...

    def query_failed(self, operation: str, kind: str) -> None:
        self.failures.append(kind)

    def acquired(self, seconds: float) -> None: ...

    def acquire_timed_out(self) -> None:
        self.timeouts += 1

    def committed(self, works: int, seconds: float) -> None: ...

    def retried(self) -> None:
        self.retries += 1

    def pool_shed(self) -> None:
        self.shed += 1

    def breaker(self, dependency: str, state: int) -> None:
        self.states.append(state)


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
async def url(postgres_server: StartServer) -> str:
    return await asyncio.to_thread(lambda: migrated_copy(postgres_server()))


@contextlib.asynccontextmanager
async def opened(url: str, recorder: Recorder, **settings: Any) -> AsyncIterator[PostgresDatabase]:
    database = PostgresDatabase(read_url(url), metrics=recorder, pool_min=0, **settings)
    yield database
    await database.close()


async def refusal(awaited: Any) -> ErrorCode:
    with pytest.raises(ApiError) as raised:
        await awaited
    return raised.value.code


async def test_processes_that_count_together_lose_nothing(url: str, recorder: Recorder) -> None:
    """Serializable across pools: whoever was in another's way runs again."""
    async with opened(url, recorder) as first, opened(url, recorder) as second:
        await first.write(lambda tx: numbers.create(tx.conn))
        await first.write(put("counter", 0))

        def increment(tx: WriteTx) -> None:
            value = get("counter")(tx.conn) or 0
            tx.run("UPDATE numbers SET value = ? WHERE name = 'counter'", (value + 1,))

        async def count(database: PostgresDatabase) -> None:
            for _ in range(15):
                await database.write(increment)

        await asyncio.gather(count(first), count(second))
        assert await first.read(get("counter")) == 30
        assert recorder.retries == recorder.failures.count("serialization")


async def test_who_locks_first_when_repeated_gets_a_turn(url: str, recorder: Recorder) -> None:
    """However many processes want one row, at the end of much else, all the time: nobody is turned away."""
    async with contextlib.AsyncExitStack() as stack:
        pools = [await stack.enter_async_context(opened(url, recorder)) for _ in range(3)]
        await pools[0].write(lambda tx: numbers.create(tx.conn))
        await pools[0].write(put("counter", 0))
        lock = "SELECT value FROM numbers WHERE name = ? FOR UPDATE"

        def increment(tx: WriteTx) -> None:
            cast("ServerTx", tx).lock_when_repeated(lock, ("counter",))
            value = get("counter")(tx.conn) or 0
            tx.run("SELECT pg_sleep(0.005)")
            tx.run("UPDATE numbers SET value = ? WHERE name = 'counter'", (value + 1,))

        await asyncio.gather(*(database.write(increment) for _ in range(25) for database in pools))
        assert await pools[0].read(get("counter")) == 75


async def test_keys_that_are_counted_collide_with_nobody(url: str, recorder: Recorder) -> None:
    """Who wrote the next number while another committed it looks again, in a snapshot that shows it."""
    async with opened(url, recorder) as first, opened(url, recorder) as second:
        await first.write(lambda tx: numbers.create(tx.conn))

        await first.write(put("counter", 0))
        await first.write(lambda tx: tx.run("CREATE TABLE taken (value BIGINT PRIMARY KEY)"))

        def number(tx: WriteTx) -> None:
            value = (get("counter")(tx.conn) or 0) + 1
            tx.run("SELECT pg_sleep(0.01)")
            tx.run("INSERT INTO taken (value) VALUES (?)", (value,))
            tx.run("UPDATE numbers SET value = ? WHERE name = 'counter'", (value,))

        for _ in range(10):
            await asyncio.gather(first.write(number), second.write(number))
        assert await first.read(get("counter")) == 20
        with pytest.raises(IntegrityError):
            await first.write(put("counter", 0))


async def test_retries_end(url: str, recorder: Recorder) -> None:
    """A unit of work that fails each time runs six times, then its caller hears of it."""
    runs = 0

    def hopeless(tx: WriteTx) -> None:
        nonlocal runs
        runs += 1
        tx.run("DO $$ BEGIN RAISE EXCEPTION 'no' USING ERRCODE = '40001'; END $$")

    async with opened(url, recorder) as database:
        assert await refusal(database.write(hopeless)) is ErrorCode.DATABASE_UNAVAILABLE
        assert (runs, recorder.retries) == (6, 5)
        assert await database.write(lambda _: "goes on") == "goes on"


async def test_a_statement_that_takes_too_long_is_given_up(url: str, recorder: Recorder) -> None:
    async with opened(url, recorder, statement_timeout=0.2) as database:
        for run in (database.read, database.lookup):
            sleep: Callable[[Connection], Any] = lambda conn: conn.exec_driver_sql("SELECT pg_sleep(30)")  # noqa: E731
            assert await refusal(run(sleep)) is ErrorCode.DATABASE_UNAVAILABLE
        assert "timeout" in recorder.failures
        assert await database.read(lambda _: "goes on") == "goes on"


async def test_what_a_process_locked_that_stands_still_comes_free(url: str, recorder: Recorder) -> None:
    """In the middle of a transaction: others go on, and when it does too, its work is done as well."""
    first_time, lasting = asyncio.Event(), asyncio.Event()

    def standing_still(tx: WriteTx) -> None:
        value = get("counter")(tx.conn) or 0
        tx.run("UPDATE numbers SET value = ? WHERE name = 'counter'", (value + 1,))
        if not first_time.is_set():
            first_time.set()
            await_only(lasting.wait())
            while not tx.conn.info["secureconnect_link"].closed:  # as whoever was stopped finds it
                await_only(asyncio.sleep(0.01))

    def add_ten(tx: WriteTx) -> None:
        value = get("counter")(tx.conn) or 0
        tx.run("UPDATE numbers SET value = ? WHERE name = 'counter'", (value + 10,))

    limits = {"statement_timeout": 10.0}
    async with opened(url, recorder, **limits) as still, opened(url, recorder, **limits) as other:
        await other.write(lambda tx: numbers.create(tx.conn))
        await other.write(put("counter", 0))
        stopped = asyncio.create_task(still.write(standing_still))
        await first_time.wait()
        await other.write(add_ten)
        lasting.set()
        await stopped
        assert await other.read(get("counter")) == 11


async def test_who_can_wait_leaves_the_last_connections_to_others(url: str, recorder: Recorder) -> None:
    async with opened(url, recorder, pool_max=5, pool_guard=0.8) as database:
        free = asyncio.Event()
        holding = [asyncio.create_task(hold(database, free)) for _ in range(4)]
        await in_use(database, 4)

        async def deferrable() -> str:
            defer()
            return await database.read(lambda _: "served")

        def ask() -> "asyncio.Task[str]":
            return asyncio.create_task(deferrable(), context=copy_context())

        assert await refusal(ask()) is ErrorCode.DB_POOL_EXHAUSTED
        assert recorder.shed == 1
        assert await database.read(lambda _: "served") == "served"
        free.set()
        await asyncio.gather(*holding)
        assert await ask() == "served"


async def test_a_burst_of_requests_that_can_wait_is_served_in_turn(
    url: str, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More at one moment than connections: nobody is refused while each of them takes no time."""
    monkeypatch.setattr(postgres_guard, "_MOMENT", 30)  # however slow this machine is
    async with opened(url, recorder, pool_max=5, pool_guard=0.8) as database:

        async def deferrable() -> int:
            defer()
            assert await database.write(lambda _: True)
            return await database.read(lambda _: 7)

        asked = [asyncio.create_task(deferrable(), context=copy_context()) for _ in range(60)]
        assert await asyncio.gather(*asked) == [7] * 60
        assert recorder.shed == 0
        assert database.connections().active == 0


async def in_use(database: PostgresDatabase, count: int) -> None:
    """Return when so many connections are."""
    while database.connections().active < count:  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0.001)


async def hold(database: PostgresDatabase, free: asyncio.Event) -> None:
    """Keep a connection until `free`."""
    from sqlalchemy.util import await_only

    await database.read(lambda _: await_only(free.wait()))


async def test_whoever_waits_too_long_for_a_connection_is_told(url: str, recorder: Recorder) -> None:
    async with opened(url, recorder, pool_max=1, acquire_timeout=0.3) as database:
        await database.ping()
        free = asyncio.Event()
        holding = asyncio.create_task(hold(database, free))
        await in_use(database, 1)
        assert await refusal(database.ping()) is ErrorCode.DATABASE_UNAVAILABLE
        assert recorder.timeouts == 1
        free.set()
        await holding


async def test_a_backend_that_is_ended_is_nobodys_trouble(url: str, recorder: Recorder) -> None:
    """The administrator ends our connections: whoever had not begun notices nothing."""
    async with opened(url, recorder) as database, opened(url, Recorder()) as other:
        await database.write(lambda tx: numbers.create(tx.conn))
        await database.write(put("a", 1))
        end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
        await other.read(lambda conn: conn.exec_driver_sql(f"{end} AND datname = current_database()").all())
        assert await database.read(everything) == {"a": 1}
        await database.write(put_fast("b", 2))
        assert await database.read(everything) == {"a": 1, "b": 2}


async def test_migrations_from_several_hosts_at_once(
    postgres_server: StartServer, recorder: Recorder
) -> None:
    url = await asyncio.to_thread(lambda: postgres_server().create_database())
    async with (
        opened(url, recorder, statement_timeout=60) as first,
        opened(url, recorder, statement_timeout=60) as second,
        opened(url, recorder, statement_timeout=60) as third,
    ):
        done = await asyncio.gather(
            *(one.write(lambda tx: runner.upgrade(tx.conn)) for one in (first, second, third))
        )
        assert sorted(map(len, done)) == [0, 0, len(runner.steps())]
        assert (await first.read(runner.status)).pending == []
        undone = await first.write(lambda tx: runner.downgrade(tx.conn, len(runner.steps())))
        assert len(undone) == len(runner.steps())
        assert len(await second.write(lambda tx: runner.upgrade(tx.conn))) == len(runner.steps())


async def test_a_server_that_goes_and_comes(tmp_path: Path, recorder: Recorder) -> None:
    """Killed, it refuses at once; stopped, it lets nobody wait beyond the limits; each time all is well
    within five seconds of its return, and what was acknowledged is there (docs/reference/operations.md §9).
    """
    server = Postgres(tmp_path, fsync=False)
    await asyncio.to_thread(server.start)
    try:
        limits = {"acquire_timeout": 2.0, "statement_timeout": 3.0}
        async with opened(server.url, recorder, **limits) as database:
            await database.write(lambda tx: numbers.create(tx.conn))
            await database.write(put("a", 1))
            for stop, resume in ((server.kill, server.start), (server.pause, server.resume)):
                await asyncio.to_thread(stop)
                started = time.monotonic()
                codes = {await refusal(database.write(put("never", number))) for number in range(2)}
                assert codes == {ErrorCode.DATABASE_UNAVAILABLE}
                assert time.monotonic() - started < 2 * 16
                await asyncio.to_thread(resume)
                await back(database)
                assert (await database.read(everything))["a"] == 1
            assert recorder.states[0] == recorder.states[-1] == 0
            assert 2 in recorder.states
    finally:
        await asyncio.to_thread(server.close)


async def back(database: PostgresDatabase) -> None:
    """Return when it answers."""
    while True:
        with contextlib.suppress(ApiError):
            await database.ping()
            return
        await asyncio.sleep(0.05)
