"""Who may see what (docs/reference/rules.md §4, §5)."""

from typing import Final

from secureconnect.features.conversations.api import Facts
from secureconnect.kit.errors import ApiError, ErrorCode

__all__ = ["RECEIPT_MEMBERS", "check_member", "no_conversation", "no_message", "not_open", "shows_receipts"]

#: Conversations with more members have no receipts (docs/reference/realtime.md §5).
RECEIPT_MEMBERS: Final = 100


def check_member(facts: Facts | None, user_id: str) -> Facts:
    """The facts of a conversation that `user_id` takes part in.

    Raises:
        ApiError: `NOT_FOUND` or `FORBIDDEN`.
    """
    if facts is None:
        raise no_conversation()
    if user_id not in facts.members:
        raise ApiError(ErrorCode.FORBIDDEN, "Not a member of this conversation.")
    return facts


def no_conversation() -> ApiError:
    """The refusal for a conversation that is not there."""
    return ApiError(ErrorCode.NOT_FOUND, "There is no such conversation.")


def no_message() -> ApiError:
    """The refusal for a message that is not there."""
    return ApiError(ErrorCode.NOT_FOUND, "There is no such message.")


def not_open() -> ApiError:
    """The refusal for a message from before the caller's time."""
    return ApiError(ErrorCode.FORBIDDEN, "This message is not open to you.")


def shows_receipts(facts: Facts, *, send_read_receipts: bool) -> bool:
    """Whether members of this conversation see how far a user with this privacy setting has read."""
    return send_read_receipts and not facts.blocked and len(facts.members) <= RECEIPT_MEMBERS
