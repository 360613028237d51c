"""What the timeline suites share: events to append, and a plain model of what must come out."""

from collections.abc import Sequence
from itertools import count

from secureconnect.infra.database.base import Database
from secureconnect.infra.timeline.base import (
    Appended,
    NewEvent,
    NewMessage,
    Quote,
    StoredEvent,
    StoredMessage,
    Timeline,
)
from secureconnect.kit.ids import new_id, new_time_id

__all__ = ["Log", "World", "change", "send"]

_times = count(1_800_000_000_000)


def send(
    conversation_id: str,
    *,
    sender_id: str | None = None,
    client_message_id: str | None = None,
    content: str = "hello",
    metadata: dict[str, str] | None = None,
    e2ee: bytes | None = None,
    quote: Quote | None = None,
) -> NewEvent:
    """A message."""
    return NewEvent(
        conversation_id,
        new_time_id(),
        "message_created",
        sender_id,
        next(_times),
        message=NewMessage(
            sender_id=sender_id,
            client_message_id=client_message_id,
            content=content,
            is_encrypted=e2ee is not None,
            message_type="text",
            metadata=metadata or {},
            e2ee=e2ee,
            quote=quote,
        ),
    )


def change(conversation_id: str, kind: str = "conversation_updated", data: bytes = b"{}") -> NewEvent:
    """An event without a message."""
    return NewEvent(conversation_id, new_time_id(), kind, new_id(), next(_times), data=data)


class World:
    """A timeline, its database, and everything its commit listener heard."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.timeline: Timeline
        self.heard: list[StoredEvent] = []
        self.calls = 0

    def listen(self, events: Sequence[StoredEvent]) -> None:
        self.heard.extend(events)
        self.calls += 1

    async def open(self) -> str:
        """A new conversation with an empty log."""
        conversation_id = new_id()
        await self.database.write(lambda tx: self.timeline.open_in(tx, conversation_id))
        return conversation_id

    async def log(self, conversation_id: str) -> list[StoredEvent]:
        return await self.timeline.events(conversation_id, after_seq=0, limit=100_000)

    async def raise_guard(self, conversation_id: str) -> None:
        await self.database.write(lambda tx: self.timeline.raise_guard_in(tx, conversation_id))


class Log:
    """The model of one conversation."""

    def __init__(self) -> None:
        self.guard = 0
        self.events: list[StoredEvent] = []
        self.sent: dict[tuple[str | None, str], StoredEvent] = {}

    def append(self, event: NewEvent) -> StoredEvent:
        stored = stored_as(event, len(self.events) + 1)
        self.events.append(stored)
        message = stored.message
        if message is not None and message.client_message_id is not None:
            self.sent[message.sender_id, message.client_message_id] = stored
        return stored

    def first(self, event: NewEvent) -> StoredEvent | None:
        message = event.message
        if message is None or message.client_message_id is None:
            return None
        return self.sent.get((message.sender_id, message.client_message_id))

    def send(self, event: NewEvent, guard: int) -> Appended | None:
        """What `append` must return; None for GuardChanged."""
        first = self.first(event)
        if first is not None:
            return Appended(first, duplicate=True)
        return Appended(self.append(event)) if guard == self.guard else None

    @property
    def messages(self) -> list[StoredMessage]:
        return [event.message for event in self.events if event.message is not None]


def stored_as(event: NewEvent, seq: int) -> StoredEvent:
    """`event` at place `seq`."""
    new = event.message
    message = None
    if new is not None:
        message = StoredMessage(
            event.event_id,
            event.conversation_id,
            seq,
            new.sender_id,
            new.client_message_id,
            new.content,
            new.is_encrypted,
            new.message_type,
            new.metadata,
            new.e2ee,
            event.sent_at,
        )
    return StoredEvent(
        event.conversation_id,
        seq,
        event.event_id,
        event.kind,
        event.actor_id,
        event.sent_at,
        event.data(seq) if callable(event.data) else event.data,
        message,
    )
