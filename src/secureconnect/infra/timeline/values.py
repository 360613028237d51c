"""What goes into the timeline and comes out of it."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import msgspec

__all__ = [
    "MESSAGE_KINDS",
    "PREVIEW",
    "Appended",
    "AttachedFile",
    "Deeds",
    "Edit",
    "Head",
    "NewEvent",
    "NewMessage",
    "Quote",
    "Reacted",
    "Statement",
    "StoredEvent",
    "StoredMessage",
    "StoredReaction",
    "Trimmed",
    "Version",
    "brought",
]

#: The longest preview of a message that another one answers, in code points.
PREVIEW: Final = 100

#: The kinds of events that bring a message.
MESSAGE_KINDS: Final = ("message_created", "poll_created")


class Statement(NamedTuple):
    """One relational statement that rides in the append's transaction; `seq` is passed as first parameter."""

    sql: str
    params: tuple[Any, ...]


class AttachedFile(msgspec.Struct, frozen=True):
    """A file that a message carries, as it was when it was attached; the last two follow the file.

    Sizes in bytes. `available` is false once the file is deleted.
    """

    file_id: str
    file_name: str
    content_type: str
    file_size: int
    is_encrypted: bool
    uploaded_at: int
    has_thumbnail: bool = False
    available: bool = True


class Quote(msgspec.Struct, frozen=True):
    """The message that a message answers; `preview` is the beginning of what it says now (≤ 100 characters),
    empty when that is encrypted or deleted. `seq` is its place."""

    message_id: str
    sender_id: str | None
    preview: str
    seq: int


class StoredReaction(msgspec.Struct, frozen=True):
    """One emoji on a message: how many reacted with it, the first ten of them, and whether the viewer did."""

    emoji: str
    count: int
    user_ids: tuple[str, ...]
    mine: bool = False


class NewMessage(msgspec.Struct, frozen=True):
    """The message that an event of `MESSAGE_KINDS` brings. Its id is the event's id, its sender the actor.

    `sender_name` is given for senders that are no users. `quote` is what the caller saw of the message that
    this one answers; its preview is read anew by the append and by each later read. `mentions` are members.
    """

    sender_id: str | None
    client_message_id: str | None
    content: str
    is_encrypted: bool
    message_type: str
    metadata: dict[str, str]
    e2ee: bytes | None = None
    sender_name: str | None = None
    quote: Quote | None = None
    thread_root_id: str | None = None
    mentions: tuple[str, ...] = ()
    mention_all: bool = False
    mention_here: bool = False
    forwarded: bool = False
    silent: bool = False
    expires_at: int | None = None
    attachments: tuple[AttachedFile, ...] = ()

    @property
    def is_plain(self) -> bool:
        """Whether it has nothing but what every message has."""
        return not (
            self.sender_name is not None
            or self.quote is not None
            or self.thread_root_id is not None
            or self.mentions
            or self.mention_all
            or self.mention_here
            or self.forwarded
            or self.silent
            or self.expires_at is not None
            or self.attachments
        )


class NewEvent(msgspec.Struct, frozen=True):
    """An event before it has a place. `data` is its JSON object, or makes it from the event's seq.

    Empty for `message_created` and `message_edited`, whose data is rendered from the message's current state.
    `target_id` is the message that the event is about, when it is not the one that it brings.
    """

    conversation_id: str
    event_id: str
    kind: str
    actor_id: str | None
    sent_at: int
    data: bytes | Callable[[int], bytes] = b""
    message: NewMessage | None = None
    target_id: str | None = None


class StoredMessage(msgspec.Struct, frozen=True):
    """The current state of a message. Times in milliseconds since the epoch.

    A deleted message keeps its place, its sender and its times; everything that it said is gone.
    """

    message_id: str
    conversation_id: str
    seq: int
    sender_id: str | None
    client_message_id: str | None
    content: str
    is_encrypted: bool
    message_type: str
    metadata: dict[str, str]
    e2ee: bytes | None
    sent_at: int
    sender_name: str | None = None
    reply_to_message_id: str | None = None
    thread_root_id: str | None = None
    mentions: tuple[str, ...] = ()
    mention_all: bool = False
    mention_here: bool = False
    forwarded: bool = False
    silent: bool = False
    pinned: bool = False
    attachment_count: int = 0
    reaction_count: int = 0
    reply_count: int = 0
    edited_at: int | None = None
    edit_count: int = 0
    deleted_at: int | None = None
    deleted_by: str | None = None
    delete_reason: str | None = None
    expires_at: int | None = None
    attachments: tuple[AttachedFile, ...] = ()
    reactions: tuple[StoredReaction, ...] = ()
    quote: Quote | None = None


class StoredEvent(msgspec.Struct, frozen=True):
    """An event at its place. `message` is the current state of the message that it brings or is about."""

    conversation_id: str
    seq: int
    event_id: str
    kind: str
    actor_id: str | None
    sent_at: int
    data: bytes
    message: StoredMessage | None = None


class Edit(msgspec.Struct, frozen=True):
    """What a message says from now on. `attachments` None leaves them as they are."""

    content: str
    metadata: dict[str, str]
    e2ee: bytes | None
    mentions: tuple[str, ...]
    edited_at: int
    attachments: tuple[AttachedFile, ...] | None = None


class Version(msgspec.Struct, frozen=True):
    """What a message said before its edit number `version`, which was made at `edited_at` (ms)."""

    version: int
    content: str
    metadata: dict[str, str]
    e2ee: bytes | None
    edited_at: int


class Reacted(msgspec.Struct, frozen=True):
    """One user's reaction. `reacted_at` in ms."""

    user_id: str
    emoji: str
    reacted_at: int


class Deeds(msgspec.Struct, frozen=True):
    """What one user did in a stretch of a log, ascending: messages that it sent, deleted ones too, and those
    that it reacted to, be the reactions still there or not.

    The stretch ends with `last_seq`, or with the log when that is None.
    """

    sent: tuple[str, ...]
    reacted: tuple[str, ...]
    last_seq: int | None


class Appended(msgspec.Struct, frozen=True):
    """The result of an append; `duplicate` when an earlier send with the same client_message_id was found."""

    event: StoredEvent
    duplicate: bool = False


class Head(msgspec.Struct, frozen=True):
    """Where a conversation's log stands. Readable seqs are `first_seq` … `last_seq`; `last_at` in ms."""

    first_seq: int
    last_seq: int
    last_at: int
    guard: int


class Trimmed(msgspec.Struct, frozen=True):
    """A stretch of old events at the start of a log, up to `last_seq`.

    `message_ids` are the messages that they brought, `files` how often those attach one, `bytes` what the
    events and messages take without files.
    """

    conversation_id: str
    events: int
    last_seq: int
    message_ids: tuple[str, ...]
    files: int
    bytes: int


def brought(event: NewEvent, seq: int, quote: Quote | None = None) -> StoredMessage:
    """The message that `event` brings, at its place; `quote` is what it answers, as that is then."""
    message = event.message
    assert message is not None
    plain = StoredMessage(
        event.event_id,
        event.conversation_id,
        seq,
        message.sender_id,
        message.client_message_id,
        message.content,
        message.is_encrypted,
        message.message_type,
        message.metadata,
        message.e2ee,
        event.sent_at,
    )
    if message.is_plain:
        return plain
    return msgspec.structs.replace(
        plain,
        sender_name=message.sender_name,
        reply_to_message_id=None if message.quote is None else message.quote.message_id,
        thread_root_id=message.thread_root_id,
        mentions=message.mentions,
        mention_all=message.mention_all,
        mention_here=message.mention_here,
        forwarded=message.forwarded,
        silent=message.silent,
        attachment_count=len(message.attachments),
        expires_at=message.expires_at,
        attachments=message.attachments,
        quote=quote,
    )
