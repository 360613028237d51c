"""Small stand-ins for the neighbours of messages, which tests set up and look into."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from secureconnect.features.conversations.api import Facts, MemberFact
from secureconnect.features.users.api import Privacy, UserRecord
from secureconnect.infra.bus.memory import MemoryBus
from secureconnect.infra.database.base import WriteTx
from secureconnect.infra.timeline.base import (
    Appended,
    GuardChanged,
    NewEvent,
    Statement,
    StoredEvent,
    StoredMessage,
)
from secureconnect.kit.hints import Hint
from secureconnect.kit.ids import new_id
from secureconnect.kit.objects import ConversationSettings, Poll
from secureconnect.kit.principal import Principal

__all__ = [
    "NO_FILES",
    "FakeClock",
    "FakeConversations",
    "FakeHorizons",
    "FakeTimeline",
    "FakeUsers",
    "HeardBus",
    "NoMetrics",
    "NoPolls",
    "NobodyOnline",
    "caller",
    "event",
    "facts",
    "message",
    "user",
]


class _NoFiles:
    """There are no files: whoever asks for one has a fault."""

    def __getattr__(self, name: str) -> object:
        raise AssertionError(f"{name} of a file that does not exist")


NO_FILES: Any = _NoFiles()

START = 1_700_000_000_000


class FakeClock:
    """Stands still until told."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def now(self) -> int:
        return START + int(self.seconds * 1000)

    def monotonic(self) -> float:
        return self.seconds


class FakeHorizons:
    """Every member may read from `first` on."""

    def __init__(self, first: int = 1) -> None:
        self.first = first

    def visible_from_in(
        self, conn: Connection, user_id: str, conversation_ids: Collection[str]
    ) -> dict[str, int]:
        return dict.fromkeys(conversation_ids, self.first)

    def known_to_all(self, conversation_id: str, seq: int) -> bool:
        return seq >= self.first


class NoMetrics:
    """Remembers what was counted."""

    def __init__(self) -> None:
        self.counted: list[tuple[str, str | None]] = []

    def event(self, kind: str, message_type: str | None) -> None:
        self.counted.append((kind, message_type))


class HeardBus(MemoryBus):
    """Writes down everything published."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[tuple[str, Hint]] = []
        self._more = asyncio.Event()

    def publish(self, channel: str, hint: Hint) -> None:
        self.heard.append((channel, hint))
        super().publish(channel, hint)
        self._more.set()

    async def until(self, happened: Callable[[], bool]) -> None:
        """Wait for what comes until `happened`."""
        async with asyncio.timeout(5):
            while not happened():
                self._more.clear()
                await self._more.wait()


class FakeUsers:
    """Records by id. `broken` makes the next look-ups fail with what it holds."""

    def __init__(self, *records: UserRecord) -> None:
        self.records = {record.user_id: record for record in records}
        self.broken: list[Exception] = []
        self.asked = 0

    async def get(self, user_id: str) -> UserRecord | None:
        return (await self.many([user_id])).get(user_id)

    async def many(self, user_ids: Collection[str]) -> dict[str, UserRecord]:
        self.asked += 1
        if self.broken:
            raise self.broken.pop()
        return {user_id: self.records[user_id] for user_id in user_ids if user_id in self.records}


class FakeConversations:
    """One conversation; `next_facts` are what `stale_facts` will give, one after the other."""

    def __init__(self, current: Facts | None) -> None:
        self.current = current
        self.next_facts: list[Facts | None] = []

    async def facts(self, conversation_id: str) -> Facts | None:
        return self.current if self.current and self.current.conversation_id == conversation_id else None

    async def stale_facts(self, stale: Facts) -> Facts | None:
        if self.next_facts:
            self.current = self.next_facts.pop(0)
        return self.current

    def sent(
        self, conversation_id: str, sender_id: str | None, sent_at: int, *, wake: bool
    ) -> Sequence[Statement]:
        statements = [Statement("marks", (sent_at, conversation_id, sender_id))]
        return [*statements, Statement("wake", ())] if wake else statements


class FakeTimeline:
    """One log in memory with the promises of `append`: the guard, and one result per client_message_id."""

    def __init__(self, guard: int = 0) -> None:
        self.guard = guard
        self.log: list[StoredEvent] = []
        self.rode: list[Sequence[Statement]] = []

    async def append(self, new: NewEvent, *, guard: int, also: Sequence[Statement] = ()) -> Appended:
        said = new.message
        assert said is not None
        for earlier in self.log:
            known = earlier.message
            if (
                known is not None
                and said.client_message_id is not None
                and (known.sender_id, known.client_message_id) == (said.sender_id, said.client_message_id)
            ):
                return Appended(earlier, duplicate=True)
        if guard != self.guard:
            raise GuardChanged
        seq = len(self.log) + 1
        stored = StoredMessage(
            new.event_id,
            new.conversation_id,
            seq,
            said.sender_id,
            said.client_message_id,
            said.content,
            said.is_encrypted,
            said.message_type,
            said.metadata,
            said.e2ee,
            new.sent_at,
        )
        self.log.append(
            StoredEvent(
                new.conversation_id, seq, new.event_id, new.kind, new.actor_id, new.sent_at, b"", stored
            )
        )
        self.rode.append(also)
        return Appended(self.log[-1])


def caller(user_id: str) -> Principal:
    """Somebody with a session."""
    return Principal(user_id, new_id(), new_id(), "user", 0)


def user(user_id: str, name: str = "User A", *, receipts: bool = True, state: str = "active") -> UserRecord:
    """An account."""
    return UserRecord(
        user_id,
        f"{user_id}@example.test",
        None,
        "a",
        name,
        None,
        None,
        None,
        "user",
        False,
        Privacy(send_read_receipts=receipts),
        state,  # type: ignore[arg-type]
        START,
        START,
    )


def facts(
    members: Collection[str],
    *,
    admins: Collection[str] = (),
    conversation_id: str | None = None,
    guard: int = 0,
    blocked: bool = False,
    wake: bool = False,
    admins_post: bool = False,
    encrypted: bool = False,
) -> Facts:
    """What decides about sends."""
    settings = ConversationSettings(
        is_e2ee_enabled=encrypted,
        post_permission="admins" if admins_post else "members",
        updated_at="2026-01-31T12:00:00.000Z",
    )
    return Facts(
        conversation_id or new_id(),
        "direct" if blocked else "group",
        guard,
        None,
        settings,
        {one: MemberFact("admin" if one in admins else "member", 1, 0) for one in members},
        blocked,
        wake,
    )


def message(
    sender_id: str | None, seq: int = 1, *, key: str | None = None, content: str = "x", **fields: object
) -> StoredMessage:
    """A stored message."""
    conversation_id = str(fields.pop("conversation_id", "c" * 36))
    return StoredMessage(
        new_id(),
        conversation_id,
        seq,
        sender_id,
        key,
        content,
        False,
        "text",
        {},
        None,
        START,
    )


def event(of: StoredMessage | None = None, *, kind: str = "message_created", **fields: object) -> StoredEvent:
    """A stored event, with the message `of` or with `data`."""
    if of is not None:
        return StoredEvent(of.conversation_id, of.seq, of.message_id, kind, of.sender_id, of.sent_at, b"", of)
    conversation_id, seq, data = fields["conversation_id"], fields["seq"], fields["data"]
    assert isinstance(conversation_id, str)
    assert isinstance(seq, int)
    assert isinstance(data, bytes)
    return StoredEvent(conversation_id, seq, new_id(), kind, None, START, data)


class NoPolls:
    """There are no polls."""

    async def cards(self, viewer_id: str | None, poll_ids: Collection[str]) -> Mapping[str, Poll]:
        return {}

    def delete_in(self, tx: WriteTx, poll_id: str) -> None:
        raise AssertionError("there is no poll")


class NobodyOnline:
    """Nobody is there."""

    async def online_among(self, user_ids: Collection[str]) -> set[str]:
        return set()
