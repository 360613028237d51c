"""Waiting for what will be true soon."""

import asyncio
import os
from collections.abc import Awaitable, Callable

__all__ = ["at_this_load", "eventually"]


async def eventually(condition: Callable[[], Awaitable[bool]], seconds: float = 20) -> None:
    """Return when the condition holds; asked again every 20 ms."""
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 - the condition lives in another process
            await asyncio.sleep(0.02)


def at_this_load(seconds: float) -> float:
    """What `seconds` become on a machine that does other things too."""
    return seconds * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
