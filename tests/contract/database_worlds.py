"""The relational stores that the suites run on: each test gets an empty one with the product's tables."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from threading import Thread
from typing import TypeVar

from secureconnect.infra.database.base import BatchDatabase, Database
from secureconnect.infra.database.postgres import PostgresDatabase
from secureconnect.infra.database.postgres_url import read_url
from secureconnect.infra.database.sqlite import open_sqlite
from secureconnect.migrations import runner
from stack.postgres import Postgres

__all__ = ["DATABASES", "OpenDatabase", "Place", "StartServer", "migrated_copy"]

D = TypeVar("D", bound=Database)

StartServer = Callable[[], Postgres]
OpenDatabase = Callable[[], Awaitable[BatchDatabase]]
#: Gives a place for one database: what it holds is there again when it is opened again.
Place = Callable[[Path, StartServer], AbstractContextManager[OpenDatabase]]


async def _upgraded(database: D) -> D:
    await database.write(lambda tx: runner.upgrade(tx.conn))
    return database


@contextlib.contextmanager
def _sqlite(directory: Path, _: StartServer) -> Iterator[OpenDatabase]:
    yield lambda: _upgraded(open_sqlite(directory / "secureconnect.db"))


def migrated_copy(server: Postgres) -> str:
    """The URL of a new database with the product's tables."""

    async def migrate(url: str) -> None:
        await (await _upgraded(PostgresDatabase(read_url(url)))).close()

    def fill(url: str) -> None:
        thread = Thread(target=asyncio.run, args=(migrate(url),))  # a loop may run in this one
        thread.start()
        thread.join()

    return server.copy_of("migrated", fill)


@contextlib.contextmanager
def _postgres(_: Path, start: StartServer) -> Iterator[OpenDatabase]:
    url = migrated_copy(start())

    async def open_database() -> BatchDatabase:
        return PostgresDatabase(read_url(url), pool_min=0, acquire_timeout=30, statement_timeout=60)

    yield open_database
    start().drop_database(url)


DATABASES: dict[str, Place] = {"postgres": _postgres, "sqlite": _sqlite}
