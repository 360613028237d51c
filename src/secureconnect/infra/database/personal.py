"""Whole rows that belong to one person: read page by page, removed batch by batch.

What most features keep about somebody is just that; `PersonalRows` is all they need for exports and erasure
(docs/reference/data.md §7).
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct
from sqlalchemy import ColumnElement, Connection, Table, delete, select, tuple_

from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.kit.clock import rfc3339

__all__ = ["BATCH", "Page", "PersonalRows", "PersonalTable", "delete_some", "pages", "readable"]

#: Rows per transaction.
BATCH: Final = 1000

#: A file of the export, and more rows of it.
Page = tuple[str, Sequence[Mapping[str, Any]]]

_TIMES = ("_at", "_until", "timestamp")


class PersonalTable(Struct, frozen=True):
    """Rows of `table` that belong to a person.

    Args:
        where: which rows, given the id of a user.
        file: the file of the export; None for what says nothing to a person.
        shown: the columns that the export shows; times become text.
        json: those of them that hold JSON.
        erased: whether erasure removes the rows; else they are only read.
    """

    table: Table
    where: Callable[[str], ColumnElement[bool]]
    file: str | None = None
    shown: Sequence[str] = ()
    json: Sequence[str] = ()
    erased: bool = True


class PersonalRows:
    """Implements `privacy.api.Belongings` for rows of tables; removed in the order of the tables."""

    def __init__(self, database: Database, name: str, *tables: PersonalTable) -> None:
        self.name = name
        self.tables = frozenset(each.table.name for each in tables)
        self._database = database
        self._tables = tables

    async def exported(self, user_id: str) -> AsyncIterator[Page]:
        """See `Belongings.exported`."""
        for each in self._tables:
            if each.file is not None:
                async for rows in pages(self._database, each.table, each.where(user_id)):
                    yield each.file, [readable(row, each.shown, each.json) for row in rows]

    async def erased(self, user_id: str) -> AsyncIterator[int]:
        """See `Belongings.erased`."""
        for each in self._tables:
            removed = BATCH if each.erased else 0
            while removed == BATCH:
                removed = await self._database.write(lambda tx, each=each: self._remove(tx, each, user_id))  # type: ignore[misc]
                yield removed

    @staticmethod
    def _remove(tx: WriteTx, each: PersonalTable, user_id: str) -> int:
        return delete_some(tx, each.table, each.where(user_id))


def delete_some(tx: WriteTx, table: Table, where: ColumnElement[bool], limit: int = BATCH) -> int:
    """Remove at most `limit` rows; returns how many."""
    key = list(table.primary_key.columns)
    some = select(*key).where(where).limit(limit)
    wanted = key[0].in_(some) if len(key) == 1 else tuple_(*key).in_(some)
    return tx.conn.execute(delete(table).where(wanted)).rowcount


async def pages(
    database: Database, table: Table, where: ColumnElement[bool], size: int = BATCH
) -> AsyncIterator[list[Mapping[str, Any]]]:
    """All such rows in the order of the primary key, a page at a time, each of a snapshot of its own."""
    key = list(table.primary_key.columns)
    after: tuple[Any, ...] | None = None

    def read(conn: Connection) -> list[Mapping[str, Any]]:
        query = select(table).where(where).order_by(*key).limit(size)
        if after is not None:
            query = query.where(key[0] > after[0] if len(key) == 1 else tuple_(*key) > after)
        return [dict(row) for row in conn.execute(query).mappings()]

    while True:
        rows = await database.read(read)
        if rows:
            yield rows
        if len(rows) < size:
            return
        after = tuple(rows[-1][column.name] for column in key)


def readable(row: Mapping[str, Any], shown: Sequence[str], json: Sequence[str] = ()) -> dict[str, Any]:
    """These columns of a row as a person reads them."""
    return {name: _value(name, row[name], decode=name in json) for name in shown}


def _value(name: str, value: Any, *, decode: bool) -> Any:
    if value is None:
        return None
    if decode:
        return msgspec.json.decode(value)
    return rfc3339(value) if name.endswith(_TIMES) and isinstance(value, int) else value
