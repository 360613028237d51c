"""The order in which the commits of this process are told: that in which they were decided.

Commits of one log may be written at the same time, since a transaction that meets an unfinished one writes it
too. Whoever is done first waits here, so that listeners hear one after the other.
"""

import asyncio
from collections.abc import Iterable

__all__ = ["Order", "Turn"]


class Turn:
    """The place of some commits among those of their logs."""

    __slots__ = ("_before", "_done", "_latest", "_logs")

    def __init__(self, latest: "dict[str, asyncio.Future[None]]", logs: Iterable[str]) -> None:
        self._latest = latest
        self._logs = tuple(logs)
        self._before = [latest[key] for key in self._logs if key in latest]
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        for key in self._logs:
            latest[key] = self._done

    async def come(self) -> None:
        """Wait for those before."""
        for one in self._before:
            if not one.done():
                await asyncio.shield(one)

    def end(self) -> None:
        """Let those after come. May be said more than once."""
        if self._done.done():
            return
        self._done.set_result(None)
        for key in self._logs:
            if self._latest.get(key) is self._done:
                del self._latest[key]


class Order:
    """The turns of one process, given out on its event loop in the order of the commits."""

    def __init__(self) -> None:
        self._latest: dict[str, asyncio.Future[None]] = {}

    def turn(self, logs: Iterable[str]) -> Turn:
        """The next turn for each of these logs."""
        return Turn(self._latest, logs)

    async def idle(self, log: str) -> None:
        """Wait for the end of the latest turn."""
        latest = self._latest.get(log)
        if latest is not None:
            await asyncio.shield(latest)
