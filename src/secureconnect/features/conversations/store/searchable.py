"""Where a user may search."""

from collections.abc import Collection

from sqlalchemy import Connection, String, case, cast, func, select

from secureconnect.features.conversations.store.tables import conversation_participants, conversations

__all__ = ["searchable"]

_C = conversations.c
_P = conversation_participants.c

# Settings are stored as JSON without blanks.
_ENCRYPTED = '%"is_e2ee_enabled":true%'
_FROM = case((_P.cleared_seq >= _P.first_visible_seq, _P.cleared_seq + 1), else_=_P.first_visible_seq)
# One row for all of them: a user may have thousands, and each row fetched waits for the interpreter's lock.
_SEARCHABLE = (
    select(func.aggregate_strings(_P.conversation_id + ":" + cast(_FROM, String), ","))
    .join_from(conversation_participants, conversations, _C.conversation_id == _P.conversation_id)
    .where(_C.settings.not_like(_ENCRYPTED))
)


def searchable(
    conn: Connection, user_id: str, conversation_ids: Collection[str] | None = None
) -> dict[str, int]:
    """The lowest seq that the user may read, by conversation: all of its own that are not encrypted now, or
    those of them that are given."""
    query = _SEARCHABLE.where(_P.user_id == user_id)
    if conversation_ids is not None:
        query = query.where(_P.conversation_id.in_(conversation_ids))
    pairs = (pair.partition(":") for pair in (conn.execute(query).scalar_one() or "").split(",") if pair)
    return {conversation_id: int(seq) for conversation_id, _, seq in pairs}
