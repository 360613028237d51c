"""Appends that wait at one moment become one batch.

One batch is on its way at a time, and whatever comes meanwhile is the next. A batch that takes long, because
a head in it is locked by somebody else, does not hold up the others: then a further one starts beside it. A
conversation is in one batch at a time, so that its order is that of asking.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence

from secureconnect.infra.timeline.base import Appended
from secureconnect.infra.timeline.postgres_append import Send

__all__ = ["AppendQueue"]

_MOST = 256  # per batch: bounds how long the first of it waits for the others
_PATIENCE = 0.02  # seconds that a batch may take before another one starts beside it
_BESIDE = 4

Outcome = Appended | BaseException


class _Waiting:
    __slots__ = ("future", "send")

    def __init__(self, send: Send, future: asyncio.Future[Appended]) -> None:
        self.send = send
        self.future = future


class AppendQueue:
    """Used on one event loop.

    Args:
        run: appends a batch; gives the outcome of each, in order. It answers nobody itself.
    """

    def __init__(self, run: Callable[[Sequence[Send]], Awaitable[Sequence[Outcome]]]) -> None:
        self._run = run
        self._waiting: deque[_Waiting] = deque()
        self._conversations: set[str] = set()  # those of batches on their way
        self._flying: set[asyncio.Task[None]] = set()
        self._planned = False
        self._timer: asyncio.TimerHandle | None = None

    async def append(self, send: Send) -> Appended:
        """Wait until it is committed; raises whatever its outcome is."""
        loop = asyncio.get_running_loop()
        waiting = _Waiting(send, loop.create_future())
        self._waiting.append(waiting)
        if not self._flying and not self._planned:
            self._planned = True
            # Not at once: whatever else this tick of the loop brings joins the batch.
            loop.call_soon(self._start)
        return await waiting.future

    def _start(self) -> None:
        self._planned = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        batch = self._gather()
        if batch:
            task = asyncio.create_task(self._fly(batch))
            self._flying.add(task)
        if self._waiting and len(self._flying) < _BESIDE:
            self._timer = asyncio.get_running_loop().call_later(_PATIENCE, self._start)

    def _gather(self) -> list[_Waiting]:
        """The first that wait, without those of conversations on their way and without repeats in it.

        Whatever follows a repeat in its conversation waits with it, or it would come before it.
        """
        batch: list[_Waiting] = []
        later: list[_Waiting] = []
        keys: set[tuple[str, str | None, str]] = set()
        held = set(self._conversations)
        while self._waiting and len(batch) < _MOST:
            waiting = self._waiting.popleft()
            if waiting.future.done():
                continue  # its caller was cancelled before anything happened
            event = waiting.send.event
            message = event.message
            assert message is not None
            client_id = message.client_message_id
            key = (event.conversation_id, message.sender_id, client_id or "")
            if event.conversation_id in held or (client_id is not None and key in keys):
                held.add(event.conversation_id)
                later.append(waiting)
                continue
            if client_id is not None:
                keys.add(key)
            batch.append(waiting)
        self._waiting.extendleft(reversed(later))
        return batch

    async def _fly(self, batch: list[_Waiting]) -> None:
        conversations = {waiting.send.event.conversation_id for waiting in batch}
        self._conversations |= conversations
        outcomes: Sequence[Outcome]
        try:
            outcomes = await self._run([waiting.send for waiting in batch])
        except BaseException as error:  # noqa: BLE001 - every caller gets an answer, whatever happened
            outcomes = [error] * len(batch)
        self._conversations -= conversations
        for waiting, outcome in zip(batch, outcomes, strict=True):
            if waiting.future.done():
                continue
            if isinstance(outcome, BaseException):
                waiting.future.set_exception(outcome)
            else:
                waiting.future.set_result(outcome)
        task = asyncio.current_task()
        assert task is not None
        self._flying.discard(task)
        if self._waiting and not self._planned:
            self._planned = True
            # After the callers that were just answered: those that write again at once join the next batch.
            asyncio.get_running_loop().call_soon(self._start)
