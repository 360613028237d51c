"""What a conversation keeps at hand."""

from typing import NamedTuple

from sqlalchemy import Connection, delete, func, insert, select, tuple_

from secureconnect.features.messages.store.tables import pins
from secureconnect.infra.database.base import WriteTx

__all__ = ["Pin", "count_pins", "list_pins", "pin", "unpin"]

_p = pins.c


class Pin(NamedTuple):
    """A pinned message, and when that happened (ms)."""

    message_id: str
    pinned_at: int


def count_pins(conn: Connection, conversation_id: str) -> int:
    """How many messages are pinned."""
    query = select(func.count()).select_from(pins).where(_p.conversation_id == conversation_id)
    return int(conn.scalar(query) or 0)


def list_pins(conn: Connection, conversation_id: str, after: Pin | None, limit: int) -> list[Pin]:
    """At most `limit` pins, the newest first, behind `after`."""
    query = select(_p.message_id, _p.pinned_at).where(_p.conversation_id == conversation_id)
    if after is not None:
        query = query.where(tuple_(_p.pinned_at, _p.message_id) < (after.pinned_at, after.message_id))
    query = query.order_by(_p.pinned_at.desc(), _p.message_id.desc()).limit(limit)
    return [Pin(row[0], row[1]) for row in conn.execute(query)]


def pin(tx: WriteTx, conversation_id: str, message_id: str, user_id: str, now: int) -> None:
    """Keep a message that is not pinned."""
    tx.conn.execute(
        insert(pins).values(
            conversation_id=conversation_id, message_id=message_id, pinned_by=user_id, pinned_at=now
        )
    )


def unpin(tx: WriteTx, conversation_id: str, message_id: str) -> None:
    """Keep it no more, if it was."""
    tx.conn.execute(delete(pins).where(_p.conversation_id == conversation_id, _p.message_id == message_id))
