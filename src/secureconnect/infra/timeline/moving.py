"""Moving all logs from one store to another while nothing uses either of them.

The source holds the truth until everything stands in the target, was read back and found equal; only then is
it emptied. Heads are written last, so a copy that was cut off is known by their absence, and made anew.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Final, NamedTuple, Protocol

from secureconnect.infra.timeline.base import AttachedFile, Reacted, StoredMessage, Version

__all__ = ["EventRow", "LogHead", "LogPage", "Logs", "MessageRow", "Moved", "NotMoved", "move"]

_PAGE: Final = 500  # events
_AT_ONCE: Final = 8  # conversations


class NotMoved(Exception):
    """Nothing was lost, and the source is as it was. Says why, in plain English for the operator."""


class LogHead(NamedTuple):
    """Where a log stands; see `Head`."""

    conversation_id: str
    first_seq: int
    last_seq: int
    last_at: int
    message_count: int
    guard: int


class EventRow(NamedTuple):
    """An event. `target_seq` is the place of the message that it is about, if that is still there."""

    seq: int
    event_id: str
    kind: str
    actor_id: str | None
    sent_at: int
    data: bytes
    target_id: str | None
    target_seq: int | None


class MessageRow(NamedTuple):
    """A message and what lies beside it. `message` has neither attachments nor reactions nor a quote."""

    message: StoredMessage
    reply_to_seq: int | None
    attachments: tuple[AttachedFile, ...]
    reactions: tuple[Reacted, ...]
    versions: tuple[Version, ...]


class LogPage(NamedTuple):
    """A stretch of one log, ascending, with the messages that its events brought."""

    events: tuple[EventRow, ...]
    messages: tuple[MessageRow, ...]


class Logs(Protocol):
    """All logs of one store. Whatever is put may be put again."""

    #: As the operator calls the store.
    name: str

    def heads(self) -> AsyncIterator[Sequence[LogHead]]:
        """Every log, in any order, some at a time."""

    async def head(self, conversation_id: str) -> LogHead | None:
        """One of them; None without a log."""

    async def page(self, head: LogHead, after_seq: int, limit: int) -> LogPage:
        """The events after a place, whether this store has that head or not. What points below it points at
        nothing."""

    async def put_page(self, conversation_id: str, page: LogPage) -> None:
        """Write a stretch."""

    async def put_heads(self, heads: Sequence[LogHead]) -> None:
        """Let there be these logs."""

    async def clear(self) -> None:
        """Remove everything, heads first."""


class Moved(NamedTuple):
    """How much it was."""

    conversations: int
    events: int
    messages: int


async def move(source: Logs, target: Logs, tell: Callable[[int, int], None]) -> Moved:
    """Move everything, and empty the source. `tell` hears how many conversations and events were copied.

    Raises:
        NotMoved: both hold messages, or the copy is not what was copied.
        ApiError: a store does not answer. Run it again.
    """
    if not await _anything(source):
        await source.clear()  # what is left where an earlier move was cut off
        return Moved(0, 0, 0)
    async for heads in target.heads():
        for head in heads:
            if await source.head(head.conversation_id) != head:
                raise NotMoved(
                    f"both {source.name} and {target.name} hold messages"
                    f" (conversation {head.conversation_id} differs)"
                )
    await target.clear()
    done = _Done(tell)
    async for heads in source.heads():
        for start in range(0, len(heads), _AT_ONCE):
            some = heads[start : start + _AT_ONCE]
            results = await asyncio.gather(
                *(_copy(source, target, head, done) for head in some), return_exceptions=True
            )
            for failed in (one for one in results if one is not None):
                raise failed
    async for heads in source.heads():
        await target.put_heads(heads)
    await _compare(source, target, done.conversations)
    await source.clear()
    return Moved(done.conversations, done.events, done.messages)


class _Done:
    def __init__(self, tell: Callable[[int, int], None]) -> None:
        self.conversations = self.events = self.messages = 0
        self._tell = tell

    def page(self, page: LogPage) -> None:
        self.events += len(page.events)
        self.messages += len(page.messages)
        self._tell(self.conversations, self.events)

    def log(self) -> None:
        self.conversations += 1
        self._tell(self.conversations, self.events)


async def _copy(source: Logs, target: Logs, head: LogHead, done: _Done) -> None:
    key, seq = head.conversation_id, 0
    while True:
        page = await source.page(head, seq, _PAGE)
        if not page.events:
            break
        await target.put_page(key, page)
        if await target.page(head, seq, len(page.events)) != page:
            raise NotMoved(f"what {target.name} has of conversation {key} is not what {source.name} has")
        done.page(page)
        seq = page.events[-1].seq
    if seq != (head.last_seq if head.last_seq >= head.first_seq else 0):
        raise NotMoved(f"conversation {key} ends at {seq} in {source.name}, and should at {head.last_seq}")
    done.log()


async def _compare(source: Logs, target: Logs, conversations: int) -> None:
    count = 0
    async for heads in target.heads():
        for head in heads:
            if await source.head(head.conversation_id) != head:
                raise NotMoved(f"conversation {head.conversation_id} was changed meanwhile")
        count += len(heads)
    if count != conversations:
        raise NotMoved(f"{target.name} has {count} conversations of {conversations}")


async def _anything(logs: Logs) -> bool:
    async for heads in logs.heads():
        if heads:
            return True
    return False
