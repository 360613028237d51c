"""The Database port: units of work as plain functions over one connection.

A store function takes a SQLAlchemy `Connection` and runs statements; it never commits. The adapter decides
where it runs (a thread for SQLite, a greenlet over an async driver elsewhere), in which transaction, and how
often: **units of work may be run again** after a serialization failure, so they only touch their connection.
They return plain values: a result that is still open when the transaction ends is not usable.
"""

from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, MetaData

__all__ = ["METADATA", "BatchDatabase", "BatchTx", "Database", "DatabaseRefused", "ServerTx", "WriteTx"]

T = TypeVar("T")

#: Every feature's tables register here; migrations are compared with it by a test.
METADATA = MetaData()


class DatabaseRefused(Exception):
    """The store cannot be used as it is, and nothing was changed in it.

    `hint` says what the operator can do. Both are plain English for the operator's terminal.
    """

    def __init__(self, message: str, hint: str) -> None:
        self.message = message
        self.hint = hint
        super().__init__(f"{message} {hint}")


class WriteTx(Protocol):
    """One read-write transaction."""

    @property
    def conn(self) -> Connection:
        """The connection that the transaction runs on."""

    def run(self, sql: str, params: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """Run one statement with `?` parameters straight on the driver, for the hot path.

        Raises:
            sqlalchemy.exc.IntegrityError: a constraint refused it; the transaction goes on without it.
        """

    def after_commit(self, callback: Callable[[], None]) -> None:
        """Call `callback` on the event loop once the transaction is durable.

        Callbacks of all transactions run in commit order and before the awaiting caller goes on.
        A transaction that fails or is run again forgets them.
        """

    def deliver(self, sink: Callable[[Sequence[Any]], None], item: object) -> None:
        """Like `after_commit(lambda: sink([item]))`, but neighbours with the same sink share one call.

        Neighbours are callbacks that follow each other in commit order, also across transactions.
        """


class Database(Protocol):
    """The relational store.

    Guarantees: `write` returns only after the commit is synced to disk; a unit of work that raises leaves
    nothing behind; every unit of work sees one consistent snapshot that includes all writes acknowledged
    before it started; writes are serializable.

    A caller that is cancelled learns nothing about the outcome: its work is done completely or not at all.

    Raises:
        ApiError: `DATABASE_UNAVAILABLE` when the store does not answer, is full or stays locked.
    """

    async def read(self, query: Callable[[Connection], T]) -> T:
        """Run `query` in a read-only transaction."""

    async def lookup(self, query: Callable[[Connection], T]) -> T:
        """Like `read`, for a few lookups by key: may run on the event loop, where a thread costs more."""

    async def write(self, work: Callable[[WriteTx], T], *, brief: bool = False) -> T:
        """Run `work` in a read-write transaction and commit it durably.

        `brief` promises a handful of statements by key, without DDL: like a `lookup` they may run on the
        event loop, where a thread would cost more. The commit never does.
        """

    async def ping(self) -> float:
        """Seconds that a trivial query took."""

    async def size(self) -> int:
        """Bytes that the data take in the store."""

    async def close(self) -> None:
        """Finish what was accepted, then release files and connections."""


class BatchTx(WriteTx, Protocol):
    """One transaction for what several wait for."""

    #: How many units of work this one stands for, in the metrics.
    works: int

    def run_many(self, sql: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Run one statement with `?` parameters for each of the rows, on a server in one round trip.

        Raises:
            sqlalchemy.exc.IntegrityError: a constraint refused one of them, and the others with it.
        """


class BatchDatabase(Database, Protocol):
    """A `Database` that does the work of several in one transaction."""

    async def write_locked(self, work: Callable[[BatchTx], T]) -> T:
        """Like `write`, for work that decides from nothing but rows that it has locked itself, first of all.

        What is locked is the newest state, and nobody can change it before the commit: that is as good as
        serializable, and where others hold the lock it waits for them instead of running again.
        """


class ServerTx(BatchTx, Protocol):
    """A transaction on a server, where each statement is a round trip."""

    def lock_when_repeated(self, sql: str, params: tuple[Any, ...]) -> None:
        """Run this locking statement first of all should the transaction have to run again.

        A row that others write all the time changes between the start of a longer transaction and its write
        to it, each time; when the lock comes first, there is nothing in between.
        """
