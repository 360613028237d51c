"""Everything that stands between a caller and one dependency: room, time, and the breaker."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from secureconnect.infra.resilience.breaker import Breaker, BreakerOpen

__all__ = ["Bulkhead", "Guard", "Unavailable"]

T = TypeVar("T")


class Unavailable(Exception):
    """The dependency was not asked, or did not answer in time. `reason`: open, full or timeout."""

    def __init__(self, dependency: str, reason: str, retry_after: float = 1.0) -> None:
        self.dependency = dependency
        self.reason = reason
        self.retry_after = retry_after
        super().__init__(f"{dependency}: {reason}")


class Bulkhead:
    """At most `limit` operations at a time; as many again may wait, more are refused at once."""

    __slots__ = ("_limit", "_room", "_waiting")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._room = asyncio.Semaphore(limit)
        self._waiting = 0

    @property
    def full(self) -> bool:
        """True when nobody else may even wait."""
        return self._waiting >= self._limit

    async def __aenter__(self) -> None:
        if self._room.locked():
            self._waiting += 1
            try:
                await self._room.acquire()
            finally:
                self._waiting -= 1
        else:
            await self._room.acquire()

    async def __aexit__(self, *_: object) -> None:
        self._room.release()


class Guard:
    """The way to one dependency.

    Args:
        limit: operations at the same time.
        timeout: seconds for one call, its wait for room included.
        counts: tells errors that say the dependency is ill from answers of a healthy one.
    """

    def __init__(
        self, breaker: Breaker, *, limit: int, timeout: float, counts: Callable[[Exception], bool]
    ) -> None:
        self._breaker = breaker
        self._bulkhead = Bulkhead(limit)
        self._timeout = timeout
        self._counts = counts

    async def call(self, work: Callable[[], Awaitable[T]], *, timeout: float | None = None) -> T:
        """The result of `work`, which is called once.

        Raises:
            Unavailable: instead of waiting for what will not come. With the reason `timeout` it is unknown
                whether `work` had an effect.
        """
        name = self._breaker.dependency
        if self._bulkhead.full:
            raise Unavailable(name, "full")
        try:
            async with asyncio.timeout(self._timeout if timeout is None else timeout) as scope:
                async with self._bulkhead:
                    with self._breaker.attempt(self._counts):
                        return await work()
        except BreakerOpen as error:
            raise Unavailable(name, "open", error.retry_after) from error
        except TimeoutError as error:
            if not scope.expired():
                raise
            self._breaker.failed("timeout")
            raise Unavailable(name, "timeout") from error
