"""Turns within one process: who works on a conversation, and who comes next.

The claim in the head keeps other processes out; asking it costs a conditional write. In one process a place
in a queue does the same for nothing, and in order.
"""

import asyncio
import threading
from collections import deque

__all__ = ["Lanes"]

_Waiter = tuple[asyncio.AbstractEventLoop, "asyncio.Future[None]"]


class Lanes:
    """One lane per conversation that somebody works on. `try_take` and `give` may be called on any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken: dict[str, deque[_Waiter]] = {}

    def try_take(self, conversation_id: str) -> bool:
        """Take the lane when nobody has it."""
        with self._lock:
            if conversation_id in self._taken:
                return False
            self._taken[conversation_id] = deque()
            return True

    async def take(self, conversation_id: str) -> None:
        """Take the lane; first come, first served."""
        with self._lock:
            queue = self._taken.get(conversation_id)
            if queue is None:
                self._taken[conversation_id] = deque()
                return
            loop = asyncio.get_running_loop()
            turn: asyncio.Future[None] = loop.create_future()
            queue.append((loop, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give(conversation_id)
            raise

    def wanted(self, conversation_id: str) -> bool:
        """Whether somebody waits for a lane that is taken."""
        return bool(self._taken[conversation_id])

    def give(self, conversation_id: str) -> None:
        """Let the next one in."""
        with self._lock:
            queue = self._taken[conversation_id]
            if not queue:
                del self._taken[conversation_id]
                return
            loop, turn = queue.popleft()
        loop.call_soon_threadsafe(self._let_in, conversation_id, turn)

    def _let_in(self, conversation_id: str, turn: "asyncio.Future[None]") -> None:
        if turn.done():
            self.give(conversation_id)  # it went away meanwhile
        else:
            turn.set_result(None)
