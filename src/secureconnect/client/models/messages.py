"""Messages, events and positions in the timeline."""

from typing import Any

import msgspec

from secureconnect.client.models.base import Model, Moment, Page
from secureconnect.client.models.people import PublicUser

__all__ = [
    "EarlierVersion",
    "Event",
    "EventPage",
    "Message",
    "Reaction",
    "Reactor",
    "Reply",
    "SyncEntry",
    "SyncPage",
]


class Reply(Model, frozen=True, kw_only=True):
    """The message that is answered; `preview` is empty when it is encrypted or deleted."""

    message_id: str
    sender_id: str | None = None
    preview: str


class Message(Model, frozen=True, kw_only=True):
    """The current state of a message. Deleted ones are empty rows with `deleted_at`.

    `attachments`, `reactions`, `poll` and `e2ee` are JSON objects as the server gives them.
    """

    message_id: str
    conversation_id: str
    seq: int
    sender_id: str | None = None
    sender_name: str
    client_message_id: str | None = None
    content: str
    is_encrypted: bool = False
    message_type: str
    metadata: dict[str, str] = msgspec.field(default_factory=dict)
    e2ee: dict[str, Any] | None = None
    attachments: list[dict[str, Any]] = msgspec.field(default_factory=list)
    reply_to: Reply | None = None
    thread_root_id: str | None = None
    reply_count: int = 0
    mentions: list[str] = msgspec.field(default_factory=list)
    mention_all: bool = False
    mention_here: bool = False
    reactions: list[dict[str, Any]] = msgspec.field(default_factory=list)
    poll: dict[str, Any] | None = None
    forwarded: bool = False
    pinned: bool = False
    edited_at: Moment | None = None
    edit_count: int = 0
    deleted_at: Moment | None = None
    deleted_by: str | None = None
    delete_reason: str | None = None
    expires_at: Moment | None = None
    sent_at: Moment


class EarlierVersion(Model, frozen=True, kw_only=True):
    """What a message said before its edit number `version`, made at `edited_at`."""

    version: int
    content: str
    e2ee: dict[str, Any] | None = None
    metadata: dict[str, str]
    edited_at: Moment


class Reaction(Model, frozen=True, kw_only=True):
    """One emoji on a message; `user_ids` are the first ten who used it, `me` whether the caller did."""

    emoji: str
    count: int
    me: bool
    user_ids: list[str]


class Reactor(Model, frozen=True, kw_only=True):
    """One reaction and whose it is."""

    emoji: str
    user: PublicUser
    reacted_at: Moment


class Event(Model, frozen=True, kw_only=True):
    """One entry of a conversation's log. `data` depends on `kind` (docs/reference/realtime.md §6)."""

    conversation_id: str
    seq: int
    event_id: str
    kind: str
    actor_id: str | None = None
    sent_at: Moment
    data: dict[str, Any]


class EventPage(Model, frozen=True, kw_only=True):
    """Ascending events; `first_seq` is the lowest that the caller may still read, `last_seq` the head."""

    events: list[Event]
    first_seq: int
    last_seq: int
    has_more: bool


class SyncEntry(Model, frozen=True, kw_only=True):
    """Where the caller stands in one conversation."""

    conversation_id: str
    type: str
    name: str
    updated_at: Moment
    first_seq: int
    last_seq: int
    last_read_seq: int
    last_delivered_seq: int
    unread_count: int
    mention_count: int = 0
    muted_until: Moment | None = None
    archived: bool
    is_e2ee_enabled: bool
    role: str


class SyncPage(Page[SyncEntry], frozen=True, kw_only=True):
    """A page of `sync` with the server's time."""

    server_time: Moment
