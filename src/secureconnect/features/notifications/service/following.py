"""Following all timelines: what members did becomes entries in the inboxes of those whom it concerns.

Told is what was committed, once: which event of a conversation was told last is remembered in the transaction
that tells of it. Commits wake the follower, and it keeps what they brought; the timeline is read only when
something is missing from that, and after a crash, for everything that may have been left.

All of this shares the machine with the sends that it follows. So events wait a moment for company, many
conversations share a transaction, a large one is told in parts, and the pauses grow with the work.
"""

import asyncio
import time
from collections.abc import Sequence
from functools import partial

from secureconnect.features.conversations.api import Conversations
from secureconnect.features.friends.api import Friends
from secureconnect.features.messages.api import Messages, Online
from secureconnect.features.notifications import store
from secureconnect.features.notifications.service.narrating import Chapter, Narrator, Told
from secureconnect.features.notifications.service.stories import TOLD
from secureconnect.features.notifications.service.telling import Teller
from secureconnect.features.users.api import Users
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.infra.telemetry.log import get_logger
from secureconnect.infra.timeline.base import StoredEvent, Timeline
from secureconnect.kit.clock import Clock

__all__ = ["Follower"]

log = get_logger()

_LINGER, _LINGER_MOST = 0.3, 3.0  # seconds that an event may wait for company
_SHARE = 0.1  # of the time may go into telling
_BATCH = 200  # events of a conversation
_MOST_KEPT = 20_000  # events; others are read from the timeline
_PAGE = 1000  # conversations
_RETRY = 2.0
_SAVE_EVERY = 5.0
#: Commits may come this much (ms) after the time that their event names.
_SLACK = 60_000


#: What was committed under these changed earlier messages: what is kept of them is read again.
_CHANGES = frozenset({"message_edited", "message_deleted"})


class _Heard:
    """Events of one conversation without gaps, in order; None when they have to be read."""

    __slots__ = ("events",)

    def __init__(self, events: list[StoredEvent] | None) -> None:
        self.events = events

    def hear(self, event: StoredEvent) -> int:
        """Keep it; returns by how many more are kept now."""
        events = self.events
        if events is None:
            return 0
        if event.kind in _CHANGES or event.seq != events[-1].seq + 1 or len(events) == _BATCH:
            self.events = None
            return -len(events)
        events.append(event)
        return 1


class Follower:
    """Tells members of what happened in their conversations. One per process, for what that one committed.

    Args:
        at_once: conversations that are told of side by side. Where they share a commit, many are cheap;
            where each takes a connection, they take it from requests.
    """

    def __init__(
        self,
        database: Database,
        timeline: Timeline,
        conversations: Conversations,
        friends: Friends,
        messages: Messages,
        users: Users,
        online: Online,
        teller: Teller,
        clock: Clock,
        *,
        at_once: int = 32,
    ) -> None:
        self._at_once = at_once
        self._database = database
        self._timeline = timeline
        self._conversations = conversations
        self._online = online
        self._narrator = Narrator(conversations, friends, messages, users, teller, clock)
        self._clock = clock
        self._first = 0
        self._waiting: dict[str, _Heard] = {}
        self._kept = 0
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._saved = 0.0

    def committed(self, events: Sequence[StoredEvent]) -> None:
        """A `CommitListener`: returns at once, raises nothing."""
        for event in events:
            heard = self._waiting.get(event.conversation_id)
            if heard is not None:
                self._kept += heard.hear(event)
            elif event.kind in TOLD:
                room = self._kept < _MOST_KEPT
                self._waiting[event.conversation_id] = _Heard([event] if room else None)
                self._kept += room
        if self._waiting:
            self._wake.set()

    async def missed(self, since: int) -> None:
        """Another process died: tell what was committed since then (ms) and that one did not tell."""
        after: str | None = None
        while True:
            page = await self._timeline.active_since(since - _SLACK, after=after, limit=_PAGE)
            heads = await self._timeline.heads(page)
            told = await self._database.read(lambda conn, page=page: store.progress_among(conn, page))  # type: ignore[misc]
            for conversation_id, head in heads.items():
                if head.last_seq > told.get(conversation_id, 0):
                    self._waiting.setdefault(conversation_id, _Heard(None))
            if len(page) < _PAGE:
                break
            after = page[-1]
        if self._waiting:
            self._wake.set()

    async def start(self) -> None:
        """Begin to tell."""
        self._task = asyncio.create_task(self._run(), name="notifications")

    async def stop(self) -> None:
        """Leave what waits to the next start."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        prepared, linger = False, _LINGER
        while True:
            try:
                if not prepared:
                    await self._prepare()
                    prepared = True
                await self._wake.wait()
                await asyncio.sleep(linger)
                started = time.monotonic()
                await self._drain()
                took = time.monotonic() - started
                linger = min(max(_LINGER, took / _SHARE), _LINGER_MOST)
            except Exception as error:
                log.warning("notifications wait", error=str(error), exc_info=True)
                await asyncio.sleep(_RETRY)

    async def _prepare(self) -> None:
        """Find conversations with events that nobody was told of."""
        now = self._clock.now()

        def begin(tx: WriteTx) -> tuple[int, int]:
            first = store.first_time(tx.conn)
            if first is None:
                store.set_first_time(tx, now)
                first = now
            return first, store.told_time(tx.conn) or first

        self._first, told = await self._database.write(begin)
        after: str | None = None
        while True:
            page = await self._timeline.active_since(told - _SLACK, after=after, limit=_PAGE)
            self._waiting |= {conversation_id: _Heard(None) for conversation_id in page}
            if len(page) < _PAGE:
                break
            after = page[-1]
        if self._waiting:
            self._wake.set()

    async def _drain(self) -> None:
        """Tell what waits now; what comes meanwhile waits for the next time."""
        began = self._clock.now()
        self._wake.clear()
        todo, self._waiting, self._kept = self._waiting, {}, 0
        try:
            while todo:
                some = [(key, todo[key]) for _, key in zip(range(self._at_once), todo, strict=False)]
                more = await asyncio.gather(*(self._tell(*one) for one in some), return_exceptions=True)
                for (conversation_id, heard), left in zip(some, more, strict=True):
                    if left is False:
                        del todo[conversation_id]
                    else:
                        heard.events = None
                for left in more:
                    if isinstance(left, BaseException):
                        raise left
        finally:
            if todo:
                self._waiting |= {key: _Heard(None) for key in todo}
            if self._waiting:
                self._wake.set()
        if time.monotonic() - self._saved >= _SAVE_EVERY:
            await self._database.write(lambda tx: store.set_told_time(tx, began), brief=True)
            self._saved = time.monotonic()

    async def _tell(self, conversation_id: str, heard: _Heard) -> bool:
        """Tell the next events of a conversation; True when there are more, which have to be read."""
        events, from_seq = heard.events, 0
        if events is None:
            upto = await self._database.lookup(lambda conn: store.progress(conn, conversation_id)) or 0
            events = await self._timeline.events(conversation_id, after_seq=upto, limit=_BATCH)
        else:
            from_seq = events[0].seq
        told = [event for event in events if event.kind in TOLD and event.sent_at >= self._first]
        here: set[str] = set()
        if told and (facts := await self._conversations.facts(conversation_id)) is not None:
            here = await self._online.online_among(facts.members)
        chapter = Chapter(conversation_id, from_seq, events, told, here)
        outcome = Told.SOME if events else Told.ALL
        while outcome is Told.SOME:
            outcome = await self._database.write(partial(self._narrator.tell_in, chapter=chapter), brief=True)
        return outcome is Told.MISSED or (heard.events is None and len(events) == _BATCH)
