"""The one place that says who is in: existence first, then membership
(docs/reference/conventions.md §3.7).
"""

from sqlalchemy import Connection

from secureconnect.features.conversations import rules, store
from secureconnect.features.conversations.store import Seat

__all__ = ["other_seat_in", "seat_in"]


def seat_in(conn: Connection, conversation_id: str, user_id: str) -> Seat:
    """The caller's place in a conversation.

    Raises:
        ApiError: `NOT_FOUND` for an unknown or deleted conversation, `FORBIDDEN` for a stranger.
    """
    record, seat = store.find_seat(conn, conversation_id, user_id)
    if record is None:
        raise rules.not_found()
    if seat is None:
        raise rules.not_a_member()
    return seat


def other_seat_in(conn: Connection, conversation_id: str, user_id: str) -> Seat:
    """The place of a member that the caller, who is one, names.

    Raises:
        ApiError: `NOT_FOUND` unless there is such a member.
    """
    _, seat = store.find_seat(conn, conversation_id, user_id)
    if seat is None:
        raise rules.not_found("member")
    return seat
