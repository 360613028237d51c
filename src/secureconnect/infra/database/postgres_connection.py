"""One connection to a PostgreSQL or CockroachDB server: how it is opened, and statements on it.

SQLAlchemy runs in AUTOCOMMIT mode on it, so that BEGIN and COMMIT are ours alone, each one round trip.
Whatever talks to the server runs in a greenlet (`greenlet_spawn`), where waiting looks like calling.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, NoReturn

import asyncpg
from sqlalchemy import Boolean, Column, Connection, Engine, event
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.dialects.postgresql.base import PGDDLCompiler
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool
from sqlalchemy.util import await_only

from secureconnect.infra.database.metrics import DatabaseMetrics, observe_statements
from secureconnect.infra.database.postgres_errors import integrity, kind_of, scrub
from secureconnect.infra.database.postgres_parameters import numbered
from secureconnect.infra.database.postgres_text import stored_text, text_of
from secureconnect.infra.database.postgres_url import ServerUrl

__all__ = ["Link", "Opener", "Several"]

_STATEMENTS = 512
_DIALECT = "secureconnect+asyncpg"
_LINK = "secureconnect_link"
_WRITES = ("INSERT", "UPDATE", "DELETE")

# Seconds between two statements of a transaction: a process that stands still (stopped, swapped out, cut off)
# would keep what it locked from all others.
_LONGEST_PAUSE = 5.0
# `jit` costs small statements more than it saves. `enable_seqscan`: a scan of a whole table, which planners
# prefer while it is small, makes a serializable transaction depend on all of it, and fail for changes that
# have nothing to do with it.
_POSTGRES = {"jit": "off", "enable_seqscan": "off"}


class _DDL(PGDDLCompiler):
    """Migrations say 0 where a boolean is false by default, as SQLite has it."""

    def get_column_default_string(self, column: Column[Any]) -> str | None:
        default: str | None = super().get_column_default_string(column)
        return "false" if default == "0" and isinstance(column.type, Boolean) else default


class _Dialect(PGDialect_asyncpg):
    """Both servers as one dialect: CockroachDB does not call itself a PostgreSQL of a version."""

    supports_statement_cache = True
    ddl_compiler = _DDL

    def _get_server_version_info(self, connection: Connection) -> tuple[int, ...]:  # noqa: ARG002
        return (14, 0)  # the oldest that is supported; nothing is generated that a newer one refuses


registry.register("secureconnect.asyncpg", __name__, _Dialect.__name__)


class Opener:
    """Opens connections that share one cache of compiled statements.

    Args:
        statement_timeout: seconds that the server lets one statement run.
        connect_timeout: seconds for a new connection.
    """

    def __init__(
        self,
        url: ServerUrl,
        metrics: DatabaseMetrics | None,
        *,
        statement_timeout: float,
        connect_timeout: float,
    ) -> None:
        self._url = url
        self._settings = {
            "application_name": "secureconnect",
            "statement_timeout": str(int(statement_timeout * 1000)),
            "idle_in_transaction_session_timeout": str(int(min(statement_timeout, _LONGEST_PAUSE) * 1000)),
            **({} if url.cockroach else _POSTGRES),
        }
        self._timeout = connect_timeout
        # What a task has of a connection that is not ready yet, to end it when it never will be.
        self._opening: dict[asyncio.Task[Any] | None, Any] = {}
        self._engine = self._make_engine(metrics)

    async def open(self) -> "Link":
        """Connect.

        Raises:
            OSError, TimeoutError, asyncpg.PostgresError: the server cannot be reached or refuses.
        """
        task = asyncio.current_task()
        try:
            async with asyncio.timeout(self._timeout):
                connection = await self._engine.connect()
        except BaseException:
            if (half_open := self._opening.get(task)) is not None:
                half_open.terminate()
            raise
        finally:
            self._opening.pop(task, None)
        return Link(connection)

    async def close(self) -> None:
        """Release what connections share."""
        await self._engine.dispose()

    async def _connect(self) -> "asyncpg.Connection[asyncpg.Record]":
        connection = await asyncpg.connect(
            self._url.dsn,
            server_settings=self._settings,
            statement_cache_size=_STATEMENTS,
            max_cached_statement_lifetime=0,
            timeout=self._timeout,
        )
        self._opening[asyncio.current_task()] = connection
        for kind in ("text", "varchar"):
            await connection.set_type_codec(
                kind, schema="pg_catalog", encoder=stored_text, decoder=text_of, format="text"
            )
        return connection

    def _make_engine(self, metrics: DatabaseMetrics | None) -> AsyncEngine:
        def open_driver() -> Any:
            return engine.dialect.dbapi.connect(  # type: ignore[union-attr]
                async_creator_fn=self._connect, prepared_statement_cache_size=_STATEMENTS
            )

        engine = create_async_engine(
            f"{_DIALECT}://",
            creator=open_driver,
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",
            # Errors end in logs, and parameters are texts, hashes and addresses.
            hide_parameters=True,
        )
        _watch(engine.sync_engine)
        if metrics is not None:
            observe_statements(engine.sync_engine, metrics, kind_of)
        return engine


def _given(value: Any) -> Any:
    """The texts of an array as a server stores them: codecs of a connection are not asked about them."""
    if type(value) is not list:
        return value
    return [stored_text(each) if type(each) is str else each for each in value]


class Several(Exception):
    """A unit of work that was to be one query is more: it needs a transaction."""


class Link:
    """A connection for one transaction at a time. Its methods but `terminate` run in a greenlet.

    `refused`: a constraint refused a statement of this transaction, in which nothing else can run since.
    `careful`: every statement that changes something runs in a savepoint, so that such a refusal ends nothing
    else. That costs two round trips each, so a transaction is only repeated like this when it has to be.
    `queries`: how many may still run without a transaction; None within one.
    """

    __slots__ = ("careful", "conn", "idle_since", "queries", "raw", "refused")

    def __init__(self, connection: AsyncConnection) -> None:
        conn = connection.sync_connection
        assert conn is not None
        self.conn: Connection = conn
        self.raw: Any = conn.connection.driver_connection
        conn.detach()  # from SQLAlchemy's pool: it is ours until the end, however it ends
        self.refused = False
        self.careful = False
        self.queries: int | None = None
        self.idle_since = 0.0
        conn.info[_LINK] = self

    @property
    def closed(self) -> bool:
        """True when it cannot be used any more."""
        return bool(self.raw.is_closed())

    def begin(self, mode: str, *, careful: bool = False) -> None:
        """Start a transaction with this statement."""
        self.refused, self.careful, self.queries = False, careful, None
        await_only(self.raw.execute(mode))

    def begin_query(self) -> None:
        """Let one query run on its own, which sees a snapshot as a transaction does. Whatever else is asked
        for before `begin` raises `Several`.
        """
        self.refused, self.careful, self.queries = False, False, 1

    def commit(self) -> bool:
        """Commit durably; False when the server has rolled back instead."""
        return bool(await_only(self.raw.execute("COMMIT")) == "COMMIT")

    def rollback(self) -> None:
        """End the transaction, whatever state it is in, and let SQLAlchemy forget its savepoints."""
        self.conn.rollback()
        await_only(self.raw.execute("ROLLBACK"))

    def run(self, sql: str, params: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """Run one statement with `?` parameters.

        Raises:
            IntegrityError: a constraint refused it.
            asyncpg.PostgresError: anything else.
        """
        if self.careful:
            self.set_mark()
        text, places = numbered(sql)
        given = [_given(params[place]) for place in places] if places is not None else map(_given, params)
        try:
            rows = await_only(self.raw.fetch(text, *given))
        except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            self._raise(error, sql, params)
        if self.careful:
            self.drop_mark()
        return [tuple(row) for row in rows]

    def run_many(self, sql: str, rows: Sequence[tuple[Any, ...]]) -> None:
        """Run one statement with `?` parameters for each of the rows, in one round trip.

        Raises:
            IntegrityError: a constraint refused one of them.
            asyncpg.PostgresError: anything else.
        """
        if self.careful:
            self.set_mark()
        text, places = numbered(sql)
        given = rows if places is None else [[row[place] for place in places] for row in rows]
        try:
            await_only(self.raw.executemany(text, given))
        except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            self._raise(error, sql, ())
        if self.careful:
            self.drop_mark()

    def _raise(self, error: Exception, sql: str, params: tuple[Any, ...]) -> NoReturn:
        scrub(error)
        if isinstance(error, asyncpg.IntegrityConstraintViolationError):
            self.refuse()
            raise integrity(sql, params, error) from error
        raise error

    def set_mark(self) -> None:
        """Before a statement of a careful transaction."""
        await_only(self.raw.execute("SAVEPOINT careful"))

    def drop_mark(self) -> None:
        """After it."""
        await_only(self.raw.execute("RELEASE SAVEPOINT careful"))

    def refuse(self) -> None:
        """A constraint refused a statement."""
        if self.careful:
            await_only(self.raw.execute("ROLLBACK TO SAVEPOINT careful"))
            self.drop_mark()
        else:
            self.refused = True

    def terminate(self) -> None:
        """Drop the connection without a word to the server. Callable anywhere."""
        self.raw.terminate()

    async def close(self) -> None:
        """Say good-bye and close."""
        await self.raw.close(timeout=2)


def _watch(engine: Engine) -> None:
    """What `Link` does for its own statements, for those of SQLAlchemy."""

    def started(conn: Connection, _cursor: Any, sql: str, _params: Any, _context: Any, _many: bool) -> None:
        link: Link | None = conn.info.get(_LINK)
        if link is None:
            return
        if link.queries is not None:
            if not link.queries or not sql.startswith("SELECT"):
                raise Several
            link.queries -= 1
        elif link.careful and sql.startswith(_WRITES):
            link.set_mark()

    def ended(conn: Connection, _cursor: Any, sql: str, _params: Any, _context: Any, _many: bool) -> None:
        link: Link | None = conn.info.get(_LINK)
        if link is not None and link.careful and sql.startswith(_WRITES):
            link.drop_mark()

    def failed(context: ExceptionContext) -> None:
        error = context.original_exception
        cause = error.__cause__
        if cause is not None:
            scrub(cause)
            if isinstance(cause, asyncpg.DataError):
                error.args = cause.args
        link = context.connection.info.get(_LINK) if context.connection is not None else None
        if link is not None and isinstance(cause, asyncpg.IntegrityConstraintViolationError):
            link.refuse()

    event.listen(engine, "before_cursor_execute", started)
    event.listen(engine, "after_cursor_execute", ended)
    event.listen(engine, "handle_error", failed)
