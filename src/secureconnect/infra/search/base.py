"""The SearchIndex port: finds messages by their words, in the conversations of one user.

The index is derived: whatever it holds can be made again from the timeline, and what it finds is compared
with the message itself before anybody sees it. So it need not be synced to disk with each message, only to
come back consistent; `Progress` says from where on it must be fed again.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple, Protocol

from msgspec import Struct

from secureconnect.kit.objects import Feature
from secureconnect.kit.words import Wanted

__all__ = ["Document", "Found", "Hit", "Place", "Progress", "Query", "SearchIndex"]


class Place(NamedTuple):
    """Where a message stands."""

    conversation_id: str
    seq: int


class Document(Struct, frozen=True):
    """A message as the index knows it. `sent_at` in ms; never one that is encrypted or deleted."""

    message_id: str
    conversation_id: str
    seq: int
    sender_id: str | None
    sent_at: int
    message_type: str
    has: frozenset[Feature]
    text: str

    @property
    def place(self) -> Place:
        """Where the message stands."""
        return Place(self.conversation_id, self.seq)


class Query(Struct, frozen=True):
    """What is looked for: messages that have all of it. Times in ms, `until` itself not included."""

    wanted: Wanted = Wanted()
    sender_id: str | None = None
    message_type: str | None = None
    has: frozenset[Feature] = frozenset()
    since: int | None = None
    until: int | None = None


class Hit(NamedTuple):
    """A message that seems to match. `position` falls from hit to hit and stays with the message."""

    position: int
    message_id: str
    conversation_id: str
    seq: int


class Found(NamedTuple):
    """Hits, newest first. `rest` is where to look on (`below`); None when nothing is left.

    There may be a rest although fewer hits were given than asked for: the search gave up for this time.
    """

    hits: list[Hit]
    rest: int | None


class Progress(Struct, frozen=True):
    """How far the index got. `upto`: what was committed before this time (ms) is in it. `older_than`: of what
    was there before the index, messages with this id and higher ones are in it; None when all are."""

    upto: int
    older_than: str | None


class SearchIndex(Protocol):
    """Words, senders, types and features of messages.

    Guarantees: `find` sees every `put` and `put_older` that returned. Each happens completely or not at all.
    A loss of power may undo the latest ones; `progress` then tells an earlier time. A message has one
    document; putting it again replaces it and keeps its position. Positions grow in the order of `put`, and
    fall in that of `put_older`.

    `find` may give messages that do not match, and leaves none out that do.

    Raises:
        ApiError: `DATABASE_UNAVAILABLE` when the store does not answer or cannot take more.
    """

    async def progress(self) -> Progress | None:
        """How far the index got; None when it is new or was made by another version, hence empty."""

    async def begin(self, progress: Progress) -> None:
        """Empty the index and start from `progress`."""

    async def put(self, documents: Sequence[Document], gone: Collection[Place], *, upto: int) -> None:
        """Add or replace `documents`, in this order, drop those at `gone`, and note the progress."""

    async def put_older(self, documents: Sequence[Document], *, older_than: str | None) -> None:
        """Add `documents`, newest first, all older than what is there, and note the progress.

        Those that are there stay as they are.
        """

    async def find(
        self, query: Query, within: Mapping[str, int], *, below: int | None = None, limit: int
    ) -> Found:
        """At most `limit` hits below a position, newest first.

        `within`: the conversations to look in, each with the lowest seq that counts. Others cost nothing.
        """

    async def conversations(self, *, after: str | None, limit: int) -> dict[str, int]:
        """Conversations that documents came from, ascending by id above `after`, each with the lowest seq
        that `forget` left."""

    async def forget(self, conversation_id: str, before_seq: int | None, limit: int) -> int:
        """Drop at most `limit` documents of a conversation below a seq, or the whole conversation.

        Returns how many; fewer than `limit` means that none is left.
        """

    async def tidy(self) -> int:
        """One bounded step of the upkeep that keeps searches fast; returns how much it did, 0 when nothing
        is left to do."""

    async def expunge(self) -> int:
        """One bounded step towards holding nothing of dropped documents, not even on the disk; returns how
        much it did, 0 when nothing is left to do."""
