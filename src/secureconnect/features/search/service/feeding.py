"""Feeding the index from the timeline, off the way of sends.

What was committed comes from the commit listener and waits here for a moment, so that many messages are
written at once. Whoever searches has everything written first that was committed before.

After a crash, or when more came than may wait, the timeline is read again from a time on that is surely in
the index. What was there before the index is added behind the newest, a batch at a time, between everything
else.
"""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Sequence

from secureconnect.features.search.service.comparing import document_of
from secureconnect.infra.search.base import Document, Place, Progress, SearchIndex
from secureconnect.infra.telemetry.log import get_logger
from secureconnect.infra.timeline.base import MESSAGE_KINDS, StoredEvent, StoredMessage, Timeline
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ApiError, ErrorCode

__all__ = ["Feeder"]

log = get_logger()

_KINDS = frozenset((*MESSAGE_KINDS, "message_edited", "message_deleted"))

_LINGER = 0.25  # seconds that a message may wait for company
_BATCH = 500  # messages
_BATCH_CHARS = 1_000_000
_MOST_WAITING = 20_000  # messages; more are read from the timeline again
_MOST_MISSED = 50_000  # messages; when more are missing, the index is made anew
_CONVERSATIONS = 100  # looked at in one read
_PATIENCE = 5.0  # seconds that a search waits
_RETRY_FIRST, _RETRY_MOST = 0.5, 15.0

#: Commits may come this much (ms) after the time that their event names.
_SLACK = 60_000

_LAST_ID = "ffffffff-ffff-ffff-ffff-ffffffffffff"


class Feeder:
    """Keeps one index up to date. One per index."""

    def __init__(self, index: SearchIndex, timeline: Timeline, clock: Clock) -> None:
        self._index = index
        self._timeline = timeline
        self._clock = clock
        self._waiting: deque[StoredEvent] = deque()
        self._writing: list[StoredEvent] = []
        self._heard = 0  # messages that came, those included that were dropped
        # Read the timeline from this time (ms) on; None when nothing is missing but what waits.
        self._behind: int | None = 0
        self._dropped = False
        self._progress = Progress(0, None)
        self._older = 0  # messages added of those that were there before
        self._wake = asyncio.Event()
        self._urgent = asyncio.Event()  # write at once: somebody waits, or a batch is full
        self._hurried = 0  # callers that wait
        self._moved = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None

    def committed(self, events: Sequence[StoredEvent]) -> None:
        """A `CommitListener`: returns at once, raises nothing."""
        for event in events:
            if event.message is None or event.kind not in _KINDS:
                continue
            self._heard += 1
            if len(self._waiting) >= _MOST_WAITING:
                oldest = self._waiting[0].sent_at
                self._behind = min(oldest - _SLACK, oldest if self._behind is None else self._behind)
                self._dropped = True
                self._waiting.clear()
            self._waiting.append(event)
        if self._waiting:
            self._wake.set()
            if len(self._waiting) >= _BATCH:
                self._urgent.set()

    async def missed(self, since: int) -> None:
        """Another process died: write what was committed since then (ms), once more if need be."""
        since -= _SLACK
        self._behind = since if self._behind is None else min(since, self._behind)
        self._dropped = True
        self._wake.set()
        self._urgent.set()

    async def start(self) -> None:
        """Begin to write."""
        self._task = asyncio.create_task(self._run(), name="search index")

    async def stop(self) -> None:
        """Write what waits, if that is quick; the rest is found again at the next start."""
        if self._task is None:
            return
        try:
            await self.caught_up()
        except ApiError:
            log.info("the search index catches up at the next start", waiting=len(self._waiting))
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def caught_up(self) -> None:
        """Return once everything is in the index that was committed before this call.

        Raises:
            ApiError: `SERVICE_UNAVAILABLE` when that takes too long.
        """
        target = self._heard
        if self._written >= target and self._behind is None:
            return
        self._hurried += 1
        self._urgent.set()
        try:
            async with asyncio.timeout(_PATIENCE), self._moved:
                await self._moved.wait_for(lambda: self._written >= target and self._behind is None)
        except TimeoutError:
            raise ApiError(
                ErrorCode.SERVICE_UNAVAILABLE, "The search index is behind.", retry_after=5
            ) from None
        finally:
            self._hurried -= 1

    @property
    def _written(self) -> int:
        return self._heard - len(self._waiting) - len(self._writing)

    async def _run(self) -> None:
        """Do what is due, forever; a step that fails is repeated after a pause."""
        pause, failing_since, prepared = _RETRY_FIRST, 0.0, False
        while True:
            try:
                await (self._step() if prepared else self._prepare())
                prepared = True
            except Exception as error:
                if not failing_since:
                    failing_since = time.monotonic()
                    expected = isinstance(error, ApiError)
                    log.warning("the search index cannot be written", error=str(error), exc_info=not expected)
                self._waiting.extendleft(reversed(self._writing))
                self._writing = []
                await asyncio.sleep(pause)
                pause = min(2 * pause, _RETRY_MOST)
                continue
            if failing_since:
                duration = round(time.monotonic() - failing_since, 3)
                log.info("the search index can be written again", duration_s=duration)
            pause, failing_since = _RETRY_FIRST, 0.0
            async with self._moved:
                self._moved.notify_all()

    async def _prepare(self) -> None:
        """Find out where the index stands; one that knows more than the timeline belongs to another one."""
        progress = await self._index.progress()
        newest = await self._timeline.older_messages(_LAST_ID, 1)
        at = newest[0].sent_at if newest else 0
        if progress is None or at < progress.upto - _SLACK:
            await self._begin()
        else:
            self._progress = progress
            self._behind = min(progress.upto, self._clock.now()) - _SLACK

    async def _begin(self) -> None:
        """Start from nothing. The newest messages are there before anybody searches."""
        self._dropped = False
        newest = await self._timeline.older_messages(_LAST_ID, 1)
        self._progress = Progress(newest[0].sent_at if newest else 0, _LAST_ID)
        await self._index.begin(self._progress)
        await self._add_older(_LAST_ID)
        if not self._dropped:
            self._behind = None

    async def _step(self) -> None:
        if self._behind is not None:
            await self._catch_up(self._behind)
        elif self._waiting:
            await self._pause(_LINGER)
            if self._behind is None:  # else what was dropped comes first
                await self._write()
        elif self._progress.older_than is not None:
            await self._add_older(self._progress.older_than)
        else:
            self._wake.clear()
            await self._wake.wait()

    async def _pause(self, seconds: float) -> None:
        """Let others work, unless somebody waits for this."""
        if not self._hurried and len(self._waiting) < _BATCH:
            self._urgent.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._urgent.wait()

    async def _write(self) -> None:
        messages: list[StoredMessage] = []
        chars = 0
        while self._waiting and len(messages) < _BATCH and chars < _BATCH_CHARS:
            event = self._waiting.popleft()
            assert event.message is not None
            self._writing.append(event)
            messages.append(event.message)
            chars += len(event.message.content)
        await self._put(messages)
        self._writing = []

    async def _put(self, messages: Sequence[StoredMessage]) -> None:
        documents: dict[str, Document] = {}
        gone: dict[str, Place] = {}
        upto, older_than = self._progress.upto, self._progress.older_than
        for message in messages:
            message_id = message.message_id
            upto = max(upto, message.sent_at)
            if older_than is not None and message_id < older_than:
                continue  # it will be read when its turn comes
            document = document_of(message)
            if document is not None:
                documents[message_id] = document
            elif message.deleted_at is not None:
                documents.pop(message_id, None)
                gone[message_id] = Place(message.conversation_id, message.seq)
        await self._index.put(list(documents.values()), gone.values(), upto=upto)
        self._progress = Progress(upto, older_than)

    async def _catch_up(self, since: int) -> None:
        """Put everything that changed `since`, in the order in which it was sent."""
        self._dropped = False
        changed = await self._changed(since)
        if changed is None:
            log.warning("the search index is too far behind and is made anew")
            await self._begin()
            return
        messages = sorted(changed.values(), key=lambda message: message.message_id)
        for start in range(0, len(messages), _BATCH):
            await self._put(messages[start : start + _BATCH])
        if not self._dropped:
            self._behind = None

    async def _changed(self, since: int) -> dict[str, StoredMessage] | None:
        """Messages by id that were sent, edited or deleted `since`; None when they are too many."""
        found: dict[str, StoredMessage] = {}
        after: str | None = None
        while True:
            messages, after = await self._timeline.changed_since(
                since, kinds=_KINDS, after=after, limit=_CONVERSATIONS
            )
            found.update((message.message_id, message) for message in messages)
            if len(found) > _MOST_MISSED:
                return None
            if after is None:
                return found

    async def _add_older(self, before_id: str) -> None:
        """Add one batch of what was there before the index; then let others work for as long."""
        started = time.monotonic()
        messages = await self._timeline.older_messages(before_id, _BATCH)
        documents = [one for message in messages if (one := document_of(message)) is not None]
        older_than = messages[-1].message_id if len(messages) == _BATCH else None
        await self._index.put_older(documents, older_than=older_than)
        self._progress = Progress(self._progress.upto, older_than)
        self._older += len(documents)
        if older_than is not None:
            await self._pause(time.monotonic() - started)
        elif self._older:
            log.info("every message is in the search index", added=self._older)
