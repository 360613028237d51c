"""What a database tells about itself."""

from pathlib import Path

import pytest
from sqlalchemy import column, delete, insert, select, table, text, update
from sqlalchemy.exc import IntegrityError

from secureconnect.infra.database.base import WriteTx
from secureconnect.infra.database.sqlite import open_sqlite


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
