"""The file of the search index is opened late, and thrown away when it cannot be used."""

import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from secureconnect.app.search_file import SearchFile
from secureconnect.app.settings import Settings
from secureconnect.infra.search.base import Progress
from secureconnect.infra.search.sqlite import SqliteSearchIndex
from secureconnect.kit.errors import ApiError, ErrorCode


def search_file(path: Path, **database: float) -> SearchFile:
    settings = Settings()
    return SearchFile(
        path,
        msgspec.structs.replace(settings, database=msgspec.structs.replace(settings.database, **database)),
    )


async def test_it_is_opened_when_it_is_used(tmp_path: Path) -> None:
    file = search_file(tmp_path / "search.db")
    await file.close()
    assert not (tmp_path / "search.db").exists()
    assert await SqliteSearchIndex(file).progress() is None
    assert (tmp_path / "search.db").stat().st_mode & 0o777 == 0o600
    assert await file.size() > 0
    assert await file.ping() >= 0
    await file.close()


@pytest.mark.parametrize("content", [b"no database at all" * 500, b""])
async def test_what_is_no_index_is_made_anew(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "search.db"
    path.write_bytes(content)
    (tmp_path / "search.db-wal").write_bytes(b"left over")
    index = SqliteSearchIndex(file := search_file(path))
    assert await index.progress() is None
    await index.begin(Progress(1, None))
    assert await index.progress() == Progress(1, None)
    await file.close()


async def test_a_damaged_index_is_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "search.db"
    index = SqliteSearchIndex(file := search_file(path))
    await index.begin(Progress(1, None))
    await file.close()
    whole = path.read_bytes()
    path.write_bytes(whole[:5000] + bytes(len(whole) - 5000))
    index = SqliteSearchIndex(file := search_file(path))
    assert await index.progress() is None
    await file.close()


@pytest.mark.parametrize("name", ["taken", "nowhere/search.db"])
async def test_where_nothing_can_be_opened_there_is_no_search(tmp_path: Path, name: str) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(ApiError) as refused:
        await SqliteSearchIndex(search_file(tmp_path / name)).progress()
    assert refused.value.code is ErrorCode.DATABASE_UNAVAILABLE


async def test_it_is_one_database(tmp_path: Path) -> None:
    file = search_file(tmp_path / "search.db")
    await file.write(lambda tx: tx.run("CREATE TABLE t (n INTEGER)"))
    await file.write(lambda tx: tx.run("INSERT INTO t VALUES (1)"), brief=True)
    count = "SELECT count(*) FROM t"
    assert await file.read(lambda conn: conn.exec_driver_sql(count).scalar_one()) == 1
    assert await file.lookup(lambda conn: conn.exec_driver_sql(count).scalar_one()) == 1
    await file.close()
    with closing(sqlite3.connect(tmp_path / "search.db")) as raw:
        assert raw.execute(count).fetchone() == (1,)
