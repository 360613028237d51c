"""Who may change a message, and how far (docs/reference/rules.md §4, §5).

Across a block in a direct conversation nothing new is said: no edit, no reaction, no pin. What takes
something of one's own back stays possible.
"""

from collections.abc import Sequence
from typing import Final, Protocol

from secureconnect.features.conversations.api import Facts
from secureconnect.features.messages.api import DeleteReason, refusal
from secureconnect.features.messages.rules.access import no_message
from secureconnect.features.messages.rules.content import MessageLimits
from secureconnect.kit.errors import ApiError, Detail, ErrorCode

__all__ = [
    "Reacted",
    "Said",
    "check_edit",
    "check_may_edit",
    "check_may_pin",
    "check_may_react",
    "check_room_for_pin",
    "check_room_for_reaction",
    "delete_reason",
]

_REACTIONS_OF_ONE: Final = 20
_DIFFERENT_REACTIONS: Final = 50


class Said(Protocol):
    """What decides about changes of a message. Times in milliseconds since the epoch."""

    @property
    def sender_id(self) -> str | None:
        """Who said it; None for a webhook."""

    @property
    def message_type(self) -> str:
        """`poll` or another type."""

    @property
    def is_encrypted(self) -> bool:
        """Whether its content is opaque."""

    @property
    def sent_at(self) -> int:
        """When it was said."""

    @property
    def edit_count(self) -> int:
        """How often it was edited."""

    @property
    def deleted_at(self) -> int | None:
        """When it was deleted for everyone."""


class Reacted(Protocol):
    """One emoji on a message; `mine` when the member in question used it."""

    @property
    def emoji(self) -> str:
        """The sequence."""

    @property
    def mine(self) -> bool:
        """Whether it is the member's too."""


def check_may_edit(facts: Facts, message: Said, user_id: str, now: int, limits: MessageLimits) -> None:
    """Raises ApiError unless the member may say something else in this message: `NOT_FOUND`, `FORBIDDEN`,
    `EDIT_WINDOW_EXPIRED`. Whoever may not post may not edit either."""
    if message.deleted_at is not None:
        raise no_message()
    if message.sender_id != user_id:
        raise ApiError(ErrorCode.FORBIDDEN, "Only its sender may edit a message.")
    refused = refusal(facts, user_id, is_encrypted=True)
    if refused is not None:
        raise refused
    if _over(message, now, limits.edit_window):
        raise ApiError(ErrorCode.EDIT_WINDOW_EXPIRED, "The message is too old to be edited.")


def check_edit(
    facts: Facts,
    message: Said,
    limits: MessageLimits,
    *,
    base_edit_count: int | None,
    has_envelope: bool,
    files_encrypted: bool,
) -> None:
    """Raises ApiError unless this edit fits the message as it is: `CONFLICT`, `E2EE_REQUIRED`,
    `LIMIT_REACHED`.

    `has_envelope`: the edit brings an `e2ee` object; without one its content counts as plain.
    """
    if message.message_type == "poll":
        raise ApiError(ErrorCode.CONFLICT, "A poll cannot be edited.")
    if base_edit_count is not None and base_edit_count != message.edit_count:
        detail = Detail("base_edit_count", "the message was edited meanwhile")
        raise ApiError(ErrorCode.CONFLICT, "The message was edited meanwhile.", details=[detail])
    if facts.settings.is_e2ee_enabled and not (message.is_encrypted and has_envelope and files_encrypted):
        raise ApiError(ErrorCode.E2EE_REQUIRED)
    if message.edit_count >= limits.max_edits:
        raise ApiError(ErrorCode.LIMIT_REACHED, f"A message is edited at most {limits.max_edits} times.")


def delete_reason(facts: Facts, message: Said, user_id: str, now: int, limits: MessageLimits) -> DeleteReason:
    """Why the member may delete this message for everyone.

    Raises:
        ApiError: `FORBIDDEN`; `EDIT_WINDOW_EXPIRED` for a sender who is no admin and comes too late.
    """
    is_admin = facts.members[user_id].role == "admin"
    if message.sender_id == user_id:
        if message.deleted_at is None and not is_admin and _over(message, now, limits.delete_window):
            raise ApiError(ErrorCode.EDIT_WINDOW_EXPIRED, "The message is too old to be deleted.")
        return "sender"
    if not is_admin or facts.blocked:
        raise ApiError(ErrorCode.FORBIDDEN, "Only its sender and admins may delete a message for everyone.")
    return "moderator"


def check_may_react(facts: Facts) -> None:
    """Raises ApiError `FORBIDDEN` unless members may react; the post permission does not count."""
    if facts.blocked:
        raise ApiError(ErrorCode.FORBIDDEN, "Reacting in this conversation is not allowed.")


def check_room_for_reaction(reactions: Sequence[Reacted], emoji: str) -> None:
    """Raises ApiError `LIMIT_REACHED` unless the one whose reactions are `mine` may add `emoji`."""
    if sum(one.mine for one in reactions) >= _REACTIONS_OF_ONE:
        raise ApiError(ErrorCode.LIMIT_REACHED, f"At most {_REACTIONS_OF_ONE} reactions of one user.")
    if len(reactions) >= _DIFFERENT_REACTIONS and all(one.emoji != emoji for one in reactions):
        raise ApiError(ErrorCode.LIMIT_REACHED, f"At most {_DIFFERENT_REACTIONS} different reactions.")


def check_may_pin(facts: Facts, user_id: str) -> None:
    """Raises ApiError `FORBIDDEN` unless the member may pin: the edit permission decides."""
    if facts.settings.edit_permission == "admins" and facts.members[user_id].role != "admin":
        raise ApiError(ErrorCode.FORBIDDEN, "Only admins may pin messages in this conversation.")


def check_room_for_pin(facts: Facts, pinned: int, max_pins: int) -> None:
    """Raises ApiError unless one more message may be pinned: `FORBIDDEN` across a block, `LIMIT_REACHED`."""
    if facts.blocked:
        raise ApiError(ErrorCode.FORBIDDEN, "Pinning in this conversation is not allowed.")
    if pinned >= max_pins:
        raise ApiError(ErrorCode.LIMIT_REACHED, f"At most {max_pins} pinned messages.")


def _over(message: Said, now: int, window: int) -> bool:
    return window > 0 and now > message.sent_at + window * 1000
