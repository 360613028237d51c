"""What a database and the timeline on it tell about themselves."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import column, delete, insert, select, table, text, update
from sqlalchemy.exc import IntegrityError

from secureconnect.infra.database.base import WriteTx
from secureconnect.infra.database.sqlite import open_sqlite
from secureconnect.infra.timeline.base import GuardChanged, NewEvent, Statement
from secureconnect.infra.timeline.relational import RelationalTimeline
from secureconnect.kit.errors import ApiError
from secureconnect.kit.ids import new_id, new_time_id
from secureconnect.migrations import runner


class Recorder:
    def __init__(self) -> None:
        self.queries: list[tuple[str, str]] = []
        self.failures: list[tuple[str, str]] = []
        self.commits: list[int] = []
        self.waits: list[float] = []
        self.timeouts = 0

    def query(self, operation: str, table: str, seconds: float) -> None:
        assert seconds >= 0
        self.queries.append((operation, table))

    def query_failed(self, operation: str, kind: str) -> None:
        self.failures.append((operation, kind))

    def acquired(self, seconds: float) -> None:
        self.waits.append(seconds)

    def acquire_timed_out(self) -> None:
        self.timeouts += 1

    def committed(self, works: int, seconds: float) -> None:
        assert seconds > 0
        self.commits.append(works)


async def test_statements_commits_and_waits_are_reported(tmp_path: Path) -> None:
    recorder = Recorder()
    database = open_sqlite(tmp_path / "secureconnect.db", metrics=recorder)
    people = table("people", column("id"), column("name"))

    def work(tx: WriteTx) -> None:
        tx.conn.execute(text("CREATE TABLE people (id INTEGER PRIMARY KEY, name TEXT)"))
        tx.conn.execute(insert(people).values(id=1, name="a"))
        tx.conn.execute(update(people).values(name="b"))
        tx.conn.execute(select(people.c.name)).all()
        tx.conn.execute(delete(people).where(people.c.id == 2))
        tx.run("SELECT 1")

    recorder.queries.clear()
    await database.write(work)
    assert recorder.queries == [
        ("other", "people"),
        ("insert", "people"),
        ("update", "people"),
        ("select", "people"),
        ("delete", "people"),
    ]
    with pytest.raises(IntegrityError):
        await database.write(lambda tx: tx.conn.execute(insert(people).values(id=1)))
    assert recorder.failures == [("insert", "constraint")]
    assert recorder.commits[0] == 1
    await database.read(lambda conn: conn.execute(select(people)).all())
    assert recorder.queries[-1] == ("select", "people")
    assert len(recorder.waits) == 3
    assert recorder.timeouts == 0
    await database.close()


async def test_refused_commits_and_vain_waits_are_reported(tmp_path: Path) -> None:
    recorder = Recorder()
    database = open_sqlite(tmp_path / "secureconnect.db", metrics=recorder, acquire_timeout=0.05)
    with closing(sqlite3.connect(database.path, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        # The second group waits behind the first, which waits for the lock as long as it may.
        first = asyncio.create_task(database.write(lambda _tx: None))
        while not recorder.waits:  # noqa: ASYNC110 - until the first group is on its way
            await asyncio.sleep(0)
        second = asyncio.create_task(database.write(lambda _tx: None))
        results = await asyncio.gather(first, second, return_exceptions=True)
    assert all(isinstance(result, ApiError) for result in results)
    assert recorder.failures == [("other", "connection")]
    assert recorder.timeouts == 1
    assert recorder.commits == []
    await database.close()


async def test_appends_are_reported(tmp_path: Path) -> None:
    class Appends:
        def __init__(self) -> None:
            self.seconds: list[float] = []
            self.failures: list[str] = []

        def appended(self, seconds: float) -> None:
            self.seconds.append(seconds)

        def append_failed(self, reason: str) -> None:
            self.failures.append(reason)

    appends = Appends()
    database = open_sqlite(tmp_path / "secureconnect.db")
    await database.write(lambda tx: runner.upgrade(tx.conn))
    timeline = RelationalTimeline(database, metrics=appends)
    conversation = new_id()
    await database.write(lambda tx: timeline.open_in(tx, conversation))
    event = NewEvent(conversation, new_time_id(), "conversation_updated", None, 0, data=b"{}")
    await timeline.append(event, guard=0)
    with pytest.raises(GuardChanged):
        await timeline.append(event, guard=1)
    broken = Statement("INSERT INTO no_such_table VALUES (?)", ())
    with pytest.raises(sqlite3.OperationalError):
        await timeline.append(event, guard=0, also=[broken])
    await database.close()
    with pytest.raises(ApiError):
        await timeline.append(event, guard=0)
    assert len(appends.seconds) == 1
    assert appends.seconds[0] > 0
    assert appends.failures == ["other", "unavailable"]
