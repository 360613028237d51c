"""Forgetting old client_message_ids without an index on their age, which every send would have to maintain.

The table is walked in key order, a few thousand rows per statement, so no lock is held for long; a stretch
without old rows is only read.
"""

from sqlalchemy import ColumnElement, Connection, and_, delete, select, tuple_

from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.infra.timeline import tables

__all__ = ["purge_dedup"]

_STRETCH = 2000  # rows per step: some 2 ms of the writer

_d = tables.send_dedup.c
_key = tuple_(_d.conversation_id, _d.sender_id, _d.client_message_id)
_Key = tuple[str, str, str]


async def purge_dedup(database: Database, older_than: int) -> int:
    """Remove rows created before `older_than` (ms since the epoch); returns how many."""
    removed = 0
    after: _Key | None = ("", "", "")
    while after is not None:
        start = after
        after, old = await database.read(lambda conn, start=start: _look(conn, start, older_than))  # type: ignore[misc]
        if old:
            end = after
            removed += await database.write(
                lambda tx, start=start, end=end: _remove(tx, start, end, older_than)  # type: ignore[misc]
            )
    return removed


def _look(conn: Connection, start: _Key, older_than: int) -> tuple[_Key | None, bool]:
    """The last key of the stretch after `start` (None at the end), and whether it holds old rows."""
    keys = select(_d.conversation_id, _d.sender_id, _d.client_message_id).where(_key > start)
    row = conn.execute(
        keys.order_by(_d.conversation_id, _d.sender_id, _d.client_message_id).offset(_STRETCH - 1).limit(1)
    ).first()
    end: _Key | None = (row[0], row[1], row[2]) if row is not None else None
    found = conn.execute(keys.where(_within(start, end), _d.created_at < older_than).limit(1)).first()
    return end, found is not None


def _remove(tx: WriteTx, start: _Key, end: _Key | None, older_than: int) -> int:
    statement = delete(tables.send_dedup).where(_within(start, end), _d.created_at < older_than)
    return tx.conn.execute(statement).rowcount


def _within(start: _Key, end: _Key | None) -> ColumnElement[bool]:
    return _key > start if end is None else and_(_key > start, _key <= end)
