"""Statements that ride in the transaction of a message's append. `?1` is the seq of the message."""

from secureconnect.infra.timeline.base import Statement

__all__ = ["move_marks", "touch_conversation", "wake_members"]

# The new seq is above every mark there is (invariant I11), so nothing needs comparing.
_MOVE_MARKS = (
    "UPDATE conversation_participants SET last_read_seq = ?1, last_delivered_seq = ?1, last_read_at = ?2"
    " WHERE conversation_id = ?3 AND user_id = ?4"
)
_TOUCH = "UPDATE conversations SET updated_at = ?2 WHERE conversation_id = ?3"
_WAKE = (
    "UPDATE conversation_participants SET hidden = FALSE,"
    " archived = archived AND muted_until IS NOT NULL AND muted_until > ?2"
    " WHERE conversation_id = ?3 AND (hidden OR archived)"
)


def move_marks(conversation_id: str, sender_id: str, sent_at: int) -> Statement:
    """The sender has read and received its own message."""
    return Statement(_MOVE_MARKS, (sent_at, conversation_id, sender_id))


def touch_conversation(conversation_id: str, sent_at: int) -> Statement:
    """The message is the last event."""
    return Statement(_TOUCH, (sent_at, conversation_id))


def wake_members(conversation_id: str, sent_at: int) -> Statement:
    """The conversation comes back for those who hid it, or archived it and hear of it."""
    return Statement(_WAKE, (sent_at, conversation_id))
