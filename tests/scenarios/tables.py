"""The tables of a server, read and changed behind its back."""

import asyncio
import itertools
import re
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import asyncpg

__all__ = ["PostgresTables", "SqliteTables", "Tables"]

Result = TypeVar("Result")
_PATIENCE = 20


class Tables(ABC):
    """A relational store. In statements `?` stands for the next parameter."""

    @abstractmethod
    def records(self, *statements: str) -> list[list[dict[str, Any]]]:
        """The rows of each query, all of one snapshot."""

    @abstractmethod
    def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """The rows of a query."""

    @abstractmethod
    def change(self, statement: str, *parameters: Any) -> int:
        """Run a statement and commit it; returns the number of rows that it touched."""

    @abstractmethod
    def names(self) -> list[str]:
        """Of all tables."""

    @abstractmethod
    def damage(self) -> str | None:
        """What the engine itself finds wrong."""

    def dump(self) -> bytes:
        """The name and every value of every table."""
        parts: list[bytes] = []
        for name in self.names():
            parts.append(name.encode())
            parts += [value for row in self.rows(f'SELECT * FROM "{name}"') for value in map(_bytes, row)]
        return b"\x00".join(parts)


class SqliteTables(Tables):
    """Those of a file, whose server may be running."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def records(self, *statements: str) -> list[list[dict[str, Any]]]:
        with closing(sqlite3.connect(self._path, timeout=30)) as raw:
            raw.row_factory = sqlite3.Row
            raw.execute("BEGIN")
            return [[dict(row) for row in raw.execute(statement)] for statement in statements]

    def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self._path, timeout=_PATIENCE)) as raw:
            raw.text_factory = lambda text: text.decode(errors="replace")  # an index holds halves of letters
            return raw.execute(query, parameters).fetchall()

    def change(self, statement: str, *parameters: Any) -> int:
        with closing(sqlite3.connect(self._path, timeout=_PATIENCE)) as raw, raw:
            return raw.execute(statement, parameters).rowcount

    def names(self) -> list[str]:
        return [name for (name,) in self.rows("SELECT name FROM sqlite_master WHERE type = 'table'")]

    def damage(self) -> str | None:
        found = self.rows("PRAGMA integrity_check")
        return None if found == [("ok",)] else str(found)

    def dump(self) -> bytes:
        """The values, and the bytes of its files, where what was deleted may still be."""
        files = self._path.parent.glob(f"{self._path.name}*")
        return b"\x00".join([super().dump(), *(path.read_bytes() for path in files)])


class PostgresTables(Tables):
    """Those of one database of a PostgreSQL server."""

    def __init__(self, url: str) -> None:
        self._url = url

    def records(self, *statements: str) -> list[list[dict[str, Any]]]:
        async def work(connection: asyncpg.Connection) -> list[list[dict[str, Any]]]:
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                return [[dict(row) for row in await connection.fetch(one)] for one in statements]

        return self._do(work)

    def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        async def work(connection: asyncpg.Connection) -> list[tuple[Any, ...]]:
            return [tuple(row) for row in await connection.fetch(_numbered(query), *parameters)]

        return self._do(work)

    def change(self, statement: str, *parameters: Any) -> int:
        async def work(connection: asyncpg.Connection) -> int:
            status: str = await connection.execute(_numbered(statement), *parameters)
            return int(status.rpartition(" ")[2])

        return self._do(work)

    def names(self) -> list[str]:
        query = "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() ORDER BY 1"
        return [name for (name,) in self.rows(query)]

    def damage(self) -> str | None:
        return None  # pages have checksums, which the reading of every table has compared

    def _do(self, work: Callable[[Any], Awaitable[Result]]) -> Result:
        """On a loop of its own: the caller's is running."""

        async def connected() -> Result:
            connection = await asyncpg.connect(self._url, timeout=_PATIENCE)
            try:
                return await work(connection)
            finally:
                await connection.close()

        with ThreadPoolExecutor(1) as thread:
            return thread.submit(asyncio.run, connected()).result()


def _numbered(statement: str) -> str:
    """PostgreSQL counts its parameters."""
    count = itertools.count(1)
    return re.sub(r"\?", lambda _: f"${next(count)}", statement)


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()
