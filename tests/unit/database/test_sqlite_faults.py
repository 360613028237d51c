"""SQLite under pressure: locked, too slow, closed by surprise; every caller gets an honest answer."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from secureconnect.infra.database.base import WriteTx
from secureconnect.infra.database.sqlite import SqliteDatabase, open_sqlite
from secureconnect.kit.errors import ApiError, ErrorCode

_ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    opened = open_sqlite(tmp_path / "secureconnect.db", acquire_timeout=0.3, statement_timeout=0.2)
    await opened.write(lambda tx: tx.run("CREATE TABLE t (a INTEGER PRIMARY KEY)"))
    yield opened
    await opened.close()


def rows(conn: Connection) -> list[int]:
    return [row[0] for row in conn.execute(text("SELECT a FROM t ORDER BY a"))]


def add(tx: WriteTx) -> None:
    tx.run("INSERT INTO t DEFAULT VALUES")


def unavailable(result: object) -> bool:
    return (
        isinstance(result, ApiError)
        and result.code is ErrorCode.DATABASE_UNAVAILABLE
        and result.retry_after == 1
    )


@pytest.mark.parametrize("brief", [False, True])
async def test_a_lock_held_by_another_process_is_waited_for_then_refused(
    database: SqliteDatabase, brief: bool
) -> None:
    with closing(sqlite3.connect(database.path, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        with pytest.raises(ApiError) as refused:
            await database.write(add, brief=brief)
        assert unavailable(refused.value)
        assert await database.lookup(rows) == []
        assert await database.read(rows) == []
        waiting = asyncio.create_task(database.write(add, brief=brief))
        await asyncio.sleep(0)
        holder.execute("ROLLBACK")
        await waiting
    await database.write(add, brief=brief)
    assert await database.read(rows) == [1, 2]


async def test_the_loop_goes_on_while_a_brief_work_waits_for_the_lock(database: SqliteDatabase) -> None:
    with closing(sqlite3.connect(database.path, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        waiting = asyncio.create_task(database.write(add, brief=True))
        turns = 0
        while not waiting.done() and turns < 1000:
            await asyncio.sleep(0)
            turns += 1
        assert turns == 1000
        holder.execute("ROLLBACK")
        await waiting


async def test_a_query_that_runs_too_long_is_stopped(database: SqliteDatabase) -> None:
    def endless(conn: Connection) -> None:
        conn.execute(text(_ENDLESS)).all()

    for query in (database.read, database.lookup):
        with pytest.raises(ApiError) as refused:
            await query(endless)
        assert unavailable(refused.value)
        assert await query(rows) == []


async def test_a_write_that_runs_too_long_is_stopped_and_touches_nobody(database: SqliteDatabase) -> None:
    def too_long(tx: WriteTx) -> None:
        add(tx)
        tx.conn.execute(text(f"INSERT INTO t {_ENDLESS}"))

    results = await asyncio.gather(
        database.write(add), database.write(too_long), database.write(add), return_exceptions=True
    )
    assert results[0] is None
    assert unavailable(results[1])
    assert results[2] is None
    assert await database.read(rows) == [1, 2]


async def test_who_waits_too_long_for_a_turn_is_told(database: SqliteDatabase) -> None:
    """Both reading threads are busy for longer than a query may wait."""
    patient = open_sqlite(database.path, acquire_timeout=0.05, statement_timeout=0.4)

    def endless(conn: Connection) -> None:
        conn.execute(text(_ENDLESS)).all()

    results = await asyncio.gather(
        *(patient.read(endless) for _ in range(2)), patient.read(rows), return_exceptions=True
    )
    assert all(unavailable(result) for result in results)
    assert "busy" in str(results[2])
    await patient.close()


async def test_a_work_that_ends_the_transaction_itself_fails_with_its_group(
    database: SqliteDatabase,
) -> None:
    def vandal(tx: WriteTx) -> None:
        add(tx)
        tx.run("ROLLBACK")

    results = await asyncio.gather(database.write(add), database.write(vandal), return_exceptions=True)
    assert unavailable(results[1])
    assert await database.read(rows) in ([], [1])
    await database.write(add)
    assert len(await database.read(rows)) >= 1


async def test_connections_are_counted(database: SqliteDatabase) -> None:
    assert database.connections() == (0, 3, 3)
    write = asyncio.create_task(database.write(add))
    reads = [asyncio.create_task(database.read(rows)) for _ in range(5)]
    await asyncio.sleep(0)
    assert database.connections() == (3, 0, 3)
    await asyncio.gather(write, *reads)
    assert database.connections() == (0, 3, 3)


async def test_a_huge_group_is_split(database: SqliteDatabase) -> None:
    await asyncio.gather(*(database.write(add, brief=number % 2 == 0) for number in range(1500)))
    assert await database.read(rows) == list(range(1, 1501))


async def test_two_processes_may_write_in_turn(database: SqliteDatabase) -> None:
    other = open_sqlite(database.path)
    await asyncio.gather(
        *(database.write(add, brief=True) for _ in range(20)), *(other.write(add) for _ in range(20))
    )
    assert len(await database.lookup(rows)) == len(await other.lookup(rows)) == 40
    await other.close()


def test_one_database_serves_one_loop_after_the_other(tmp_path: Path) -> None:
    database = open_sqlite(tmp_path / "secureconnect.db")
    asyncio.run(database.write(lambda tx: tx.run("CREATE TABLE t (a INTEGER PRIMARY KEY)")))
    asyncio.run(database.write(add))
    assert asyncio.run(database.read(rows)) == [1]
    asyncio.run(database.close())
