"""A full disk: sends are refused, nothing acknowledged is lost, and service returns with the space."""

import asyncio
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import Connection, text

from secureconnect.infra.database.base import WriteTx
from secureconnect.infra.database.sqlite import SqliteDatabase, open_sqlite
from secureconnect.kit.errors import ApiError, ErrorCode
from tests.faults.full_disk_writer import Report


@pytest.mark.faults
def test_a_disk_that_fills_up_and_gets_space_again(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.faults.full_disk_writer", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, check=True, timeout=60, text=True)
    report = msgspec.json.decode((tmp_path / "report.json").read_bytes(), type=Report)
    assert {code for code, _ in report.refused} == {"DATABASE_UNAVAILABLE"}
    assert {seconds for _, seconds in report.refused} == {1}
    assert len(report.refused) > 40
    assert set(report.relational_refused) <= {"DATABASE_UNAVAILABLE"}
    # Reads went on, and refused sends left nothing to see.
    assert len(report.read_while_full) == 6
    with closing(sqlite3.connect(tmp_path / "secureconnect.db")) as raw:
        assert raw.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        stored = dict(
            raw.execute(
                "SELECT seq, event_id FROM timeline_events WHERE conversation_id = ?",
                (report.conversation_id,),
            ).fetchall()
        )
        (leases,) = raw.execute("SELECT count(*) FROM leases").fetchone()
    # One line when it begins, one when it is over; small groups may find room in between.
    assert done.stdout.count("writes fail") == done.stdout.count("writes work again") >= 2
    assert done.stdout.count("\n") < len(report.refused) / 2
    assert len(stored) == report.after
    assert dict(report.acknowledged).items() <= stored.items()
    assert len(stored) == len(report.acknowledged) + leases


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    opened = open_sqlite(tmp_path / "secureconnect.db")
    await opened.write(lambda tx: tx.run("CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT)"))
    yield opened
    await opened.close()


def count(conn: Connection) -> int:
    return int(conn.execute(text("SELECT count(*) FROM t")).scalar_one())


@pytest.mark.parametrize("brief", [False, True])
async def test_a_file_that_may_not_grow(database: SqliteDatabase, brief: bool) -> None:
    """Here SQLite itself says that the file is full, in the middle of a group."""

    async def limit(pages: int) -> None:
        await database.write(lambda tx: tx.run(f"PRAGMA max_page_count = {pages}"))

    heard: list[int] = []

    def add(tx: WriteTx) -> int:
        tx.run("INSERT INTO t (b) VALUES (?)", ("x" * 3000,))
        number = int(tx.run("SELECT max(a) FROM t")[0][0])
        tx.after_commit(lambda: heard.append(number))
        return number

    await limit(20)
    refused: list[BaseException] = []
    while not refused:
        stored = await database.read(count)
        results = await asyncio.gather(
            *(database.write(add, brief=brief) for _ in range(3)), return_exceptions=True
        )
        refused = [result for result in results if isinstance(result, BaseException)]
    assert all(isinstance(e, ApiError) and e.code is ErrorCode.DATABASE_UNAVAILABLE for e in refused)
    assert await database.read(count) == stored + len(results) - len(refused)
    stored = await database.read(count)
    await limit(1000)
    assert await database.write(add, brief=brief) == stored + 1
    assert await database.read(count) == stored + 1
    assert heard == list(range(1, stored + 2))
