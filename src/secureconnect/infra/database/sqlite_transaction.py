"""The transaction object that units of work get, and what it collects for after the commit."""

import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection

from secureconnect.infra.database.after_commit import Call
from secureconnect.infra.database.sqlite_connection import SqliteConnection
from secureconnect.infra.database.sqlite_errors import integrity

__all__ = ["SqliteTx"]


class SqliteTx:
    """The `WriteTx` of SQLite. One object serves all units of work, one after the other."""

    __slots__ = ("_execute", "_execute_many", "calls", "conn", "works")

    def __init__(self, link: SqliteConnection) -> None:
        self.conn: Connection = link.conn
        self.calls: list[Call] = []
        self._execute = link.raw.execute
        self._execute_many = link.raw.executemany
        self.works = 1

    def run(self, sql: str, params: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        try:
            return self._execute(sql, params).fetchall()
        except sqlite3.IntegrityError as error:
            raise integrity(sql, params, error) from error

    def run_many(self, sql: str, rows: Sequence[tuple[Any, ...]]) -> None:
        try:
            self._execute_many(sql, rows)
        except sqlite3.IntegrityError as error:
            raise integrity(sql, (), error) from error

    def after_commit(self, callback: Callable[[], None]) -> None:
        self.calls.append((None, callback))

    def deliver(self, sink: Callable[[Sequence[Any]], None], item: object) -> None:
        self.calls.append((sink, item))
