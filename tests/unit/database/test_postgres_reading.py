"""Reads on a server: one query goes alone, several share a transaction."""

from functools import partial
from typing import Any, cast

from sqlalchemy import Connection

from secureconnect.infra.database.postgres_connection import Link, Several
from secureconnect.infra.database.postgres_reading import Reading


class FakeLink:
    """Notes what is asked of it; as a connection it takes queries."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._alone = False

    @property
    def conn(self) -> Any:
        return self

    def begin_query(self) -> None:
        self._alone = True

    def begin(self, mode: str) -> None:
        self._alone = False
        self.asked.append(mode)

    def commit(self) -> bool:
        self.asked.append("COMMIT")
        return True

    def execute(self, sql: str) -> str:
        if self._alone and len(self.asked) == 1:
            raise Several
        self.asked.append(sql)
        return sql


def run(reading: Reading, query: Any) -> list[str]:
    link = FakeLink()
    assert reading.run(cast("Link", link), query) == "last"
    return link.asked


def one(conn: Connection) -> Any:
    return conn.execute("last")  # type: ignore[call-overload]


def two(first: str, conn: Connection) -> Any:
    conn.execute(first)  # type: ignore[call-overload]
    return conn.execute("last")  # type: ignore[call-overload]


def test_one_query_is_one_round_trip() -> None:
    assert run(Reading("BEGIN"), one) == ["last"]


def test_that_there_are_several_is_found_out_once_for_each_function() -> None:
    reading = Reading("BEGIN")
    assert run(reading, partial(two, "first")) == ["first", "BEGIN", "first", "last", "COMMIT"]
    assert run(reading, partial(two, "other")) == ["BEGIN", "other", "last", "COMMIT"]
    assert run(reading, one) == ["last"]


def test_what_has_no_code_to_be_known_by_is_never_tried() -> None:
    class Query:
        def __call__(self, conn: Connection) -> Any:
            return one(conn)

    assert run(Reading("BEGIN"), Query()) == ["BEGIN", "last", "COMMIT"]
