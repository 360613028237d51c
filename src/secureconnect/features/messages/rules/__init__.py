"""What members may do with messages, and what a message may hold. Pure: facts in, a decision out."""

from secureconnect.features.messages.rules.access import (
    check_member,
    no_conversation,
    no_message,
    not_open,
    shows_receipts,
)
from secureconnect.features.messages.rules.changes import (
    check_edit,
    check_may_edit,
    check_may_pin,
    check_may_react,
    check_room_for_pin,
    check_room_for_reaction,
    delete_reason,
)
from secureconnect.features.messages.rules.content import Content, MessageLimits, check_content
from secureconnect.features.messages.rules.sequences import emoji_sequence, spellings

__all__ = [
    "Content",
    "MessageLimits",
    "check_content",
    "check_edit",
    "check_may_edit",
    "check_may_pin",
    "check_may_react",
    "check_member",
    "check_room_for_pin",
    "check_room_for_reaction",
    "delete_reason",
    "emoji_sequence",
    "no_conversation",
    "no_message",
    "not_open",
    "shows_receipts",
    "spellings",
]
