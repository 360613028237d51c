"""Opening a SQLite file: made when missing, refused with an explanation when it is not usable or not ours."""

import os
import shutil
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from secureconnect.infra.database import sqlite_file
from secureconnect.infra.database.base import DatabaseRefused, WriteTx
from secureconnect.infra.database.sqlite import open_sqlite
from secureconnect.migrations import runner


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "secureconnect.db"


async def make(path: Path, rows: int = 0) -> None:
    """A sound database with the product's schema."""
    database = open_sqlite(path)
    await database.write(lambda tx: runner.upgrade(tx.conn))

    def fill(tx: WriteTx) -> None:
        for number in range(rows):
            statement = "INSERT INTO leases (name, holder, until) VALUES (?, ?, ?)"
            tx.run(statement, (f"{number}", "x" * 500, 0))

    await database.write(fill)
    await database.close()


def overwrite(path: Path, start: int, content: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(start, os.SEEK_SET if start >= 0 else os.SEEK_END)
        file.write(content)


def cut_last_page(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 4096)


def refusal(path: Path, newest_schema: int | None = None) -> DatabaseRefused:
    before = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    with pytest.raises(DatabaseRefused) as caught:
        open_sqlite(path, newest_schema=newest_schema, acquire_timeout=0.05)
    after = {file.name: file.read_bytes() for file in path.parent.iterdir() if file.suffix != ".db-shm"}
    # A log that was only looked for may appear, empty.
    assert {name: before.get(name, b"") for name in after} == after
    return caught.value


async def test_a_missing_file_is_created_for_the_owner_only(path: Path) -> None:
    old = os.umask(0)
    try:
        database = open_sqlite(path)
        await database.write(lambda tx: tx.run("CREATE TABLE t (a)"))
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
        assert modes[path.name] == 0o600
        assert set(modes.values()) == {0o600}
    finally:
        os.umask(old)
    await database.close()
    assert [file.name for file in path.parent.iterdir()] == [path.name]


async def test_the_file_is_configured_for_durability(path: Path) -> None:
    database = open_sqlite(path)

    def pragma(name: str) -> Callable[..., object]:
        return lambda tx: tx.run(f"PRAGMA {name}")[0][0]

    assert await database.write(pragma("journal_mode")) == "wal"
    assert await database.write(pragma("synchronous")) == 2
    assert await database.write(pragma("foreign_keys")) == 1
    await database.close()


async def test_what_was_written_is_there_again(path: Path) -> None:
    await make(path, rows=3)
    database = open_sqlite(path, newest_schema=runner.newest_version())
    count = await database.read(lambda conn: conn.exec_driver_sql("SELECT count(*) FROM leases").scalar())
    assert count == 3
    await database.close()


def test_a_missing_directory(tmp_path: Path) -> None:
    with pytest.raises(DatabaseRefused, match="cannot be opened"):
        open_sqlite(tmp_path / "missing" / "secureconnect.db")
    assert not (tmp_path / "missing").exists()


def test_a_directory_in_the_place_of_the_file(path: Path) -> None:
    path.mkdir()
    with pytest.raises(DatabaseRefused):
        open_sqlite(path)


@pytest.mark.parametrize("content", [b"hello\n", b"just some text\n" * 1000, b"\0" * 8192])
def test_a_file_that_is_no_database(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    error = refusal(path)
    assert "not a SQLite database" in error.message
    assert "Nothing was changed" in error.hint


def test_another_programs_database(path: Path) -> None:
    with closing(sqlite3.connect(path)) as raw:
        raw.execute("CREATE TABLE bookmarks (url TEXT)")
    assert "another program" in refusal(path).message


async def test_a_damaged_page(path: Path) -> None:
    await make(path, rows=100)
    overwrite(path, -8 * 4096, os.urandom(8 * 4096))
    assert "damaged" in refusal(path).message


async def test_a_damaged_schema(path: Path) -> None:
    await make(path)
    overwrite(path, 100, b"\xff" * 1900)
    assert "damaged" in refusal(path).message


async def test_a_truncated_file(path: Path) -> None:
    await make(path, rows=200)
    os.truncate(path, 20 * 4096 + 100)
    assert "damaged" in refusal(path).message


async def test_a_large_file_is_checked_where_it_is_cheap(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_file, "_QUICK_CHECK_BYTES", 0)
    await make(path, rows=200)
    await open_sqlite(path).close()
    copy = tmp_path / "copy"
    copy.mkdir()
    shutil.copy(path, copy)
    cut_last_page(copy / path.name)
    assert "damaged" in refusal(copy / path.name).message
    shutil.copy(path, copy)
    overwrite(copy / path.name, 4096, os.urandom(10 * 4096))
    assert "damaged" in refusal(copy / path.name).message


async def test_a_file_locked_by_somebody_else(path: Path) -> None:
    await make(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        error = refusal(path)
        assert "locked by another process" in error.message
        holder.execute("ROLLBACK")
    with closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("PRAGMA locking_mode = EXCLUSIVE")
        holder.execute("BEGIN EXCLUSIVE")
        assert "locked by another process" in refusal(path).message
    await open_sqlite(path).close()


async def test_a_newer_schema(path: Path) -> None:
    await make(path)
    newer = runner.newest_version() + 1
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.execute("INSERT INTO schema_migrations VALUES (?, 0, '')", (newer,))
    error = refusal(path, newest_schema=runner.newest_version())
    assert f"schema version {newer}" in error.message
    assert "newer program" in error.hint


async def test_a_log_left_by_a_crash_is_used(path: Path, tmp_path: Path) -> None:
    """File and write-ahead log as a killed process leaves them."""
    await make(path)
    database = open_sqlite(path)
    await database.write(lambda tx: tx.run("INSERT INTO leases (name, holder, until) VALUES ('a', 'b', 1)"))
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    for file in (path, path.with_name(path.name + "-wal")):
        shutil.copy(file, crashed / file.name)
    await database.close()
    again = open_sqlite(crashed / path.name)
    rows = await again.read(lambda conn: conn.exec_driver_sql("SELECT * FROM leases").all())
    assert [tuple(row) for row in rows] == [("a", "b", 1)]
    await again.close()


async def test_a_refused_file_keeps_its_log(path: Path, tmp_path: Path) -> None:
    await make(path)
    database = open_sqlite(path)
    await database.write(lambda tx: tx.run("INSERT INTO schema_migrations VALUES (99, 0, '')"))
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    for file in (path, path.with_name(path.name + "-wal")):
        shutil.copy(file, crashed / file.name)
    await database.close()
    refusal(crashed / path.name, newest_schema=1)
    assert (crashed / (path.name + "-wal")).stat().st_size > 0
