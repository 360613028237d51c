"""What an edit says once nothing is left of its message."""

from typing import Any

from secureconnect.kit.clock import rfc3339
from secureconnect.kit.events import MessageEdited, encode_data
from secureconnect.kit.objects import Message

__all__ = ["tombstone"]


def tombstone(
    message_id: str,
    conversation_id: str,
    seq: int,
    sender_id: str | None,
    is_encrypted: bool,
    message_type: Any,
    thread_root_id: str | None,
    sent_at: int,
) -> bytes:
    """The data of a `message_edited` event about a message that retention removed."""
    message = Message(
        message_id=message_id,
        conversation_id=conversation_id,
        seq=seq,
        sender_id=sender_id,
        sender_name="",
        content="",
        is_encrypted=bool(is_encrypted),
        message_type=message_type,
        metadata={},
        thread_root_id=thread_root_id,
        deleted_at=rfc3339(sent_at),
        delete_reason="expired",
        sent_at=rfc3339(sent_at),
    )
    return encode_data(MessageEdited(message_id=message_id, target_seq=seq, message=message))
