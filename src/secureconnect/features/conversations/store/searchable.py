"""Where a user may search."""

from collections.abc import Collection

from sqlalchemy import Connection, Select, String, bindparam, case, cast, func, select

from secureconnect.features.conversations.store.tables import conversation_participants, conversations

__all__ = ["readable", "searchable"]

_C = conversations.c
_P = conversation_participants.c

# Settings are stored as JSON without blanks.
_ENCRYPTED = '%"is_e2ee_enabled":true%'
_FROM = case((_P.cleared_seq >= _P.first_visible_seq, _P.cleared_seq + 1), else_=_P.first_visible_seq)
_PLACE = _P.conversation_id + ":" + cast(_FROM, String)
_OWN = select(_PLACE.label("place")).where(_P.user_id == bindparam("user"))


def _in_one_row(places: Select[str]) -> Select[str]:
    """A user may have thousands, and each row fetched waits for the interpreter's lock."""
    return select(func.aggregate_strings(places.subquery().c.place, ","))


_READABLE = _in_one_row(_OWN.limit(bindparam("most")))
_SEARCHABLE = _in_one_row(
    _OWN.join_from(conversation_participants, conversations, _C.conversation_id == _P.conversation_id).where(
        _P.conversation_id.in_(bindparam("ids", expanding=True)), _C.settings.not_like(_ENCRYPTED)
    )
)
_ALL = 2**31


def readable(conn: Connection, user_id: str, most: int = _ALL) -> dict[str, int]:
    """The lowest seq that the user may read in each of its conversations, of at most `most`."""
    return _seqs(conn.execute(_READABLE, {"user": user_id, "most": most}).scalar_one())


def searchable(conn: Connection, user_id: str, conversation_ids: Collection[str]) -> dict[str, int]:
    """The same of those of `conversation_ids` that are not encrypted now."""
    return _seqs(conn.execute(_SEARCHABLE, {"user": user_id, "ids": list(conversation_ids)}).scalar_one())


def _seqs(pairs: str | None) -> dict[str, int]:
    if not pairs:
        return {}
    return {key: int(seq) for key, _, seq in (pair.partition(":") for pair in pairs.split(","))}
