"""What users deleted for themselves."""

from collections.abc import Collection

from sqlalchemy import Connection, bindparam, insert, select

from secureconnect.features.messages.store.tables import hidden_messages
from secureconnect.infra.database.base import WriteTx

__all__ = ["hidden_among", "hide"]

_CHUNK = 200

_h = hidden_messages.c

_HIDDEN = select(_h.message_id, _h.hidden_at).where(
    _h.user_id == bindparam("user_id"), _h.message_id.in_(bindparam("ids", expanding=True))
)
# Ids of messages begin with the time: a page is a stretch of them, in which most users hid nothing.
_STRETCH = (
    select(_h.message_id, _h.hidden_at)
    .where(
        _h.user_id == bindparam("user_id"),
        _h.message_id >= bindparam("first"),
        _h.message_id <= bindparam("last"),
    )
    .limit(_CHUNK)
)


def hidden_among(conn: Connection, user_id: str, message_ids: Collection[str]) -> dict[str, int]:
    """Those of `message_ids` that the user deleted for itself, and when (ms)."""
    ids = list(message_ids)
    if not ids:
        return {}
    near = conn.execute(_STRETCH, {"user_id": user_id, "first": min(ids), "last": max(ids)}).all()
    if len(near) < _CHUNK:
        wanted = set(ids)
        return {row[0]: row[1] for row in near if row[0] in wanted}
    found: dict[str, int] = {}
    for start in range(0, len(ids), _CHUNK):
        rows = conn.execute(_HIDDEN, {"user_id": user_id, "ids": ids[start : start + _CHUNK]})
        found |= {row[0]: row[1] for row in rows}
    return found


def hide(tx: WriteTx, user_id: str, conversation_id: str, message_id: str, now: int) -> int:
    """Delete a message for one user; returns when that was (ms), which may be earlier."""
    earlier = hidden_among(tx.conn, user_id, [message_id]).get(message_id)
    if earlier is not None:
        return earlier
    tx.conn.execute(
        insert(hidden_messages).values(
            user_id=user_id, message_id=message_id, conversation_id=conversation_id, hidden_at=now
        )
    )
    return now
