"""The Timeline port: one append-only, gapless, totally ordered log per conversation.

**Guard.** Who may post what is decided from cached facts. Each head carries a counter, the guard, that every
change of those facts (membership, roles, settings, blocks, deletion) raises in its own transaction. A sender
names the guard its facts were read at; an append with another guard is refused and nothing is written. So no
message can slip in behind a committed removal, without reading the facts again for each message.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Protocol

from sqlalchemy import Connection

from secureconnect.infra.database.base import WriteTx
from secureconnect.infra.timeline.values import (
    MESSAGE_KINDS,
    PREVIEW,
    Appended,
    AttachedFile,
    Deeds,
    Edit,
    Head,
    NewEvent,
    NewMessage,
    Quote,
    Reacted,
    Statement,
    StoredEvent,
    StoredMessage,
    StoredReaction,
    Trimmed,
    Version,
    brought,
)

__all__ = [
    "MESSAGE_KINDS",
    "PREVIEW",
    "AlreadySent",
    "Appended",
    "AttachedFile",
    "CommitListener",
    "Deeds",
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
    "TimelineMetrics",
    "Trimmed",
    "Version",
    "brought",
]


class GuardChanged(Exception):
    """The facts that the sender decided from are stale, or the conversation does not exist any more."""


class AlreadySent(Exception):
    """The sender used this client_message_id in this conversation before; `seq` is where that event is."""

    def __init__(self, seq: int) -> None:
        self.seq = seq
        super().__init__(f"sent before as seq {seq}")


#: Called on the event loop with events in commit order, before their senders are answered.
CommitListener = Callable[[Sequence[StoredEvent]], None]


class TimelineMetrics(Protocol):
    """Where measurements of appends go. Called on the event loop."""

    def appended(self, seconds: float) -> None:
        """One append was committed, `seconds` after it was asked for."""

    def append_failed(self, reason: str) -> None:
        """One append was not committed: `unavailable` or `other`. A stale guard is no failure."""


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

    async def older_messages(self, before_id: str, limit: int) -> list[StoredMessage]:
        """At most `limit` messages of all conversations with ids below `before_id`, the highest id first.

        Ids follow the clock, so this is the order of time but for some seconds.
        """

    async def active_since(self, since: int, *, after: str | None, limit: int) -> list[str]:
        """At most `limit` conversations whose last event was sent at `since` (ms) or later, ascending by id,
        above `after`."""

    async def changed_since(
        self, since: int, *, kinds: Collection[str], after: str | None, limit: int
    ) -> tuple[list[StoredMessage], str | None]:
        """Messages, as they are now, that events of `kinds` sent at `since` (ms) or later brought or were
        about, in any order: those of at most `limit` conversations, ascending by id, above the id `after`.

        With the id to go on after; None at the end.
        """

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

    async def count_messages(self) -> int:
        """How many messages there are, deleted ones too."""

    def stale_in(
        self, conn: Connection, conversation_id: str, before: int, *, after_seq: int, limit: int
    ) -> Trimmed:
        """At most `limit` events above `after_seq` that `trim_in` would remove one after the other."""

    def trim_in(self, tx: WriteTx, conversation_id: str, before: int, limit: int) -> Trimmed:
        """Remove at most `limit` events from the start of the log, up to the first one that is not older
        than `before` (ms), with the messages that they brought. `first_seq` moves up; nothing is appended
        and no guard is raised. What other features keep about those messages is the caller's business.
        """

    async def purge_dedup(self, older_than: int) -> int:
        """Forget client_message_ids used before `older_than` (ms), in small batches; returns how many."""

    async def deeds(self, conversation_id: str, user_id: str, *, after_seq: int, limit: int) -> Deeds:
        """What `user_id` did in the first `limit` events above `after_seq`, whoever's those are."""

    def rewrite_in(self, tx: WriteTx, conversation_id: str, seq: int, data: bytes) -> None:
        """Replace what an event says, to take somebody's name out of it. Nobody is told."""

    def forget_sends_in(
        self, tx: WriteTx, conversation_id: str, user_id: str, message_ids: Sequence[str]
    ) -> None:
        """Forget the client_message_ids of these messages of a user that will never send again."""
