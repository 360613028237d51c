"""Work that waits at one moment becomes one batch.

One batch is on its way at a time, and whatever comes meanwhile is the next. A batch that takes long, because
a row of it is locked by somebody else, does not hold up the others: then a further one starts beside it; and
one that says so makes way for the next before it is done. A conversation is in one batch at a time, so that
its order is that of asking.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from functools import partial
from typing import Final, Generic, TypeVar

__all__ = ["Batches"]

T = TypeVar("T")
R = TypeVar("R")

_MOST: Final = 256  # per batch: bounds how long the first of it waits for the others
_PATIENCE: Final = 0.02  # seconds that a batch may take before another one starts beside it
_BESIDE: Final = 4


class _Waiting(Generic[T, R]):
    __slots__ = ("future", "item")

    def __init__(self, item: T, future: asyncio.Future[R]) -> None:
        self.item = item
        self.future = future


class Batches(Generic[T, R]):
    """Used on one event loop.

    Args:
        run: does a batch; gives the outcome of each, in order. It answers nobody itself. What it is given
            beside the batch makes way: what is left to do is in nobody's way but that of the same
            conversations.
        lane: the conversation of one.
        once: what two of a batch must not have in common; None for nothing.
    """

    def __init__(
        self,
        run: Callable[[Sequence[T], Callable[[], None]], Awaitable[Sequence[R | BaseException]]],
        *,
        lane: Callable[[T], str],
        once: Callable[[T], Hashable | None],
    ) -> None:
        self._run = run
        self._lane = lane
        self._once = once
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting: deque[_Waiting[T, R]] = deque()
        self._lanes: set[str] = set()  # those of batches on their way
        self._flying: set[asyncio.Task[None]] = set()
        self._planned = False
        self._timer: asyncio.TimerHandle | None = None

    async def add(self, item: T) -> R:
        """Wait until it is done; raises whatever its outcome is."""
        loop = asyncio.get_running_loop()
        waiting: _Waiting[T, R] = _Waiting(item, loop.create_future())
        self._waiting.append(waiting)
        if not self._flying and not self._planned:
            self._plan(loop)
        return await waiting.future

    async def close(self) -> None:
        """Finish what was accepted."""
        while self._waiting or self._tasks:
            await asyncio.wait({*self._tasks} or {asyncio.create_task(asyncio.sleep(0))})

    def _plan(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start a batch. Not at once: whatever else this tick of the loop brings joins it; after another one
        those do whose callers were just answered and that ask again at once.
        """
        self._planned = True
        loop.call_soon(self._start)

    def _start(self) -> None:
        self._planned = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        batch = self._gather()
        if batch:
            task = asyncio.create_task(self._fly(batch))
            self._flying.add(task)
            self._tasks.add(task)
        if self._waiting and len(self._flying) < _BESIDE:
            self._timer = asyncio.get_running_loop().call_later(_PATIENCE, self._start)

    def _gather(self) -> list[_Waiting[T, R]]:
        """The first that wait, without those of conversations on their way and without repeats in it.

        Whatever follows a repeat in its conversation waits with it, or it would come before it.
        """
        batch: list[_Waiting[T, R]] = []
        later: list[_Waiting[T, R]] = []
        keys: set[Hashable] = set()
        held = set(self._lanes)
        while self._waiting and len(batch) < _MOST:
            waiting = self._waiting.popleft()
            if waiting.future.done():
                continue  # its caller was cancelled before anything happened
            lane, key = self._lane(waiting.item), self._once(waiting.item)
            if lane in held or (key is not None and key in keys):
                held.add(lane)
                later.append(waiting)
                continue
            if key is not None:
                keys.add(key)
            batch.append(waiting)
        self._waiting.extendleft(reversed(later))
        return batch

    async def _fly(self, batch: list[_Waiting[T, R]]) -> None:
        lanes = {self._lane(waiting.item) for waiting in batch}
        self._lanes |= lanes
        task = asyncio.current_task()
        assert task is not None
        outcomes: Sequence[R | BaseException]
        try:
            outcomes = await self._run([waiting.item for waiting in batch], partial(self._make_way, task))
        except BaseException as error:  # noqa: BLE001 - every caller gets an answer, whatever happened
            outcomes = [error] * len(batch)
        self._lanes -= lanes
        for waiting, outcome in zip(batch, outcomes, strict=True):
            if waiting.future.done():
                continue
            if isinstance(outcome, BaseException):
                waiting.future.set_exception(outcome)
            else:
                waiting.future.set_result(outcome)
        self._tasks.discard(task)
        self._make_way(task)

    def _make_way(self, task: asyncio.Task[None]) -> None:
        self._flying.discard(task)
        if self._waiting and not self._planned:
            self._plan(asyncio.get_running_loop())
