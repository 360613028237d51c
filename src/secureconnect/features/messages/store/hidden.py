"""What users deleted for themselves."""

from collections.abc import Collection

from sqlalchemy import Connection, select

from secureconnect.features.messages.store.tables import hidden_messages

__all__ = ["hidden_among"]

_CHUNK = 200

_h = hidden_messages.c


def hidden_among(conn: Connection, user_id: str, message_ids: Collection[str]) -> set[str]:
    """Those of `message_ids` that the user deleted for itself."""
    if not message_ids:
        return set()
    ids = list(message_ids)
    return {
        message_id
        for start in range(0, len(ids), _CHUNK)
        for message_id in conn.scalars(
            select(_h.message_id).where(_h.user_id == user_id, _h.message_id.in_(ids[start : start + _CHUNK]))
        )
    }
