"""The Database port: what happens around a commit: callbacks, cancelled callers, closing."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.kit.errors import ApiError, ErrorCode

from .database_worlds import DATABASES, StartServer
from .numbers import Refused, everything, numbers, outcomes, put, put_fast


async def test_callbacks_run_in_commit_order_before_their_callers(store: Database) -> None:
    log: list[str] = []

    def work(number: int) -> Callable[[WriteTx], int]:
        def run(tx: WriteTx) -> int:
            tx.after_commit(lambda: log.append(f"first {number}"))
            rows = tx.run("SELECT count(*) FROM numbers")
            put_fast(f"n{number}", number)(tx)
            tx.after_commit(lambda: log.append(f"second {number}"))
            return int(rows[0][0])

        return run

    async def call(number: int) -> int:
        place = await store.write(work(number), brief=number % 2 == 0)
        assert log.index(f"second {number}") == log.index(f"first {number}") + 1
        log.append(f"answered {number}")
        return place

    places = await asyncio.gather(*(call(number) for number in range(40)))
    firsts = [line for line in log if line.startswith("first")]
    by_commit = [number for _, number in sorted(zip(places, range(40), strict=True))]
    assert firsts == [f"first {number}" for number in by_commit]


async def test_callbacks_of_failed_works_are_forgotten(store: Database, brief: bool) -> None:
    log: list[str] = []

    def fails(tx: WriteTx) -> None:
        tx.after_commit(lambda: log.append("never"))
        put_fast("x", 1)(tx)
        raise Refused

    def succeeds(tx: WriteTx) -> None:
        # Runs again because of the other one; its callback is still called once.
        tx.after_commit(lambda: log.append("once"))
        put_fast("y", 1)(tx)

    results = await outcomes(store.write(succeeds, brief=brief), store.write(fails, brief=brief))
    assert [type(result) for result in results] == [type(None), Refused]
    assert log == ["once"]


async def test_callbacks_run_on_the_loop_and_may_fail(
    store: Database, brief: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    loops: list[asyncio.AbstractEventLoop] = []

    def broken() -> None:
        raise RuntimeError("defect")

    def work(tx: WriteTx) -> None:
        tx.after_commit(broken)
        tx.after_commit(lambda: loops.append(asyncio.get_running_loop()))

    await store.write(work, brief=brief)
    assert loops == [asyncio.get_running_loop()]


async def test_deliveries_of_neighbours_are_joined_in_order(store: Database) -> None:
    calls: list[Any] = []

    def sink(items: Any) -> None:
        calls.extend(items)

    def other(items: Any) -> None:
        calls.append(("other", list(items)))

    def deliver(item: int) -> Callable[[WriteTx], None]:
        return lambda tx: tx.deliver(sink, item)

    def mixed(tx: WriteTx) -> None:
        tx.deliver(sink, 100)
        tx.deliver(other, 1)
        tx.after_commit(lambda: calls.append("between"))
        tx.deliver(other, 2)
        tx.deliver(sink, 101)

    await asyncio.gather(*(store.write(deliver(number), brief=True) for number in range(5)))
    assert sorted(calls) == [0, 1, 2, 3, 4]  # works that touch nothing may be committed in any order
    calls.clear()
    await store.write(mixed)
    assert calls == [100, ("other", [1]), "between", ("other", [2]), 101]


async def test_a_write_from_a_callback_works(store: Database) -> None:
    tasks: list[asyncio.Task[None]] = []

    def work(tx: WriteTx) -> None:
        put_fast("a", 1)(tx)
        tx.after_commit(lambda: tasks.append(asyncio.create_task(store.write(put("b", 2)))))

    await store.write(work)
    await tasks[0]
    assert await store.read(everything) == {"a": 1, "b": 2}


async def test_cancelled_callers_disturb_nobody(store: Database) -> None:
    async def run(number: int) -> None:
        await store.write(put_fast(f"n{number}", number), brief=number % 2 == 0)

    tasks = [asyncio.create_task(run(number)) for number in range(90)]
    await asyncio.sleep(0)  # all have queued their work
    for task in tasks[::3]:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    finished = {f"n{index}" for index, result in enumerate(results) if result is None}
    assert len(finished) == 60
    rows = await store.read(everything)
    assert finished <= rows.keys()
    assert await store.write(lambda _tx: "goes on") == "goes on"


async def test_a_caller_cancelled_during_the_commit_disturbs_nobody(store: Database) -> None:
    log: list[str] = []

    def cancel() -> None:
        log.append("committed")
        task.cancel()

    def work(tx: WriteTx) -> None:
        put_fast("a", 1)(tx)
        tx.after_commit(cancel)

    async def call() -> None:
        await store.write(work)

    task = asyncio.create_task(call())
    other = asyncio.create_task(store.write(put("b", 2)))
    await other
    await asyncio.wait([task])
    assert log == ["committed"]
    assert await store.read(everything) == {"a": 1, "b": 2}


async def test_reads_can_be_cancelled(store: Database) -> None:
    tasks = [asyncio.create_task(store.read(everything)) for _ in range(20)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(result == {} for result in results[1::2])


async def test_ping_measures(store: Database) -> None:
    assert 0 < await store.ping() < 5


@pytest.mark.parametrize("name", sorted(DATABASES))
async def test_close_finishes_what_was_accepted_and_refuses_the_rest(
    name: str, tmp_path: Path, postgres_server: StartServer
) -> None:
    with DATABASES[name](tmp_path, postgres_server) as open_database:
        database = await open_database()
        await database.write(lambda tx: numbers.create(tx.conn))
        writes = [asyncio.create_task(database.write(put(f"n{n}", n), brief=n % 2 == 0)) for n in range(50)]
        reads = [asyncio.create_task(database.read(everything)) for _ in range(5)]
        await asyncio.sleep(0)
        await database.close()
        await asyncio.gather(*writes, *reads)
        for call in (database.read(everything), database.lookup(everything), database.write(put("z", 0))):
            with pytest.raises(ApiError) as refusal:
                await call
            assert refusal.value.code is ErrorCode.DATABASE_UNAVAILABLE
        await database.close()

        again = await open_database()
        assert await again.read(everything) == {f"n{n}": n for n in range(50)}
        await again.close()
