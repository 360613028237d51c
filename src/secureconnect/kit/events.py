"""The durable events of a timeline, one class per kind (docs/reference/realtime.md §6).

An event is published as one of these classes; its `data` is exactly their fields.
"""

from typing import Any, ClassVar, Literal

import msgspec
from msgspec import Struct

from secureconnect.kit.objects import ConversationObject, Id, Message

__all__ = [
    "KINDS",
    "ConversationCreated",
    "ConversationUpdated",
    "E2eeModeChanged",
    "EventData",
    "MemberAdded",
    "MemberRemoved",
    "MemberRoleChanged",
    "MessageCreated",
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
