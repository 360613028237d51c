"""Where each log stands whose events lie in another store, in the table `decided_heads`.

The row of a log is locked by whoever commits to it, and moved in the transaction that holds the intent to
write the events (ADR 0031). So a seq is given out exactly when what stands there is decided (invariant I2).
"""

from collections.abc import Collection, Sequence
from typing import Any, Final

import msgspec
from sqlalchemy import BigInteger, Column, Connection, String, Table, select

from secureconnect.infra.database.base import METADATA, BatchTx, ServerTx, WriteTx

__all__ = ["HeadRow", "begin", "end", "exists", "heads", "lock", "lock_all", "move", "move_all"]

heads = Table(
    "decided_heads",
    METADATA,
    Column("conversation_id", String(36), primary_key=True),
    Column("first_seq", BigInteger, nullable=False),
    Column("last_seq", BigInteger, nullable=False),
    Column("last_at", BigInteger, nullable=False),
    Column("message_count", BigInteger, nullable=False),
    Column("guard", BigInteger, nullable=False),
    Column("revision", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

_COLUMNS: Final = "first_seq, last_seq, last_at, message_count, guard, revision"
_HEAD: Final = f"SELECT {_COLUMNS} FROM decided_heads WHERE conversation_id = ?"  # noqa: S608
_LOCKED: Final = f"{_HEAD} FOR UPDATE"
_ALL_LOCKED: Final = (
    f"SELECT conversation_id, {_COLUMNS} FROM decided_heads"  # noqa: S608
    " WHERE conversation_id = ANY(CAST($1 AS VARCHAR[])) ORDER BY conversation_id FOR UPDATE"
)
_BEGIN: Final = f"INSERT INTO decided_heads (conversation_id, {_COLUMNS}) VALUES (?, 1, 0, 0, 0, 0, 0)"  # noqa: S608
_MOVE: Final = (
    "UPDATE decided_heads SET first_seq = ?, last_seq = ?, last_at = ?, message_count = ?, guard = ?,"
    " revision = ? WHERE conversation_id = ?"
)
_MOVE_ALL: Final = """
UPDATE decided_heads AS h SET last_seq = n.last_seq, last_at = n.last_at, message_count = n.message_count,
    revision = n.revision
FROM unnest(CAST($1 AS VARCHAR[]), CAST($2 AS BIGINT[]), CAST($3 AS BIGINT[]), CAST($4 AS BIGINT[]),
    CAST($5 AS BIGINT[])) AS n(conversation_id, last_seq, last_at, message_count, revision)
WHERE h.conversation_id = n.conversation_id
"""
_END: Final = "DELETE FROM decided_heads WHERE conversation_id = ?"


class HeadRow(msgspec.Struct, frozen=True, array_like=True):
    """A head. `revision` counts the commits: what they wrote elsewhere is in their order."""

    first_seq: int
    last_seq: int
    last_at: int
    message_count: int
    guard: int
    revision: int


def begin(tx: WriteTx, conversation_id: str) -> HeadRow:
    """A new log.

    Raises:
        IntegrityError: there is one.
    """
    tx.run(_BEGIN, (conversation_id,))
    return HeadRow(1, 0, 0, 0, 0, 0)


def exists(conn: Connection, conversation_id: str) -> bool:
    """Whether there is a log."""
    found = select(heads.c.revision).where(heads.c.conversation_id == conversation_id)
    return conn.execute(found).first() is not None


def lock(tx: WriteTx, conversation_id: str) -> HeadRow | None:
    """The head, which nobody else moves before this transaction has ended; None without a log."""
    if _is_embedded(tx):  # it has the whole store for itself
        rows = tx.run(_HEAD, (conversation_id,))
    else:
        _server(tx).lock_when_repeated(_LOCKED, (conversation_id,))
        rows = tx.run(_LOCKED, (conversation_id,))
    return HeadRow(*rows[0]) if rows else None


def lock_all(tx: BatchTx, conversation_ids: Collection[str]) -> dict[str, HeadRow]:
    """The same of many, in an order in which two processes never wait for each other."""
    if _is_embedded(tx):
        found = [(key, tx.run(_HEAD, (key,))) for key in conversation_ids]
        return {key: HeadRow(*rows[0]) for key, rows in found if rows}
    return {row[0]: HeadRow(*row[1:]) for row in tx.run(_ALL_LOCKED, (list(conversation_ids),))}


def move(tx: WriteTx, conversation_id: str, to: HeadRow) -> None:
    """Move a head that is locked."""
    tx.run(_MOVE, (*_values(to), conversation_id))


def move_all(tx: BatchTx, to: Sequence[tuple[str, HeadRow]]) -> None:
    """Move many that are locked, forward: neither their starts nor their guards are touched."""
    if _is_embedded(tx):
        tx.run_many(_MOVE, [(*_values(head), key) for key, head in to])
        return
    columns = zip(
        *((key, head.last_seq, head.last_at, head.message_count, head.revision) for key, head in to),
        strict=True,
    )
    tx.run(_MOVE_ALL, tuple(list(column) for column in columns))


def end(tx: WriteTx, conversation_id: str) -> None:
    """There is no log any more."""
    tx.run(_END, (conversation_id,))


def _values(head: HeadRow) -> tuple[Any, ...]:
    return msgspec.structs.astuple(head)


def _is_embedded(tx: WriteTx) -> bool:
    return tx.conn.dialect.name == "sqlite"


def _server(tx: WriteTx) -> ServerTx:
    return tx  # type: ignore[return-value]
