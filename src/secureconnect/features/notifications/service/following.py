"""Following all timelines: what members did becomes entries in the inboxes of those whom it concerns.

Told is what was committed, once: which event of a conversation was told last is remembered in the transaction
that tells of it. Commits wake the follower; after a crash it looks at everything that may have been left.
"""

import asyncio
import time
from collections.abc import Sequence

from secureconnect.features.conversations.api import Audience, Conversations
from secureconnect.features.messages.api import Messages, Online
from secureconnect.features.notifications import store
from secureconnect.features.notifications.service.stories import TOLD, Story, stories
from secureconnect.features.notifications.service.telling import Teller
from secureconnect.features.users.api import Users
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.infra.telemetry.log import get_logger
from secureconnect.infra.timeline.base import StoredEvent, Timeline
from secureconnect.kit.clock import Clock

__all__ = ["Follower"]

log = get_logger()

_LINGER = 0.3  # seconds that an event may wait for company
_BATCH = 200  # events
_PAGE = 1000  # conversations
_RETRY = 2.0
_SAVE_EVERY = 5.0
#: Commits may come this much (ms) after the time that their event names.
_SLACK = 60_000


class Follower:
    """Tells members of what happened in their conversations. One per server."""

    def __init__(
        self,
        database: Database,
        timeline: Timeline,
        conversations: Conversations,
        messages: Messages,
        users: Users,
        online: Online,
        teller: Teller,
        clock: Clock,
    ) -> None:
        self._database = database
        self._timeline = timeline
        self._conversations = conversations
        self._messages = messages
        self._users = users
        self._online = online
        self._teller = teller
        self._clock = clock
        self._first = 0
        self._waiting: dict[str, None] = {}
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._saved = 0.0

    def committed(self, events: Sequence[StoredEvent]) -> None:
        """A `CommitListener`: returns at once, raises nothing."""
        for event in events:
            if event.kind in TOLD:
                self._waiting[event.conversation_id] = None
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
        prepared = False
        while True:
            try:
                if not prepared:
                    await self._prepare()
                    prepared = True
                await self._wake.wait()
                await asyncio.sleep(_LINGER)
                await self._drain()
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
            self._waiting |= dict.fromkeys(page)
            if len(page) < _PAGE:
                break
            after = page[-1]
        if self._waiting:
            self._wake.set()

    async def _drain(self) -> None:
        """Tell everything that waits."""
        began = self._clock.now()
        self._wake.clear()
        while self._waiting:
            conversation_id = next(iter(self._waiting))
            del self._waiting[conversation_id]
            try:
                more = await self._tell(conversation_id)
            except BaseException:
                self._waiting[conversation_id] = None
                self._wake.set()
                raise
            if more:
                self._waiting[conversation_id] = None
        if time.monotonic() - self._saved >= _SAVE_EVERY:
            await self._database.write(lambda tx: store.set_told_time(tx, began))
            self._saved = time.monotonic()

    async def _tell(self, conversation_id: str) -> bool:
        """Tell the next events of a conversation; True when there are more."""
        upto = await self._database.lookup(lambda conn: store.progress(conn, conversation_id))
        events = await self._timeline.events(conversation_id, after_seq=upto or 0, limit=_BATCH)
        if not events:
            return False
        told = [event for event in events if event.kind in TOLD and event.sent_at >= self._first]
        if told:
            people = {event.actor_id for event in told if event.actor_id is not None}
            names = {
                user_id: record.display_name for user_id, record in (await self._users.many(people)).items()
            }
            facts = await self._conversations.facts(conversation_id)
            here = await self._online.online_among(facts.members) if facts is not None else set()

            def tell(tx: WriteTx) -> None:
                if store.progress(tx.conn, conversation_id) != upto:
                    return  # another process did it
                audience = self._conversations.audience_in(tx.conn, conversation_id)
                if audience is not None:
                    called = self._messages.called_in(tx.conn, conversation_id, told[0].seq, told[-1].seq)
                    self._tell_in(tx, audience, stories(told, audience, called, names), here)
                store.remember(tx, conversation_id, events[-1].seq, events[-1].sent_at)

            await self._database.write(tell)
        else:
            last = events[-1]
            await self._database.write(
                lambda tx: store.remember(tx, conversation_id, last.seq, last.sent_at), brief=True
            )
        return len(events) == _BATCH

    def _tell_in(self, tx: WriteTx, audience: Audience, told: Sequence[Story], here: set[str]) -> None:
        preferences = self._teller.preferences_in(tx, {story.notice.user_id for story in told})
        muted = {listener.user_id for listener in audience.listeners if listener.is_muted(self._clock.now())}
        for story in told:
            notice = story.notice
            wanted = preferences[notice.user_id]
            if notice.type == "mention" and not wanted.mention_enabled:
                # Still a message like any other.
                if story.instead is None:
                    continue
                notice = story.instead
            if notice.user_id in muted and notice.type in {"message", "reaction"}:
                continue
            self._teller.tell_known_in(
                tx, notice, wanted, online=notice.user_id in here, preview=story.preview
            )
