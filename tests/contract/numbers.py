"""A small table for the database suites, and units of work on it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy import Column, Connection, Integer, MetaData, Table, Text, insert, select

from secureconnect.infra.database.base import WriteTx

__all__ = ["Refused", "everything", "get", "numbers", "outcomes", "put", "put_fast"]

numbers = Table(
    "numbers",
    MetaData(),
    Column("name", Text, primary_key=True),
    Column("value", Integer, nullable=False),
)


def put(name: str, value: int) -> Callable[[WriteTx], None]:
    def work(tx: WriteTx) -> None:
        tx.conn.execute(insert(numbers).values(name=name, value=value))

    return work


def put_fast(name: str, value: int) -> Callable[[WriteTx], None]:
    def work(tx: WriteTx) -> None:
        tx.run("INSERT INTO numbers (name, value) VALUES (?, ?)", (name, value))

    return work


def get(name: str) -> Callable[[Connection], int | None]:
    def query(conn: Connection) -> int | None:
        return conn.execute(select(numbers.c.value).where(numbers.c.name == name)).scalar()

    return query


def everything(conn: Connection) -> dict[str, int]:
    return {row.name: row.value for row in conn.execute(select(numbers))}


class Refused(Exception):
    """A unit of work changed its mind."""


async def outcomes(*calls: Awaitable[Any]) -> list[Any]:
    return await asyncio.gather(*calls, return_exceptions=True)
