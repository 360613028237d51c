"""The Timeline port: one append-only, gapless, totally ordered log per conversation.

**Guard.** Who may post what is decided from cached facts. Each head carries a counter, the guard, that every
change of those facts (membership, roles, settings, blocks, deletion) raises in its own transaction. A sender
names the guard its facts were read at; an append with another guard is refused and nothing is written. So no
message can slip in behind a committed removal, without reading the facts again for each message.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from secureconnect.infra.database.base import WriteTx

__all__ = [
    "MESSAGE_KINDS",
    "PREVIEW",
    "AlreadySent",
    "Appended",
    "AttachedFile",
    "CommitListener",
    "Edit",
    "GuardChanged",
    "Head",
    "NewEvent",
    "NewMessage",
    "Quote",
    "Reacted",
    "Statement",
    "StoredEvent",
    "StoredMessage",
    "StoredReaction",
    "Timeline",
    "Version",
]

#: The longest preview of a message that another one answers, in code points.
PREVIEW: Final = 100

#: The kinds of events that bring a message.
MESSAGE_KINDS: Final = ("message_created", "poll_created")


class GuardChanged(Exception):
    """The facts that the sender decided from are stale, or the conversation does not exist any more."""


class AlreadySent(Exception):
    """The sender used this client_message_id in this conversation before; `seq` is where that event is."""

    def __init__(self, seq: int) -> None:
        self.seq = seq
        super().__init__(f"sent before as seq {seq}")


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
    empty when that is encrypted or deleted."""

    message_id: str
    sender_id: str | None
    preview: str


class StoredReaction(msgspec.Struct, frozen=True):
    """One emoji on a message: how many reacted with it, the first ten of them, and whether the viewer did."""

    emoji: str
    count: int
    user_ids: tuple[str, ...]
    mine: bool = False


class NewMessage(msgspec.Struct, frozen=True):
    """The message that an event of `MESSAGE_KINDS` brings. Its id is the event's id, its sender the actor.

    `sender_name` is given for senders that are no users. `quote` is what the caller saw of the message that
    this one answers; its preview is read anew at each later read. `mentions` are members.
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


#: Called on the event loop with events in commit order, before their senders are answered.
CommitListener = Callable[[Sequence[StoredEvent]], None]


class Timeline(Protocol):
    """The log of every conversation.

    Guarantees (docs/reference/realtime.md §7, G1-G4): what `append` returned is synced to disk; an event and
    the state that it describes become visible together; seq n+1 exists only after n; one event per seq; one
    event per (conversation, sender, client_message_id); the commit listener sees each committed event once,
    in order.

    Raises:
        ApiError: `TIMELINE_UNAVAILABLE` or `DATABASE_UNAVAILABLE` when the store cannot take or give it.
    """

    async def append(self, event: NewEvent, *, guard: int, also: Sequence[Statement] = ()) -> Appended:
        """Append one event that changes nothing relational but `also`. Waiting appends share one commit.

        `also` rides in the same transaction, after the event was written; a duplicate runs none of it.
        A repeat of a client_message_id gives the first result, whatever the guard is now.

        Raises:
            GuardChanged: nothing was written.
        """

    def open_in(self, tx: WriteTx, conversation_id: str) -> None:
        """Create the empty log of a new conversation, with guard 0."""

    def append_in(self, tx: WriteTx, event: NewEvent, *, also: Sequence[Statement] = ()) -> int:
        """Append within a relational transaction (invariant I4) and return the seq.

        An event about a message is told with that message's state in this transaction.

        Raises:
            GuardChanged: the conversation has no log.
            AlreadySent: a repeat of a client_message_id; the caller's transaction must not go on.
        """

    def raise_guard_in(self, tx: WriteTx, conversation_id: str) -> None:
        """Make every cached fact about this conversation stale, in the transaction that changes them."""

    def check_guard_in(self, tx: WriteTx, conversation_id: str, guard: int) -> None:
        """Make sure that facts read at `guard` are true in this transaction.

        Raises:
            GuardChanged: they are not, or the conversation has no log.
        """

    def message_in(
        self, tx: WriteTx, message_id: str, *, viewer_id: str | None = None
    ) -> StoredMessage | None:
        """One message, as this transaction sees it; reactions of `viewer_id` are marked as `mine`."""

    def edit_in(self, tx: WriteTx, message: StoredMessage, edit: Edit) -> StoredMessage:
        """Replace what `message`, read in this transaction, says; what it said becomes a version of it.

        The caller appends the `message_edited` event. Returns the new state.
        """

    def delete_in(
        self, tx: WriteTx, message: StoredMessage, *, at: int, by: str | None, reason: str
    ) -> StoredMessage:
        """Erase everything that `message`, read in this transaction, says, with its versions and reactions.

        It counts as unread no more. The caller appends the `message_deleted` event. Returns what is left.
        """

    def react_in(self, tx: WriteTx, message_id: str, reaction: Reacted) -> bool:
        """Add a reaction; False when it was there."""

    def unreact_in(self, tx: WriteTx, message_id: str, user_id: str, emoji: str) -> bool:
        """Take a reaction back; False when there was none."""

    def set_pinned_in(self, tx: WriteTx, message_id: str, *, pinned: bool) -> None:
        """Mark a message as pinned or not."""

    def set_attachment_in(
        self,
        tx: WriteTx,
        message_ids: Collection[str],
        file_id: str,
        *,
        has_thumbnail: bool | None = None,
        available: bool | None = None,
    ) -> None:
        """Let messages that carry a file show what became of it; None leaves a mark as it is."""

    async def head(self, conversation_id: str) -> Head | None:
        """Where the log stands, or None without one."""

    async def heads(self, conversation_ids: Collection[str]) -> dict[str, Head]:
        """Heads of those that exist."""

    async def events(
        self,
        conversation_id: str,
        *,
        after_seq: int | None = None,
        before_seq: int | None = None,
        limit: int,
    ) -> list[StoredEvent]:
        """Ascending events inside the open interval (after_seq, before_seq).

        With `after_seq` the first `limit` of them, without it the last `limit`.
        """

    async def messages(
        self,
        conversation_id: str,
        *,
        from_seq: int = 1,
        before_seq: int | None = None,
        limit: int,
        viewer_id: str | None = None,
    ) -> list[StoredMessage]:
        """At most `limit` messages with from_seq ≤ seq < before_seq, highest seq first.

        Here and below, reactions of `viewer_id` are marked as `mine`.
        """

    async def message(self, message_id: str, *, viewer_id: str | None = None) -> StoredMessage | None:
        """One message by id."""

    async def messages_by_id(
        self, message_ids: Collection[str], *, viewer_id: str | None = None
    ) -> dict[str, StoredMessage]:
        """Those messages that exist."""

    async def thread(
        self, root_id: str, *, after_seq: int, limit: int, viewer_id: str | None = None
    ) -> list[StoredMessage]:
        """At most `limit` replies of a thread above `after_seq`, ascending; deleted ones too."""

    async def thread_senders(self, root_id: str) -> list[str]:
        """Who replied in a thread, earliest first."""

    async def thread_unread(self, root_id: str, user_id: str, after_seq: int, *, cap: int) -> int:
        """Replies above `after_seq` that `user_id` did not send and that are not deleted, at most `cap`."""

    async def versions(self, message_id: str, *, after: int, limit: int) -> list[Version]:
        """Earlier versions of a message, numbered above `after`, ascending."""

    async def reactions(
        self, message_id: str, *, emoji: str | None, after: Reacted | None, limit: int
    ) -> list[Reacted]:
        """Who reacted, ascending by time, user and emoji, behind `after`."""

    async def expired(self, now: int, limit: int) -> list[StoredMessage]:
        """At most `limit` messages whose `expires_at` has come, oldest first."""

    async def last_messages(
        self, first_visible: Mapping[str, int], *, viewer_id: str | None = None
    ) -> dict[str, StoredMessage]:
        """The newest message of each conversation at or above the given seq, where there is one."""

    async def unread(self, user_id: str, marks: Mapping[str, int], *, cap: int) -> dict[str, int]:
        """For each conversation the messages above the mark that `user_id` did not send, at most `cap`.

        Deleted messages do not count.
        """

    async def erase(self, conversation_id: str, limit: int) -> int:
        """Remove at most `limit` events of a conversation that exists for nobody any more, then its head.

        Returns how many; fewer than `limit` means that nothing of it is left.
        """

    async def purge_dedup(self, older_than: int) -> int:
        """Forget client_message_ids used before `older_than` (ms), in small batches; returns how many."""
