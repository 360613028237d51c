"""What other features may ask about conversations, and what this one needs from `messages`."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final, Literal, NamedTuple, Protocol, TypeVar

from msgspec import Struct
from sqlalchemy import Connection

from secureconnect.infra.database.base import WriteTx
from secureconnect.infra.timeline.base import Statement, Trimmed
from secureconnect.kit.objects import ConversationObject, ConversationSettings, Message, Time
from secureconnect.kit.principal import Principal, RequestContext

__all__ = [
    "FOR_GOOD",
    "UNGUARDED",
    "Audience",
    "Catalogue",
    "CatalogueEntry",
    "Conversation",
    "Conversations",
    "Facts",
    "Horizons",
    "LatestMessages",
    "Listener",
    "Marks",
    "Member",
    "MemberFact",
    "MyState",
    "Overview",
    "Pictures",
    "Purged",
    "Reader",
    "Role",
    "Type",
]

T = TypeVar("T")

Role = Literal["member", "admin"]
Type = Literal["direct", "group"]

#: `muted_until` of a conversation that is muted for good: 9999-12-31T00:00:00.000Z.
FOR_GOOD: Final = 253_402_214_400_000


class MemberFact(Struct, frozen=True, gc=False):
    """What sending and fan-out need to know about one member."""

    role: Role
    first_visible_seq: int
    cleared_seq: int

    @property
    def visible_from(self) -> int:
        """The lowest seq that the member may read."""
        return max(self.first_visible_seq, self.cleared_seq + 1)


#: The guard of facts that were read while the timeline was away: no append holds with it.
UNGUARDED: Final = -1


class Facts(Struct, frozen=True):
    """What decides about a send, as of `guard`.

    `blocked`: direct only, a block in either direction. `wake`: somebody hid or archived the conversation, so
    a send carries the statement that brings it back (`Conversations.sent`). Direct ones have no owner.
    """

    conversation_id: str
    type: Type
    guard: int
    owner_id: str | None
    settings: ConversationSettings
    members: Mapping[str, MemberFact]
    blocked: bool
    wake: bool


class Horizons(Protocol):
    """From where on members may read: nothing below comes before their eyes, whatever refers to it (G7)."""

    def visible_from_in(
        self, conn: Connection, user_id: str, conversation_ids: Collection[str]
    ) -> dict[str, int]:
        """The lowest seq that the user may read, for those of the conversations that it is a member of."""

    def known_to_all(self, conversation_id: str, seq: int) -> bool:
        """Whether every member may read what stands at `seq`; False while that is not known. Never waits."""


class Member(Struct, frozen=True):
    """A member of a conversation, read from the database. Times in milliseconds since the epoch.

    `visible_from` is the lowest seq that the member may read. `muted_until` may lie in the past.
    """

    conversation_id: str
    user_id: str
    type: Type
    role: Role
    owner_id: str | None
    settings: ConversationSettings
    member_count: int
    joined_at: int
    visible_from: int
    last_read_seq: int
    last_delivered_seq: int
    archived: bool
    muted_until: int | None

    @property
    def is_owner(self) -> bool:
        """Whether this member owns the group."""
        return self.owner_id == self.user_id

    @property
    def is_admin(self) -> bool:
        """Whether this member administers the conversation; owners do."""
        return self.role == "admin"


class Overview(Struct, frozen=True):
    """One of a user's conversations, for `GET /v1/sync`; counts and heads belong to the timeline.

    `name` and `visible_from` are those of the user. `muted_until` lies in the future or is None. Times in
    milliseconds since the epoch.
    """

    conversation_id: str
    type: Type
    name: str
    updated_at: int
    role: Role
    visible_from: int
    last_read_seq: int
    last_delivered_seq: int
    archived: bool
    muted_until: int | None
    is_e2ee_enabled: bool


class CatalogueEntry(Struct, frozen=True):
    """A conversation as administration sees it: nothing that anybody said or named. `created_at` in ms."""

    conversation_id: str
    type: Type
    member_count: int
    created_at: int
    is_e2ee_enabled: bool
    message_retention_days: int


class Listener(NamedTuple):
    """A member as one who may be told of what happens. `muted_until` in ms."""

    user_id: str
    visible_from: int
    last_read_seq: int
    muted_until: int | None

    def is_muted(self, now: int) -> bool:
        """Whether the member wants to hear nothing at `now` (ms)."""
        return self.muted_until is not None and self.muted_until > now


class Audience(Struct, frozen=True):
    """Everybody in a conversation; direct ones have no title."""

    type: Type
    title: str | None
    listeners: Sequence[Listener]


class Reader(NamedTuple):
    """How far a member has read and received; `last_read_at` (ms) is when the read mark last moved."""

    user_id: str
    visible_from: int
    last_read_seq: int
    last_read_at: int | None
    last_delivered_seq: int


class Marks(NamedTuple):
    """How far a member has read and received; `moved` when this call changed one of the two."""

    last_read_seq: int
    last_delivered_seq: int
    moved: bool


class MyState(Struct, frozen=True, kw_only=True):
    """A member's own place in a conversation. A count at its cap means "so many or more"."""

    role: Role
    joined_at: Time
    archived: bool
    muted_until: Time | None
    first_visible_seq: int
    last_read_seq: int
    last_delivered_seq: int
    unread_count: int
    mention_count: int = 0


class Conversation(ConversationObject, frozen=True, kw_only=True):
    """A conversation as one of its members sees it."""

    last_message: Message | None
    my: MyState


class LatestMessages(Protocol):
    """What was said last, and to whom; offered by `messages`."""

    async def mention_counts(self, user_id: str, marks: Mapping[str, int], *, cap: int) -> Mapping[str, int]:
        """Unread messages that mention `user_id` above the mark of each conversation, at most `cap`; those
        without any are left out."""

    async def latest(self, viewer_id: str, first_visible: Mapping[str, int]) -> Mapping[str, Message]:
        """The newest message at or above the given seq of each conversation that has one, for `viewer_id`."""


class Pictures(Protocol):
    """Pictures made of files; offered by `files`."""

    async def make(self, caller: Principal, context: RequestContext, file_id: str) -> None:
        """Make the picture that a conversation is about to show of a file of the caller's own.

        Raises:
            ApiError: `NOT_FOUND`; `VALIDATION_ERROR` on `avatar_file_id`; `STORAGE_UNAVAILABLE`.
        """

    def dropped(self, file_id: str) -> None:
        """A conversation does not show the picture made of this file any more; called after the commit."""


class Conversations(Protocol):
    """Who is in which conversation."""

    async def facts(self, conversation_id: str) -> Facts | None:
        """What decides about sends; None for unknown and deleted conversations.

        Cached. An entry is dropped the moment a change commits, in other processes by a hint. Its guard is
        never newer than its facts, so an append with it fails when they are stale: then ask `stale_facts`.
        """

    async def stale_facts(self, facts: Facts) -> Facts | None:
        """Facts read after `facts` proved to be stale (`GuardChanged`)."""

    async def member(self, conversation_id: str, user_id: str) -> Member:
        """The membership that allows to read, always from the database.

        Raises:
            ApiError: `NOT_FOUND` for an unknown or deleted conversation, `FORBIDDEN` for a stranger.
        """

    def member_in(self, conn: Connection, conversation_id: str, user_id: str) -> Member:
        """Like `member`, within a transaction."""

    async def act(self, conversation_id: str, user_id: str, work: Callable[[WriteTx, Facts], T]) -> T:
        """Run `work` in one transaction in which the facts that it is given are true.

        The way to change anything inside a conversation: whatever `work` decides from the facts holds at the
        moment of the commit. It may run several times, like every unit of work, also with newer facts.

        Raises:
            ApiError: `NOT_FOUND` for an unknown or deleted conversation, `FORBIDDEN` for a stranger; what
                `work` raises; `TIMELINE_UNAVAILABLE` when the conversation keeps changing.
        """

    async def act_unlogged(
        self, conversation_id: str, user_id: str, work: Callable[[WriteTx, Facts], T]
    ) -> T:
        """As `act`, while the timeline is away: `work` appends nothing, and what it says follows later.

        Raises:
            ApiError: `NOT_FOUND`, `FORBIDDEN`; what `work` raises.
        """

    def touch_in(self, tx: WriteTx, conversation_id: str, now: int) -> None:
        """The conversation's last event happened `now`."""

    async def overviews(self, user_id: str, *, after: str | None, limit: int) -> list[Overview]:
        """The user's conversations, ascending by id, above the id `after`; archived and hidden ones too."""

    async def ever_in(self, user_id: str, *, after: str | None, limit: int) -> list[str]:
        """Conversations that the user is a member of or was one, ascending by id, above the id `after`;
        deleted ones are left out."""

    async def memberships_among(self, user_id: str, conversation_ids: Collection[str]) -> set[str]:
        """Those of `conversation_ids` that the user is a member of now, for whoever read something first."""

    def visible_from_in(
        self, conn: Connection, user_id: str, conversation_ids: Collection[str]
    ) -> dict[str, int]:
        """The lowest seq that the user may read in each of `conversation_ids` that it is a member of."""

    async def readable(self, user_id: str) -> dict[str, int]:
        """The lowest seq that the user may read in each of its conversations."""

    def searchable_in(
        self, conn: Connection, user_id: str, conversation_ids: Collection[str]
    ) -> dict[str, int]:
        """The same of those of `conversation_ids` that are not encrypted now."""

    def avatar_in(self, conn: Connection, conversation_id: str) -> str | None:
        """The file that the picture was made of; None without one, or with a picture elsewhere."""

    def avatars_among_in(self, conn: Connection, file_ids: Collection[str]) -> set[str]:
        """Those files of which some conversation's picture was made."""

    async def readers(self, conversation_id: str, *, after: str | None, limit: int) -> list[Reader]:
        """Members and their marks, ascending by user id, above the id `after`."""

    def audience_in(
        self, tx: WriteTx, conversation_id: str, *, after: str | None = None, limit: int | None = None
    ) -> Audience | None:
        """Everybody in a conversation, within a transaction; None when it is gone.

        With `limit` a part of them, ascending by user id, above the id `after`.
        """

    def muted_in(self, conn: Connection, conversation_id: str, user_ids: Collection[str]) -> dict[str, int]:
        """Until when (ms) those members of `user_ids` want to hear nothing who ever said so."""

    async def my_state(self, conversation_id: str, user_id: str) -> MyState:
        """The user's own place in a conversation. Raises like `member`."""

    async def tell_my_state(
        self, conversation_id: str, user_id: str, *, except_connection: str | None = None
    ) -> MyState:
        """`my_state`, sent also as frame `my_state` to the user's sockets except the acting one."""

    def advance_read_in(
        self, tx: WriteTx, conversation_id: str, user_id: str, seq: int, now: int
    ) -> Marks | None:
        """Raise the read mark, and the delivered mark with it, to `seq`, which the head has reached.

        Marks never go back. None when the user is no member.
        """

    def advance_delivered_in(self, tx: WriteTx, conversation_id: str, user_id: str, seq: int) -> Marks | None:
        """Raise the delivered mark to `seq`, which the head has reached; see `advance_read_in`."""

    def sent(
        self, conversation_id: str, sender_id: str | None, sent_at: int, *, wake: bool
    ) -> Sequence[Statement]:
        """What rides along with the append of a message.

        The sender's own marks move to the new seq and the conversation's `updated_at` to `sent_at`; with
        `wake` (`Facts.wake`) it comes back for those who hid it, or archived it without muting it.
        """

    async def co_members(self, user_id: str, others: Collection[str]) -> set[str]:
        """Those of `others` that share at least one conversation with `user_id`."""

    def co_members_in(self, conn: Connection, user_id: str, others: Collection[str]) -> set[str]:
        """Like `co_members`, within a transaction."""


class Catalogue(Protocol):
    """All conversations of the server that are not deleted."""

    def newest_in(
        self, conn: Connection, *, after: tuple[int, str] | None, limit: int
    ) -> list[CatalogueEntry]:
        """At most `limit`, those made last first, behind the position (created_at, conversation_id)."""

    def after_in(self, conn: Connection, after: str, limit: int) -> list[CatalogueEntry]:
        """At most `limit`, ascending by id, above the id `after`."""

    def find_in(self, conn: Connection, conversation_id: str) -> CatalogueEntry | None:
        """One of them, or None."""

    def count_in(self, conn: Connection) -> int:
        """How many there are."""


class Purged(Protocol):
    """Told of messages that leave the log for good, by each feature that keeps something about messages."""

    def purged_in(self, tx: WriteTx, trimmed: Trimmed) -> None:
        """This start of a log goes in this transaction: forget what is kept about its messages."""
