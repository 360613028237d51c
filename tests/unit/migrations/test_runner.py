"""The migration runner: forward, backward, twice at once, and never against an unknown schema."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Connection, inspect

from secureconnect.infra.database.base import DatabaseRefused
from secureconnect.infra.database.sqlite import SqliteDatabase, open_sqlite
from secureconnect.migrations import runner


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    opened = open_sqlite(tmp_path / "secureconnect.db")
    yield opened
    await opened.close()


def tables(conn: Connection) -> set[str]:
    return set(inspect(conn).get_table_names())


async def test_status_upgrade_downgrade(database: SqliteDatabase) -> None:
    known = list(runner.steps())
    before = await database.read(runner.status)
    assert (before.applied, before.pending, before.version) == ([], known, 0)
    assert await database.read(tables) == set()

    assert await database.write(lambda tx: runner.upgrade(tx.conn)) == known
    after = await database.read(runner.status)
    assert (after.pending, after.unknown, after.changed, after.version) == ([], [], [], len(known))
    assert {"users", "conversations", "messages", "schema_migrations"} <= await database.read(tables)
    assert await database.write(lambda tx: runner.upgrade(tx.conn)) == []

    undone = await database.write(lambda tx: runner.downgrade(tx.conn, len(known)))
    assert undone == known[::-1]
    assert await database.read(tables) == {"schema_migrations", "schema_readable"}
    assert await database.write(lambda tx: runner.upgrade(tx.conn)) == known


async def test_upgrade_stops_at_a_version(database: SqliteDatabase) -> None:
    assert await database.write(lambda tx: runner.upgrade(tx.conn, 0)) == []
    assert await database.read(tables) == set()
    first = runner.steps()[0]
    assert await database.write(lambda tx: runner.upgrade(tx.conn, first.version)) == [first]


async def test_an_interrupted_upgrade_leaves_nothing(database: SqliteDatabase) -> None:
    def interrupted(conn: Connection) -> None:
        runner.upgrade(conn)
        raise KeyError("power")

    with pytest.raises(KeyError):
        await database.write(lambda tx: interrupted(tx.conn))
    assert await database.read(tables) == set()


async def test_an_unknown_version_is_refused(database: SqliteDatabase) -> None:
    await database.write(lambda tx: runner.upgrade(tx.conn))
    newer = runner.newest_version() + 1
    await database.write(lambda tx: tx.run("INSERT INTO schema_migrations VALUES (?, 0, 'x')", (newer,)))
    status = await database.read(runner.status)
    assert [row.version for row in status.unknown] == [newer]
    for change in (lambda tx: runner.upgrade(tx.conn), lambda tx: runner.downgrade(tx.conn, 1)):
        with pytest.raises(DatabaseRefused, match=f"schema version {newer}"):
            await database.write(change)


async def test_older_programs_work_beside_a_step_that_leaves_them_working(
    database: SqliteDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until a step comes that they cannot read; only a program that knows a step undoes it."""
    ours, reads = runner.newest_version(), runner.status
    with monkeypatch.context() as newer_program:
        pretend(newer_program, {ours + 1: ours})
        assert len(await database.write(lambda tx: runner.upgrade(tx.conn))) == ours + 1
    status = await database.read(reads)
    assert ([row.version for row in status.unknown], status.unreadable) == ([ours + 1], [])
    assert await database.write(lambda tx: runner.upgrade(tx.conn)) == []
    with pytest.raises(DatabaseRefused, match=f"schema version {ours + 1}"):
        await database.write(lambda tx: runner.downgrade(tx.conn, 1))
    await open_sqlite(database.path, newest_schema=ours).close()
    with pytest.raises(DatabaseRefused, match=f"schema version {ours + 1}"):
        open_sqlite(database.path, newest_schema=ours - 1)

    with monkeypatch.context() as newer_program:
        pretend(newer_program, {ours + 1: ours, ours + 2: None})
        await database.write(lambda tx: runner.upgrade(tx.conn))
    assert [row.version for row in (await database.read(reads)).unreadable] == [ours + 2]
    with pytest.raises(DatabaseRefused, match=f"schema version {ours + 2}"):
        open_sqlite(database.path, newest_schema=ours)

    with monkeypatch.context() as newer_program:
        pretend(newer_program, {ours + 1: ours, ours + 2: None})
        assert len(await database.write(lambda tx: runner.downgrade(tx.conn, 2))) == 2
    assert (await database.read(reads)).unknown == []
    await open_sqlite(database.path, newest_schema=ours).close()


def pretend(patch: pytest.MonkeyPatch, later: dict[int, int | None]) -> None:
    """Be a program with further steps, each with what it says of those before it."""
    ours, load = runner.steps(), runner._load
    further = tuple(runner.Step(version, "later", "x") for version in later)

    def step(of: runner.Step) -> Any:
        if of not in further:
            return load(of)
        since = later[of.version]
        said = {} if since is None else {"READABLE_SINCE": since}
        return SimpleNamespace(upgrade=lambda _: None, downgrade=lambda _: None, **said)

    patch.setattr(runner, "steps", lambda: ours + further)
    patch.setattr(runner, "_load", step)


def test_new_steps_say_which_programs_they_leave_working() -> None:
    """The first seven came before anybody could be asked."""
    for step in runner.steps()[7:]:
        since = runner._load(step).READABLE_SINCE
        assert 1 <= since < step.version


async def test_a_changed_step_is_reported(database: SqliteDatabase) -> None:
    await database.write(lambda tx: runner.upgrade(tx.conn))
    await database.write(lambda tx: tx.run("UPDATE schema_migrations SET checksum = 'x' WHERE version = 1"))
    status = await database.read(runner.status)
    assert [step.version for step in status.changed] == [1]
    with pytest.raises(DatabaseRefused, match="0001 spine"):
        await database.write(lambda tx: runner.upgrade(tx.conn))


async def test_two_at_once_apply_each_step_once(tmp_path: Path) -> None:
    """Two databases objects stand for two processes: own connections, own threads, one file."""
    first, second = (open_sqlite(tmp_path / "secureconnect.db") for _ in range(2))
    results = await asyncio.gather(
        *(database.write(lambda tx: runner.upgrade(tx.conn)) for database in (first, second))
    )
    assert sorted(results) == [[], list(runner.steps())]
    await asyncio.gather(first.close(), second.close())


def test_alembic_is_imported_only_for_work(tmp_path: Path) -> None:
    script = """
import asyncio, pathlib, sys
from secureconnect.infra.database.sqlite import open_sqlite
from secureconnect.migrations import runner

async def main(path):
    database = open_sqlite(path)
    print(len(await database.write(lambda tx: runner.upgrade(tx.conn))), "alembic" in sys.modules)
    await database.close()

asyncio.run(main(pathlib.Path(sys.argv[1])))
"""
    command = [sys.executable, "-c", script, str(tmp_path / "secureconnect.db")]
    runs = [subprocess.run(command, capture_output=True, text=True, check=True).stdout for _ in range(2)]
    assert runs == [f"{len(runner.steps())} True\n", "0 False\n"]
