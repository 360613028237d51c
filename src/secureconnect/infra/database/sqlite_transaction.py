"""The transaction object that units of work get, and what it collects for after the commit."""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from sqlalchemy import Connection

from secureconnect.infra.database.sqlite_connection import SqliteConnection
from secureconnect.infra.database.sqlite_errors import integrity
from secureconnect.infra.telemetry.log import get_logger

__all__ = ["Call", "SqliteTx", "run_calls"]

log = get_logger()

#: (None, callback) of `after_commit`, or (sink, item) of `deliver`.
Call = tuple[Callable[[Sequence[Any]], None] | None, Any]


class SqliteTx:
    """The `WriteTx` of SQLite. One object serves all units of work, one after the other."""

    __slots__ = ("_execute", "calls", "conn")

    def __init__(self, link: SqliteConnection) -> None:
        self.conn: Connection = link.conn
        self.calls: list[Call] = []
        self._execute = link.raw.execute

    def run(self, sql: str, params: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        try:
            return self._execute(sql, params).fetchall()
        except sqlite3.IntegrityError as error:
            raise integrity(sql, params, error) from error

    def after_commit(self, callback: Callable[[], None]) -> None:
        self.calls.append((None, callback))

    def deliver(self, sink: Callable[[Sequence[Any]], None], item: object) -> None:
        self.calls.append((sink, item))


def run_calls(calls: Iterable[Call]) -> None:
    """Make the calls of a committed batch in order, joining neighbours that go to the same sink."""
    waiting: Callable[[Sequence[Any]], None] | None = None
    items: list[Any] = []
    for sink, thing in calls:
        if waiting is not None and sink != waiting:
            _guarded(waiting, items)
            items = []
        waiting = sink
        if sink is None:
            _guarded(thing)
        else:
            items.append(thing)
    if waiting is not None:
        _guarded(waiting, items)


def _guarded(call: Callable[..., None], *args: Any) -> None:
    try:
        call(*args)
    except Exception:
        # The data is committed; one listener's defect must not stop the others.
        log.exception("after-commit callback failed")
