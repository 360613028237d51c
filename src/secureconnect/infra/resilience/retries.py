"""Repeating what failed: with growing, jittered pauses, and within a budget, so that a dependency in trouble
does not get several times its load."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec

__all__ = ["Retries", "RetryRules"]

T = TypeVar("T")

_SAVED = 10.0  # retries at most that a quiet time saves up


class RetryRules(msgspec.Struct, frozen=True):
    """`attempts` in all; pauses in seconds, doubling from `first` up to `most`; `share`: retries per call
    that the budget grants in the long run."""

    attempts: int = 3
    first: float = 0.1
    most: float = 2.0
    share: float = 0.2


class Retries:
    """One per dependency. Only for operations that may be done twice."""

    def __init__(
        self,
        rules: RetryRules | None = None,
        *,
        chance: Callable[[], float] = random.random,
        pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._rules = rules or RetryRules()
        self._chance = chance
        self._pause = pause
        self._budget = _SAVED

    async def call(self, work: Callable[[], Awaitable[T]], *, again: Callable[[Exception], bool]) -> T:
        """The result of `work`; what it raises, after the last attempt or at once when `again` says no."""
        rules = self._rules
        self._budget = min(_SAVED, self._budget + rules.share)
        attempt = 1
        while True:
            try:
                return await work()
            except Exception as error:
                if attempt >= rules.attempts or self._budget < 1 or not again(error):
                    raise
            self._budget -= 1
            # Half of the pause is chance, so that callers that failed together do not come back together.
            longest = min(rules.most, rules.first * 2 ** (attempt - 1))
            await self._pause(longest * (0.5 + self._chance() / 2))
            attempt += 1
