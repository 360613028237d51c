"""Tables as pages of rows, out of one store and into another."""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, Table, bindparam, column, delete, insert, select, table, tuple_

from secureconnect.infra.archive.reader import PartReader
from secureconnect.infra.database.base import METADATA

__all__ = ["empty_tables", "insert_pages", "kept_tables", "pages"]

_ROWS = 1000
#: The index beside the truth, which a server makes again.
_INDEX = ("search_documents", "search_conversations", "search_progress")
#: What says which process does what now.
_PASSING = frozenset({"leases", "call_processes"})


def kept_tables() -> list[Table]:
    """What a backup holds, every table after those that it refers to."""
    import secureconnect.app.product  # noqa: F401 - with it every table is declared

    return [each for each in METADATA.sorted_tables if each.name not in _PASSING]


def empty_tables(conn: Connection) -> None:
    """Remove every row, of what is not kept too."""
    import secureconnect.app.product  # noqa: F401

    for name in _INDEX:
        if conn.dialect.has_table(conn, name):
            conn.execute(delete(table(name)))
    for each in reversed(METADATA.sorted_tables):
        if conn.dialect.has_table(conn, each.name):
            conn.execute(delete(each))


def pages(conn: Connection, source: Table) -> Iterator[list[tuple[Any, ...]]]:
    """All rows in the order of the primary key; one page in memory."""
    keys = list(source.primary_key.columns)
    places = [list(source.columns).index(key) for key in keys]
    first = select(source).order_by(*keys).limit(_ROWS)
    names = [f"after_{key.name}" for key in keys]
    marks = [bindparam(name, type_=key.type) for name, key in zip(names, keys, strict=True)]
    following = first.where(
        tuple_(*keys) > tuple_(*marks) if len(keys) > 1 else keys[0] > marks[0],
    )
    rows = [tuple(row) for row in conn.execute(first)]
    while rows:
        yield rows
        if len(rows) < _ROWS:
            return
        last = rows[-1]
        after = {name: last[place] for name, place in zip(names, places, strict=True)}
        rows = [tuple(row) for row in conn.execute(following, after)]


def insert_pages(conn: Connection, part: PartReader) -> int:
    """Write a table's rows into a store of the schema that they were read from; returns how many."""
    name, columns = part.begin.name, part.begin.columns
    count = 0
    if conn.dialect.name == "sqlite":
        quoted = ", ".join(f'"{each}"' for each in columns)
        sql = f'INSERT INTO "{name}" ({quoted}) VALUES ({", ".join("?" * len(columns))})'  # noqa: S608
        for page in part.pages():
            conn.exec_driver_sql(sql, [tuple(row) for row in page])
            count += len(page)
        return count
    target = _typed(name, columns)
    for page in part.pages():
        conn.execute(insert(target), [dict(zip(columns, row, strict=True)) for row in page])
        count += len(page)
    return count


def _typed(name: str, columns: Sequence[str]) -> Any:
    """The table with the types that this program knows; a column that is gone since has none."""
    known = METADATA.tables.get(name)
    if known is None:
        return table(name, *map(column, columns))
    typed = (
        column(each, known.columns[each].type) if each in known.columns else column(each) for each in columns
    )
    return table(name, *typed)
