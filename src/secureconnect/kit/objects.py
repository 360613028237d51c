"""Objects as clients see them (docs/reference/http.md, objects), shared by the features that render them.

Times are RFC 3339 text. `Time` marks them for the published schemas.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

__all__ = [
    "Attachment",
    "ConversationObject",
    "ConversationSettings",
    "Event",
    "Feature",
    "Id",
    "Message",
    "Poll",
    "PollOption",
    "Reaction",
    "ReplyTo",
    "Time",
]

Id = Annotated[str, Meta(extra_json_schema={"format": "uuid"})]
Time = Annotated[str, Meta(extra_json_schema={"format": "date-time"})]

Feature = Literal["file", "image", "link", "poll"]
"""What a search can ask of messages: that they carry a file or an image, hold a link, or are a poll."""


class Attachment(Struct, frozen=True):
    """A file that a message carries."""

    file_id: Id
    file_name: str
    content_type: str
    file_size: int
    is_encrypted: bool
    has_thumbnail: bool
    available: bool


class Reaction(Struct, frozen=True):
    """One emoji on a message."""

    emoji: str
    count: int
    me: bool
    user_ids: list[Id]


class ReplyTo(Struct, frozen=True):
    """The message that a message answers."""

    message_id: Id
    sender_id: Id | None
    preview: str


class PollOption(Struct, frozen=True, kw_only=True):
    """One answer of a poll. `vote_percent` is its share of all votes, 0-100 with two decimals."""

    option_id: Id
    poll_id: Id
    option_text: str
    display_order: int
    vote_count: int
    vote_percent: float
    created_at: Time


class Poll(Struct, frozen=True, kw_only=True):
    """A poll as one member sees it; `user_voted` and `user_vote_options` are that member's own."""

    poll_id: Id
    conversation_id: Id
    creator_id: Id
    creator_name: str
    question: str
    poll_type: Literal["single", "multi"]
    allow_vote_change: bool
    anonymous: bool
    is_encrypted: bool
    expires_at: Time | None
    is_closed: bool
    closed_at: Time | None
    close_reason: Literal["closed", "expired"] | None
    options: list[PollOption]
    total_votes: int
    total_voters: int
    user_voted: bool
    user_vote_options: list[Id]
    seq: int
    created_at: Time
    updated_at: Time


class Message(Struct, frozen=True, kw_only=True):
    """The current state of a message. `client_message_id` is given to its sender only."""

    message_id: Id
    conversation_id: Id
    seq: int
    sender_id: Id | None
    sender_name: str
    client_message_id: str | None = None
    content: str
    is_encrypted: bool
    message_type: Literal["text", "image", "video", "audio", "file", "poll"]
    metadata: dict[str, str]
    e2ee: dict[str, Any] | None = None
    attachments: list[Attachment] = []
    reply_to: ReplyTo | None = None
    thread_root_id: Id | None = None
    reply_count: int = 0
    mentions: list[Id] = []
    mention_all: bool = False
    mention_here: bool = False
    reactions: list[Reaction] = []
    poll: Poll | None = None
    forwarded: bool = False
    pinned: bool = False
    edited_at: Time | None = None
    edit_count: int = 0
    deleted_at: Time | None = None
    deleted_by: Id | None = None
    delete_reason: Literal["sender", "moderator", "expired", "erased"] | None = None
    expires_at: Time | None = None
    sent_at: Time


class Event(Struct, frozen=True, kw_only=True):
    """One durable entry of a conversation's log; `data` is the object of its kind (`kit.events`)."""

    conversation_id: Id
    seq: int
    event_id: Id
    kind: str
    actor_id: Id | None
    sent_at: Time
    data: dict[str, Any]


class ConversationSettings(Struct, frozen=True, kw_only=True):
    """What admins decide for a conversation."""

    is_e2ee_enabled: bool = False
    edit_permission: Literal["members", "admins"] = "members"
    invite_permission: Literal["members", "admins"] = "admins"
    post_permission: Literal["members", "admins"] = "members"
    history_visibility: Literal["all", "joined"] = "all"
    message_retention_days: int = 0
    message_ttl_seconds: int = 0
    recording_enabled: bool = False
    updated_at: Time


class ConversationObject(Struct, frozen=True, kw_only=True):
    """A conversation without anything personal to the caller."""

    conversation_id: Id
    type: Literal["direct", "group"]
    title: str | None
    name: str
    description: str | None
    avatar_url: str | None
    created_by: Id
    owner_id: Id | None
    member_count: int
    last_seq: int
    settings: ConversationSettings
    created_at: Time
    updated_at: Time
