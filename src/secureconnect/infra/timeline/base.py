"""The Timeline port: one append-only, gapless, totally ordered log per conversation.

**Guard.** Who may post what is decided from cached facts. Each head carries a counter, the guard, that every
change of those facts (membership, roles, settings, blocks, deletion) raises in its own transaction. A sender
names the guard its facts were read at; an append with another guard is refused and nothing is written. So no
message can slip in behind a committed removal, without reading the facts again for each message.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from secureconnect.infra.database.base import WriteTx

__all__ = [
    "AlreadySent",
    "Appended",
    "CommitListener",
    "GuardChanged",
    "Head",
    "NewEvent",
    "NewMessage",
    "Statement",
    "StoredEvent",
    "StoredMessage",
    "Timeline",
]


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


class NewMessage(msgspec.Struct, frozen=True):
    """The message that a `message_created` event brings. Its id is the event's id, its sender the actor."""

    sender_id: str | None
    client_message_id: str | None
    content: str
    is_encrypted: bool
    message_type: str
    metadata: dict[str, str]
    e2ee: bytes | None = None


class NewEvent(msgspec.Struct, frozen=True):
    """An event before it has a place. `data` is its JSON object; empty for `message_created`, whose data is
    rendered from the message's current state."""

    conversation_id: str
    event_id: str
    kind: str
    actor_id: str | None
    sent_at: int
    data: bytes = b""
    message: NewMessage | None = None


class StoredMessage(msgspec.Struct, frozen=True):
    """The current state of a message. Times in milliseconds since the epoch."""

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


class StoredEvent(msgspec.Struct, frozen=True):
    """An event at its place; `message` is given exactly for `message_created`."""

    conversation_id: str
    seq: int
    event_id: str
    kind: str
    actor_id: str | None
    sent_at: int
    data: bytes
    message: StoredMessage | None = None


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

    def append_in(self, tx: WriteTx, event: NewEvent) -> int:
        """Append within a relational transaction (invariant I4) and return the seq.

        Raises:
            GuardChanged: the conversation has no log.
            AlreadySent: a repeat of a client_message_id; the caller's transaction must not go on.
        """

    def raise_guard_in(self, tx: WriteTx, conversation_id: str) -> None:
        """Make every cached fact about this conversation stale, in the transaction that changes them."""

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
        self, conversation_id: str, *, from_seq: int = 1, before_seq: int | None = None, limit: int
    ) -> list[StoredMessage]:
        """At most `limit` messages with from_seq ≤ seq < before_seq, highest seq first."""

    async def message(self, message_id: str) -> StoredMessage | None:
        """One message by id."""

    async def last_messages(self, first_visible: Mapping[str, int]) -> dict[str, StoredMessage]:
        """The newest message of each conversation at or above the given seq, where there is one."""

    async def unread(self, user_id: str, marks: Mapping[str, int], *, cap: int) -> dict[str, int]:
        """For each conversation the messages above the mark that `user_id` did not send, at most `cap`."""

    async def erase(self, conversation_id: str, limit: int) -> int:
        """Remove at most `limit` events of a conversation that exists for nobody any more, then its head.

        Returns how many; fewer than `limit` means that nothing of it is left.
        """

    async def purge_dedup(self, older_than: int) -> int:
        """Forget client_message_ids used before `older_than` (ms), in small batches; returns how many."""
