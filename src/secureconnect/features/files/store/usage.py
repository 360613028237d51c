"""How much of the store each user takes."""

from collections.abc import Collection
from typing import NamedTuple

from sqlalchemy import Connection, delete, func, insert, select, update

from secureconnect.features.files.store.tables import storage_usage
from secureconnect.infra.database.base import WriteTx

__all__ = ["NOTHING", "Sums", "add", "completed_bytes", "forget_user", "sums", "sums_of"]

_U = storage_usage.c


class Sums(NamedTuple):
    """Bytes of completed files, bytes and number of running uploads."""

    completed: int
    pending: int
    pending_count: int


NOTHING = Sums(0, 0, 0)


def sums(conn: Connection, user_id: str) -> Sums:
    """What one user takes."""
    return sums_of(conn, [user_id]).get(user_id, NOTHING)


def sums_of(conn: Connection, user_ids: Collection[str]) -> dict[str, Sums]:
    """What each of `user_ids` takes; those who never uploaded are left out."""
    query = select(_U.user_id, _U.completed_bytes, _U.pending_bytes, _U.pending_count)
    rows = conn.execute(query.where(_U.user_id.in_(user_ids)))
    return {row[0]: Sums(row[1], row[2], row[3]) for row in rows}


def add(tx: WriteTx, user_id: str, *, completed: int = 0, pending: int = 0, pending_count: int = 0) -> None:
    """Change the sums, in the transaction that changes the file."""
    changed = tx.conn.execute(
        update(storage_usage)
        .where(_U.user_id == user_id)
        .values(
            completed_bytes=_U.completed_bytes + completed,
            pending_bytes=_U.pending_bytes + pending,
            pending_count=_U.pending_count + pending_count,
        )
    )
    if changed.rowcount == 0:
        tx.conn.execute(
            insert(storage_usage).values(
                user_id=user_id,
                completed_bytes=completed,
                pending_bytes=pending,
                pending_count=pending_count,
            )
        )


def completed_bytes(conn: Connection) -> int:
    """The bytes of all completed files."""
    return int(conn.execute(select(func.sum(_U.completed_bytes))).scalar_one() or 0)


def forget_user(tx: WriteTx, user_id: str) -> None:
    """Nothing of this user's is stored any more."""
    tx.conn.execute(delete(storage_usage).where(_U.user_id == user_id))
