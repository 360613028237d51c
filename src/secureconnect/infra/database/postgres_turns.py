"""Who may try to write: units of work that were in each other's way take turns.

Serializable transactions that touch the same rows fail all but one, and would fail again if they met again.
So a unit of work that is repeated runs alone among those of this process that are repeated, and when it is
repeated once more, alone among all; later, when it knows which rows to lock before it reads anything. Other
processes have their own turns: there chance decides, as it does for the length of the pause.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator

__all__ = ["Turns"]

_ALONE = 2
_ALONE_THOUGH_LOCKED = 4


class Turns:
    """Numbers of attempts count from 0."""

    def __init__(self) -> None:
        self._repeats = asyncio.Lock()
        self._running = 0
        self._open = asyncio.Event()
        self._open.set()
        self._quiet = asyncio.Event()

    @contextlib.asynccontextmanager
    async def turn(self, attempt: int, *, locks: bool = False) -> AsyncIterator[None]:
        """Wait until attempt number `attempt` may run. `locks`: it locks what was contended first of all."""
        if attempt == 0:
            while not self._open.is_set():
                await self._open.wait()
            async with self._counted():
                yield
            return
        alone = attempt >= (_ALONE_THOUGH_LOCKED if locks else _ALONE)
        async with self._repeats:
            if alone:
                self._open.clear()
            try:
                if alone:
                    while self._running:
                        self._quiet.clear()
                        await self._quiet.wait()
                yield
            finally:
                self._open.set()

    @contextlib.asynccontextmanager
    async def _counted(self) -> AsyncIterator[None]:
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1
            if not self._running:
                self._quiet.set()
