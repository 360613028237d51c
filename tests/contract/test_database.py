"""The Database port: isolated, serializable, and honest about failure."""

import asyncio
import secrets
import traceback
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection, insert, text, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.kit.errors import ApiError

from .numbers import Refused, everything, get, numbers, outcomes, put, put_fast


async def test_results_come_back(store: Database, brief: bool) -> None:
    assert await store.write(lambda _tx: 42, brief=brief) == 42
    assert await store.read(lambda _conn: "read") == "read"
    assert await store.lookup(lambda _conn: "lookup") == "lookup"


async def test_the_size_grows_with_the_data(store: Database) -> None:
    before = await store.size()
    assert before > 0

    def work(tx: WriteTx) -> None:
        for number in range(5000):
            put_fast(f"{number}{'x' * 500}", number)(tx)

    await store.write(work)
    grown = await store.size() - before
    assert 5000 * 500 < grown < 5000 * 500 * 5


async def test_both_ways_of_running_statements(store: Database, brief: bool) -> None:
    def work(tx: WriteTx) -> list[tuple[Any, ...]]:
        put("a", 1)(tx)
        put_fast("b", 2)(tx)
        tx.conn.execute(update(numbers).where(numbers.c.name == "b").values(value=3))
        return tx.run("SELECT name, value FROM numbers WHERE value > ? ORDER BY name", (0,))

    assert await store.write(work, brief=brief) == [("a", 1), ("b", 3)]
    assert await store.read(everything) == {"a": 1, "b": 3}


@pytest.mark.parametrize("text_", ["\x00", "a\x00\ufdd0b\ufdd00", "\ufdd0", "é\U0001f600\ufffe"])
async def test_any_text_comes_back(store: Database, text_: str) -> None:
    await store.write(put(text_, 1))
    await store.write(put_fast(text_ + "fast", 2))
    assert await store.read(everything) == {text_: 1, text_ + "fast": 2}
    assert await store.read(get(text_)) == 1


async def test_a_write_is_seen_by_every_later_read(store: Database, brief: bool) -> None:
    for number in range(30):
        await store.write(put_fast(f"n{number}", number), brief=brief)
        assert await store.lookup(get(f"n{number}")) == number
        assert await store.read(get(f"n{number}")) == number
        seen = await store.write(lambda tx, n=number: get(f"n{n}")(tx.conn), brief=brief)  # type: ignore[misc]
        assert seen == number


async def test_a_failed_work_leaves_nothing(store: Database, brief: bool) -> None:
    def work(tx: WriteTx) -> None:
        put("a", 1)(tx)
        put_fast("b", 2)(tx)
        raise Refused

    with pytest.raises(Refused):
        await store.write(work, brief=brief)
    assert await store.read(everything) == {}


async def test_a_failed_work_leaves_no_table(store: Database) -> None:
    def work(tx: WriteTx) -> None:
        tx.conn.execute(text("CREATE TABLE leftover (a INTEGER)"))
        raise Refused

    results = await outcomes(store.write(put("a", 1)), store.write(work), store.write(put("b", 2)))
    assert isinstance(results[1], Refused)
    assert await store.read(everything) == {"a": 1, "b": 2}
    with pytest.raises(DBAPIError):
        await store.read(lambda conn: conn.execute(text("SELECT * FROM leftover")).all())


async def test_failures_in_a_group_touch_nobody_else(store: Database) -> None:
    """Works that wait together share a commit, yet each fails alone, early or late, however it writes."""

    def fails_early(_tx: WriteTx) -> None:
        raise Refused("early")

    def fails_late(tx: WriteTx) -> None:
        put_fast("half", 1)(tx)
        raise Refused("late")

    works: list[Callable[[WriteTx], None]] = []
    for number in range(60):
        works.append(put(f"n{number}", number) if number % 2 else put_fast(f"n{number}", number))
        works.append(fails_late if number % 7 == 0 else fails_early)
    results = await outcomes(*(store.write(work, brief=index % 3 == 0) for index, work in enumerate(works)))
    assert [type(result) for result in results] == [type(None), Refused] * 60
    assert await store.read(everything) == {f"n{number}": number for number in range(60)}


async def test_constraint_violations_are_integrity_errors(store: Database, brief: bool) -> None:
    await store.write(put("a", 1))
    for work in (put("a", 2), put_fast("a", 2)):
        results = await outcomes(
            store.write(put_fast(f"before {work.__qualname__} {id(work)}", 0), brief=brief),
            store.write(work, brief=brief),
        )
        assert results[0] is None
        assert isinstance(results[1], IntegrityError)
    assert await store.read(get("a")) == 1


async def test_errors_do_not_repeat_what_a_statement_was_given(store: Database, brief: bool) -> None:
    """They end in logs, which hold no texts, hashes or addresses (docs/reference/logs.md)."""
    secret = secrets.token_hex()
    await store.write(put(secret, 1))
    broken = text("SELECT value FROM nothing WHERE name = :name")
    works: list[Callable[[WriteTx], Any]] = [
        put(secret, 2),
        put_fast(secret, 2),
        lambda tx: tx.conn.execute(broken, {"name": secret}),
    ]
    for work in works:
        (error,) = await outcomes(store.write(work, brief=brief))
        assert isinstance(error, DBAPIError)
        assert secret not in "".join(traceback.format_exception(error))


async def test_a_caught_violation_does_not_end_the_transaction(store: Database, brief: bool) -> None:
    await store.write(put("a", 1))

    def work(tx: WriteTx) -> str:
        put_fast("b", 2)(tx)
        try:
            put_fast("a", 2)(tx)
        except IntegrityError:
            put_fast("c", 3)(tx)
            return "caught"
        return "missed"

    assert await store.write(work, brief=brief) == "caught"
    assert await store.read(everything) == {"a": 1, "b": 2, "c": 3}


async def test_savepoints_of_a_work_are_its_own(store: Database) -> None:
    def work(tx: WriteTx) -> None:
        put("kept", 1)(tx)
        savepoint = tx.conn.begin_nested()
        put("undone", 2)(tx)
        savepoint.rollback()
        with tx.conn.begin_nested():
            put("nested", 3)(tx)

    def leaves_one_open(tx: WriteTx) -> None:
        tx.conn.begin_nested()
        put("lost", 4)(tx)
        raise Refused

    results = await outcomes(store.write(work), store.write(leaves_one_open), store.write(put("next", 5)))
    assert [type(result) for result in results] == [type(None), Refused, type(None)]
    assert await store.read(everything) == {"kept": 1, "nested": 3, "next": 5}


async def test_works_see_those_before_them(store: Database, brief: bool) -> None:
    """Serializable: 100 read-modify-writes at once lose no update."""
    await store.write(put("counter", 0))

    def increment(tx: WriteTx) -> int:
        value = (get("counter")(tx.conn) or 0) + 1
        tx.run("UPDATE numbers SET value = ? WHERE name = 'counter'", (value,))
        return value

    values = await asyncio.gather(*(store.write(increment, brief=brief) for _ in range(100)))
    assert sorted(values) == list(range(1, 101))
    assert await store.read(get("counter")) == 100


async def test_reads_see_one_snapshot(store: Database) -> None:
    """Two rows always change together; no reader ever sees one without the other."""

    def both(value: int) -> Callable[[WriteTx], None]:
        def work(tx: WriteTx) -> None:
            for name in ("left", "right"):
                tx.run(
                    "INSERT INTO numbers (name, value) VALUES (?, ?)"
                    " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                    (name, value),
                )

        return work

    await store.write(both(0))
    done = False
    torn = []

    async def observe() -> None:
        run = 0
        while not done:
            query = store.lookup if run % 2 else store.read
            left, right = await query(lambda conn: (get("left")(conn), get("right")(conn)))
            if left != right:
                torn.append((left, right))
            run += 1
            await asyncio.sleep(0)

    observer = asyncio.create_task(observe())
    for value in range(1, 60):
        await store.write(both(value))
    done = True
    await observer
    assert torn == []


async def test_reads_cannot_write(store: Database) -> None:
    for query in (store.read, store.lookup):
        with pytest.raises((DBAPIError, ApiError)):
            await query(lambda conn: conn.execute(insert(numbers).values(name="x", value=1)))
    await store.write(put("a", 1))
    assert await store.read(everything) == {"a": 1}


async def test_a_failing_read_does_no_harm(store: Database) -> None:
    def broken(conn: Connection) -> None:
        conn.execute(text("SELECT * FROM no_such_table"))

    for query in (store.read, store.lookup):
        for _ in range(3):
            with pytest.raises(DBAPIError):
                await query(broken)
        assert await query(everything) == {}


async def test_works_are_run_again_only_from_a_clean_state(store: Database, brief: bool) -> None:
    """However often a work runs, its statements take effect once."""
    runs = {"count": 0}
    await store.write(put("counter", 0))

    def counted(tx: WriteTx) -> int:
        runs["count"] += 1
        tx.run("UPDATE numbers SET value = value + 1 WHERE name = 'counter'")
        return int(tx.run("SELECT value FROM numbers WHERE name = 'counter'")[0][0])

    def fails(tx: WriteTx) -> None:
        tx.run("UPDATE numbers SET value = value + 100 WHERE name = 'counter'")
        raise Refused

    results = await outcomes(
        store.write(counted, brief=brief), store.write(fails, brief=brief), store.write(counted, brief=brief)
    )
    assert results[0] == 1
    assert isinstance(results[1], Refused)
    assert results[2] == 2
    assert runs["count"] >= 2
    assert await store.read(get("counter")) == 2
