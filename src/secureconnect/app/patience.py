"""Waiting for stores: servers start in any order, and may go for a moment while we start."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from secureconnect.infra.telemetry.log import get_logger
from secureconnect.kit.errors import ApiError

__all__ = ["patiently"]

log = get_logger()
T = TypeVar("T")

_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 5.0


async def patiently(ask: Callable[[], Awaitable[T]]) -> T:
    """What `ask` returns, which is asked again, from its beginning, for as long as a store is away.

    Raises whatever it raises that says anything else.
    """
    pause = _FIRST_PAUSE
    while True:
        try:
            return await ask()
        except ApiError as error:
            if error.code.status != 503:
                raise
            log.warning("waiting for a store", error_code=error.code.name, retry_s=pause)
        await asyncio.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE)
