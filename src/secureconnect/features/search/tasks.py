"""Upkeep of the index."""

import asyncio

from secureconnect.edge.module import Task
from secureconnect.infra.search.base import SearchIndex
from secureconnect.infra.timeline.base import Timeline

__all__ = ["Sweeper", "tasks"]

_TIDY_EVERY, _SWEEP_EVERY = 60.0, 600.0
_STEPS = 50
_PAUSE = 0.02  # seconds between two steps, for messages to be written
_CONVERSATIONS, _DOCUMENTS = 1000, 1000


class Sweeper:
    """Drops what left the timeline without an event: erased conversations, and what retention cut off."""

    def __init__(self, index: SearchIndex, timeline: Timeline) -> None:
        self._index = index
        self._timeline = timeline
        self._after: str | None = None
        self.done = False

    async def sweep(self) -> int:
        """Look at the next conversations of the index; returns how many documents went. After the last ones
        it is `done`, and begins anew."""
        known = await self._index.conversations(after=self._after, limit=_CONVERSATIONS)
        heads = await self._timeline.heads(known)
        dropped = 0
        for conversation_id, left in known.items():
            head = heads.get(conversation_id)
            first_seq = head.first_seq if head is not None else None
            if first_seq is not None and first_seq <= left:
                continue
            dropped += await self._index.forget(conversation_id, first_seq, _DOCUMENTS)
            if dropped >= _DOCUMENTS:
                self.done = False
                return dropped  # there is more: this page once again
        self._after = max(known) if len(known) == _CONVERSATIONS else None
        self.done = self._after is None
        return dropped


def tasks(index: SearchIndex, sweeper: Sweeper) -> list[Task]:
    """Keep the index quick, and free of what is gone."""

    async def tidy() -> int:
        for _ in range(_STEPS):
            if not await index.tidy():
                break
            await asyncio.sleep(_PAUSE)
        return 0  # nothing to tell: it goes on by itself

    return [Task("search_tidy", _TIDY_EVERY, tidy), Task("search_sweep", _SWEEP_EVERY, sweeper.sweep)]
