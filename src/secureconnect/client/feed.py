"""The events of every conversation in order: without repeats, without gaps.

Per conversation there is a cursor, the seq that was handed on last. The next one is handed on; lower ones are
repeats; a higher one means that some are missing, and from then on the conversation is filled over HTTP until
it has caught up. Live events of a conversation that is being filled only move its target, so nothing new is
shown before what was missed (docs/reference/realtime.md §11).
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Protocol

from secureconnect.client.errors import ApiFailure, ClientError, ConnectionLost, ProtocolError
from secureconnect.client.frames import ConversationAdded, ConversationRemoved, Resumed
from secureconnect.client.models.base import Model
from secureconnect.client.models.messages import Event, EventPage
from secureconnect.client.retry import Backoff

__all__ = ["MAX_RESUME", "ConversationReset", "Feed", "History", "Outlet", "Position"]

#: The most conversations that one `hello` may list (docs/reference/realtime.md §3).
MAX_RESUME = 1000
_PAGE = 500
_FILLS = 4  # fills at the same time


class ConversationReset(Model, frozen=True, kw_only=True):
    """The application's copy of a conversation is no good: drop it, and read afresh what it needs.

    `reason` is `ahead` (the server was restored from a backup) or `truncated` (events are gone for good).
    Events go on above `last_seq`.
    """

    conversation_id: str
    reason: str
    last_seq: int


class Position(Model, frozen=True, kw_only=True):
    """Where the caller stands in a conversation, as the server says."""

    conversation_id: str
    first_seq: int
    last_seq: int
    last_read_seq: int

    @property
    def start(self) -> int:
        """Where to begin when the conversation appeared while nobody looked: with the last read event.

        For a new member that is its own member_added (rules, conversations).
        """
        return max(self.first_seq - 1, self.last_read_seq - 1, 0)


Item = Event | ConversationAdded | ConversationRemoved | ConversationReset


class Outlet(Protocol):
    """Where the feed hands things on."""

    @property
    def full(self) -> bool: ...

    def put(self, item: Item, /) -> None: ...

    async def room(self) -> None: ...


class History(Protocol):
    """What the feed reads over HTTP."""

    async def events(self, conversation_id: str, *, after_seq: int, limit: int) -> EventPage: ...

    async def position(self, conversation_id: str) -> Position: ...


class Feed:
    """Orders what the socket brings and what must be fetched, into one outlet."""

    def __init__(
        self,
        outlet: Outlet,
        history: History,
        *,
        backoff: Callable[[], Backoff] = Backoff,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._outlet = outlet
        self._history = history
        self._backoff = backoff
        self._sleep = sleep
        self._cursors: dict[str, int] = {}
        self._fresh: set[str] = set()  # added, first event not seen yet: its seq is where we begin
        self._targets: dict[str, int] = {}  # being filled, up to this seq at least
        self._fills: dict[str, asyncio.Task[None]] = {}
        self._slots = asyncio.Semaphore(_FILLS)

    @property
    def cursors(self) -> Mapping[str, int]:
        """The seq that was handed on last, per conversation."""
        return self._cursors

    def restore(self, cursors: Mapping[str, int]) -> None:
        """Go on where an earlier run ended."""
        self._cursors.update(cursors)

    def begin(self, conversation_id: str, seq: int) -> None:
        """Start a conversation that is not known yet after `seq`."""
        self._cursors.setdefault(conversation_id, seq)
        self._fresh.discard(conversation_id)

    def announced(self, conversation_id: str) -> bool:
        """True when the application was told about the conversation."""
        return conversation_id in self._cursors or conversation_id in self._fresh

    def resume_request(self, entries: Iterable[Position]) -> dict[str, int]:
        """What to list in `hello`: at most 1,000, those with news first. `entries` is what the server has."""
        heads = {entry.conversation_id: entry.last_seq for entry in entries}
        # What is being filled is fetched anyway; asking for it again would only cost.
        seqs = {known: max(seq, self._targets.get(known, 0)) for known, seq in self._cursors.items()}
        if len(seqs) <= MAX_RESUME:
            return seqs
        ordered = sorted(seqs, key=lambda known: heads.get(known, seqs[known] + 1) <= seqs[known])
        return {known: seqs[known] for known in ordered[:MAX_RESUME]}

    def resumed(self, results: Mapping[str, Resumed]) -> None:
        """Take the answer to `hello`, before the first event that follows it."""
        for conversation_id, result in results.items():
            if result.recovered:
                continue
            if result.reason == "removed":
                self.removed(ConversationRemoved(conversation_id=conversation_id, reason="removed"))
            elif result.reason in {"ahead", "truncated"}:
                self._reset(conversation_id, result.reason, result.last_seq)
            else:  # too_many, unavailable: everything is there, but not on this way
                self._behind(conversation_id, result.last_seq)

    def catch_up(self, entries: Iterable[Position]) -> None:
        """Fetch what is missing in conversations that `hello` had no room for."""
        for entry in entries:
            if entry.last_seq > self._cursors.get(entry.conversation_id, entry.last_seq):
                self._behind(entry.conversation_id, entry.last_seq)

    def event(self, event: Event) -> None:
        """Take an event from the socket."""
        conversation_id, seq = event.conversation_id, event.seq
        cursor = self._cursors.get(conversation_id)
        if conversation_id in self._targets:
            self._targets[conversation_id] = max(seq, self._targets[conversation_id])
        elif cursor is not None and seq <= cursor:
            return
        elif self._is_next(event, cursor) and not self._outlet.full:
            self._hand_on(event)
        else:
            self._behind(conversation_id, seq)

    def added(self, frame: ConversationAdded) -> None:
        """Take `conversation_added` from the socket; its first event follows."""
        conversation_id = frame.conversation.conversation_id
        if conversation_id not in self._cursors:
            self._fresh.add(conversation_id)
        self._outlet.put(frame)

    def removed(self, frame: ConversationRemoved) -> None:
        """Take `conversation_removed` from the socket; nothing more may be read."""
        self._forget(frame.conversation_id)
        self._outlet.put(frame)

    async def aclose(self) -> None:
        """Stop fetching."""
        fills = list(self._fills.values())
        for fill in fills:
            fill.cancel()
        await asyncio.gather(*fills, return_exceptions=True)

    def _is_next(self, event: Event, cursor: int | None) -> bool:
        if cursor is None:
            return event.seq == 1 or event.conversation_id in self._fresh
        return event.seq == cursor + 1

    def _hand_on(self, event: Event) -> None:
        self._cursors[event.conversation_id] = event.seq
        self._fresh.discard(event.conversation_id)
        self._outlet.put(event)

    def _reset(self, conversation_id: str, reason: str, last_seq: int) -> None:
        self._forget(conversation_id)
        self._cursors[conversation_id] = last_seq
        self._outlet.put(ConversationReset(conversation_id=conversation_id, reason=reason, last_seq=last_seq))

    def _forget(self, conversation_id: str) -> None:
        self._cursors.pop(conversation_id, None)
        self._fresh.discard(conversation_id)
        self._targets.pop(conversation_id, None)
        fill = self._fills.pop(conversation_id, None)
        if fill is not None and fill is not asyncio.current_task():
            fill.cancel()

    def _behind(self, conversation_id: str, target: int) -> None:
        self._targets[conversation_id] = max(target, self._targets.get(conversation_id, 0))
        if conversation_id not in self._fills:
            fill = asyncio.create_task(self._fill(conversation_id), name=f"fill {conversation_id}")
            self._fills[conversation_id] = fill

    async def _fill(self, conversation_id: str) -> None:
        backoff = self._backoff()
        while True:
            try:
                async with self._slots:
                    await self._fetch(conversation_id)
            except ApiFailure as error:
                if not error.transient:
                    if error.status in {403, 404}:
                        self.removed(ConversationRemoved(conversation_id=conversation_id, reason="removed"))
                    self._stop_filling(conversation_id)
                    return
            except (ConnectionLost, ProtocolError):
                pass
            except ClientError:
                self._stop_filling(conversation_id)
                return
            else:
                return
            await self._sleep(backoff.next())

    async def _fetch(self, conversation_id: str) -> None:
        cursor = self._cursors.get(conversation_id)
        if cursor is None:
            cursor = (await self._history.position(conversation_id)).start
            self.begin(conversation_id, cursor)
        # No await between the check of the target and its removal: an event that comes later is live again.
        while cursor < self._targets[conversation_id]:
            before = cursor
            page = await self._history.events(conversation_id, after_seq=cursor, limit=_PAGE)
            if not page.events and page.last_seq <= cursor:
                break  # the events above are not there (any more): a restored server
            if page.first_seq > cursor + 1:
                cursor = page.first_seq - 1
                self._outlet.put(
                    ConversationReset(conversation_id=conversation_id, reason="truncated", last_seq=cursor)
                )
                self._cursors[conversation_id] = cursor
            for event in page.events:
                if event.seq == cursor + 1:
                    await self._outlet.room()
                    cursor = event.seq
                    self._hand_on(event)
            if cursor == before:
                raise ProtocolError(f"the events above {cursor} are neither there nor gone")
        self._stop_filling(conversation_id)

    def _stop_filling(self, conversation_id: str) -> None:
        self._targets.pop(conversation_id, None)
        self._fills.pop(conversation_id, None)
