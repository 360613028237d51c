"""One SQLite connection: how it is configured, and transactions on it.

SQLAlchemy runs in AUTOCOMMIT mode on it, so that BEGIN and COMMIT are ours alone: SQLite has one writer, and
who holds that place, and for how long, is what the adapter is about.
"""

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Connection, Engine, NullPool, create_engine

from secureconnect.infra.database.metrics import DatabaseMetrics, observe_statements

__all__ = ["SqliteConnection", "connect", "make_engine"]

T = TypeVar("T")

# Virtual machine steps between two looks at the clock: a few milliseconds of work.
_STEPS_PER_CHECK = 100_000

# A checkpoint is paid by the commit that reaches the limit, so it is rare; 4,000 pages are 16 MiB.
# mmap stays off: with it a read error kills the process instead of failing one statement.
_PRAGMAS = (
    "journal_mode = WAL",
    "foreign_keys = ON",
    "temp_store = MEMORY",
    "wal_autocheckpoint = 4000",
    "journal_size_limit = 67108864",
    "mmap_size = 0",
    # What is deleted is overwritten: erased means erased, in the file too.
    "secure_delete = ON",
)


def make_engine(path: Path, metrics: DatabaseMetrics | None) -> Engine:
    """An engine whose connections all share one cache of compiled statements."""

    def open_driver() -> sqlite3.Connection:
        return sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=rw",
            uri=True,
            timeout=0,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=512,
        )

    engine = create_engine(
        "sqlite://",
        creator=open_driver,
        poolclass=NullPool,
        isolation_level="AUTOCOMMIT",
        # Errors end in logs, and parameters are texts, hashes and addresses.
        hide_parameters=True,
    )
    if metrics is not None:
        observe_statements(engine, metrics)
    return engine


def connect(
    engine: Engine,
    *,
    cache_kib: int,
    busy_ms: int,
    statement_timeout: float,
    query_only: bool = False,
    synced: bool = True,
) -> "SqliteConnection":
    """Open and configure one connection. Not `synced`: a loss of power may undo the latest commits.

    Raises:
        sqlite3.Error: the file is locked, broken or no database.
    """
    conn = engine.connect()
    raw = conn.connection.driver_connection
    assert isinstance(raw, sqlite3.Connection)
    try:
        raw.execute(f"PRAGMA busy_timeout = {busy_ms}")
        for pragma in _PRAGMAS:
            raw.execute(f"PRAGMA {pragma}").fetchall()
        # FULL syncs the log at every commit (docs/reference/data.md §1), NORMAL only before a checkpoint.
        raw.execute(f"PRAGMA synchronous = {'FULL' if synced else 'NORMAL'}")
        raw.execute(f"PRAGMA cache_size = {-cache_kib}")
        if query_only:
            raw.execute("PRAGMA query_only = ON")
    except sqlite3.Error:
        conn.close()
        raise
    return SqliteConnection(conn, raw, statement_timeout)


class SqliteConnection:
    """A connection for one user at a time; no statement on it runs longer than the timeout
    (docs/reference/rules.md §13).
    """

    __slots__ = ("_deadline", "_timeout", "conn", "raw")

    def __init__(self, conn: Connection, raw: sqlite3.Connection, statement_timeout: float) -> None:
        self.conn = conn
        self.raw = raw
        self._timeout = statement_timeout
        self._deadline = 0.0
        raw.set_progress_handler(self._overdue, _STEPS_PER_CHECK)

    def _overdue(self) -> bool:
        return time.monotonic() > self._deadline

    def allow_time(self) -> None:
        """Start the statement timeout anew."""
        self._deadline = time.monotonic() + self._timeout

    def read(self, query: Callable[[Connection], T]) -> T:
        """Run `query` on one snapshot."""
        self.allow_time()
        self.raw.execute("BEGIN")
        try:
            result = query(self.conn)
            self.raw.execute("COMMIT")
        except BaseException:
            self.rollback()
            raise
        return result

    def rollback(self) -> None:
        """End the transaction, whatever state it is in, and let SQLAlchemy forget its savepoints."""
        self.conn.rollback()
        if self.raw.in_transaction:
            self.raw.execute("ROLLBACK")

    def close(self) -> None:
        """Close the file."""
        self.conn.close()
