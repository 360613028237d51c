"""How many requests one role is given at a time; what is too much is told so at once."""

import asyncio
from collections import deque

__all__ = ["Full", "Turns"]


class Full(Exception):
    """The role is busy, and so are those that wait for it."""


class Turns:
    """A bounded number of requests at work and a bounded wait for a turn.

    Bodies on their way to the role do not count, so that slow clients take no turn from others.

    Args:
        at_once: requests that the role works on.
        waiting: requests that wait for a turn; more are refused.
        patience: seconds that one waits; under a load that lasts, waiting longer only makes answers later.
    """

    def __init__(self, at_once: int, *, waiting: int, patience: float) -> None:
        self._free = at_once
        self._most = waiting
        self._patience = patience
        self._queue: deque[asyncio.Future[None]] = deque()

    async def enter(self) -> None:
        """Take a turn; every one ends with `leave`. Raises Full."""
        if self._free > 0 and not self._queue:
            self._free -= 1
            return
        if len(self._queue) >= self._most:
            raise Full
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        try:
            async with asyncio.timeout(self._patience):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():
                self.leave()  # it came at the moment of giving up
            elif turn in self._queue:
                self._queue.remove(turn)
            if isinstance(error, TimeoutError):
                raise Full from None
            raise

    def leave(self) -> None:
        """The turn is over."""
        while self._queue:
            turn = self._queue.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1
