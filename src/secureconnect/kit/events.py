"""The durable events of a timeline, one class per kind (docs/reference/realtime.md §6).

An event is published as one of these classes; its `data` is exactly their fields.
"""

from typing import Any, ClassVar, Literal

import msgspec
from msgspec import Struct

from secureconnect.kit.objects import ConversationObject, Id, Message, Poll

__all__ = [
    "KINDS",
    "CallEnded",
    "CallRecordingStarted",
    "CallRecordingStopped",
    "CallStarted",
    "ConversationCreated",
    "ConversationUpdated",
    "CountedReaction",
    "E2eeModeChanged",
    "EventData",
    "MemberAdded",
    "MemberRemoved",
    "MemberRoleChanged",
    "MessageCreated",
    "MessageDeleted",
    "MessageEdited",
    "MessagePinned",
    "MessageUnpinned",
    "OptionTally",
    "PollClosed",
    "PollCreated",
    "PollVoted",
    "ReactionAdded",
    "ReactionRemoved",
    "encode_data",
]


class EventData(Struct, frozen=True, kw_only=True):
    """Base of all kinds. `subject` names the user that a membership event is about."""

    kind: ClassVar[str]

    @property
    def subject(self) -> str | None:
        """The user that the event is about, for those about membership."""
        return None


class ConversationCreated(EventData, frozen=True, kw_only=True):
    """Always seq 1."""

    kind: ClassVar[str] = "conversation_created"
    conversation: ConversationObject
    members: list[Id]


class MessageCreated(EventData, frozen=True, kw_only=True):
    """Rendered with the message's current state when it is read later."""

    kind: ClassVar[str] = "message_created"
    message: Message


class MessageEdited(EventData, frozen=True, kw_only=True):
    """`target_seq` is the seq of the event that brought the message; `message` is its current state."""

    kind: ClassVar[str] = "message_edited"
    message_id: Id
    target_seq: int
    message: Message


class MessageDeleted(EventData, frozen=True, kw_only=True):
    """Nothing that the message said is given out any more."""

    kind: ClassVar[str] = "message_deleted"
    message_id: Id
    target_seq: int
    deleted_by: Id | None
    reason: Literal["sender", "moderator", "expired", "erased"]


class CountedReaction(Struct, frozen=True):
    """One emoji on a message, for nobody in particular: the first ten who used it, earliest first."""

    emoji: str
    count: int
    user_ids: list[Id]


class _ReactionChanged(EventData, frozen=True, kw_only=True):
    message_id: Id
    target_seq: int
    user_id: Id
    emoji: str
    reactions: list[CountedReaction]


class ReactionAdded(_ReactionChanged, frozen=True, kw_only=True):
    """`reactions` are those right after the event; none once the message was deleted."""

    kind: ClassVar[str] = "reaction_added"


class ReactionRemoved(_ReactionChanged, frozen=True, kw_only=True):
    """`reactions` are those right after the event; none once the message was deleted."""

    kind: ClassVar[str] = "reaction_removed"


class MessagePinned(EventData, frozen=True, kw_only=True):
    """The message is among the pins now."""

    kind: ClassVar[str] = "message_pinned"
    message_id: Id
    target_seq: int
    by: Id


class MessageUnpinned(EventData, frozen=True, kw_only=True):
    """The message is no pin any more."""

    kind: ClassVar[str] = "message_unpinned"
    message_id: Id
    target_seq: int
    by: Id


class PollCreated(EventData, frozen=True, kw_only=True):
    """Counts as the message_created of the poll's message. `poll` shows nobody's votes as one's own."""

    kind: ClassVar[str] = "poll_created"
    poll: Poll


class OptionTally(Struct, frozen=True):
    """How an answer stands. `vote_percent` is its share of all votes, 0-100 with two decimals."""

    option_id: Id
    vote_count: int
    vote_percent: float


class PollVoted(EventData, frozen=True, kw_only=True):
    """Somebody chose, chose anew, or withdrew (`option_ids` empty). Anonymous polls tell nobody who."""

    kind: ClassVar[str] = "poll_voted"
    poll_id: Id
    target_seq: int
    user_id: Id | None
    option_ids: list[Id] | None
    options: list[OptionTally]
    total_votes: int
    total_voters: int


class PollClosed(EventData, frozen=True, kw_only=True):
    """The result stands."""

    kind: ClassVar[str] = "poll_closed"
    poll_id: Id
    target_seq: int
    by: Id | None
    reason: Literal["closed", "expired"]
    options: list[OptionTally]
    total_votes: int
    total_voters: int


class CallStarted(EventData, frozen=True, kw_only=True):
    """A call rings. `invited` are whom it rings for."""

    kind: ClassVar[str] = "call_started"
    call_id: Id
    call_type: Literal["audio", "video"]
    topology: Literal["mesh", "sfu"]
    caller_id: Id
    invited: list[Id]


class CallEnded(EventData, frozen=True, kw_only=True):
    """A call is over. `duration` in seconds, 0 without an answer; `participants` are those who were in it."""

    kind: ClassVar[str] = "call_ended"
    call_id: Id
    status: Literal["ended", "missed", "declined", "failed"]
    end_reason: Literal[
        "hangup",
        "cancelled",
        "declined",
        "ring_timeout",
        "max_duration",
        "connection_lost",
        "sfu_failed",
        "admin",
    ]
    duration: int
    participants: list[Id]


class CallRecordingStarted(EventData, frozen=True, kw_only=True):
    """Somebody in the call records it: every member is told, so that nobody is recorded unawares."""

    kind: ClassVar[str] = "call_recording_started"
    call_id: Id
    user_id: Id


class CallRecordingStopped(EventData, frozen=True, kw_only=True):
    """That recording ended."""

    kind: ClassVar[str] = "call_recording_stopped"
    call_id: Id
    user_id: Id


class MemberAdded(EventData, frozen=True, kw_only=True):
    """One event per user."""

    kind: ClassVar[str] = "member_added"
    user_id: Id
    by: Id | None
    via: Literal["created", "added", "invite"]
    role: Literal["member", "admin"]

    @property
    def subject(self) -> str | None:
        return self.user_id


class MemberRemoved(EventData, frozen=True, kw_only=True):
    """The last event that the removed user sees."""

    kind: ClassVar[str] = "member_removed"
    user_id: Id
    by: Id | None
    reason: Literal["left", "removed", "erased", "banned"]

    @property
    def subject(self) -> str | None:
        return self.user_id


class MemberRoleChanged(EventData, frozen=True, kw_only=True):
    """A new role; `owner_id` is the owner after the change."""

    kind: ClassVar[str] = "member_role_changed"
    user_id: Id
    role: Literal["member", "admin"]
    by: Id | None
    owner_id: Id | None


class ConversationUpdated(EventData, frozen=True, kw_only=True):
    """`changed` maps title, description, avatar_url and settings fields to their new values."""

    kind: ClassVar[str] = "conversation_updated"
    changed: dict[str, str | int | bool | None]
    by: Id | None


class E2eeModeChanged(EventData, frozen=True, kw_only=True):
    """The encryption mode was switched."""

    kind: ClassVar[str] = "e2ee_mode_changed"
    is_e2ee_enabled: bool
    by: Id | None


#: Every kind that this version writes.
KINDS: dict[str, type[EventData]] = {
    data.kind: data
    for data in (
        ConversationCreated,
        MessageCreated,
        MessageEdited,
        MessageDeleted,
        ReactionAdded,
        ReactionRemoved,
        MessagePinned,
        MessageUnpinned,
        PollCreated,
        PollVoted,
        PollClosed,
        CallStarted,
        CallEnded,
        CallRecordingStarted,
        CallRecordingStopped,
        MemberAdded,
        MemberRemoved,
        MemberRoleChanged,
        ConversationUpdated,
        E2eeModeChanged,
    )
}


def encode_data(data: EventData) -> bytes:
    """The JSON object that is stored and sent as the event's `data`."""
    return msgspec.json.encode(data)


def decode_data(kind: str, data: bytes) -> Any:
    """The typed data of a stored event."""
    return msgspec.json.decode(data, type=KINDS[kind])
