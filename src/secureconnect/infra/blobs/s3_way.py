"""How a bucket is asked: measured, so many at a time, and not at all while it is known not to answer."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import httpx
from obstore.exceptions import GenericError

from secureconnect.infra.blobs.measuring import Measuring, unavailable
from secureconnect.infra.blobs.s3_client import Refused
from secureconnect.infra.resilience.breaker import Breaker, BreakerOpen
from secureconnect.infra.resilience.guard import Bulkhead
from secureconnect.kit.errors import ApiError, ErrorCode

__all__ = ["Way"]

#: Seconds within which a store that is well says so.
_SIGN_OF_LIFE = 1.5


class Way:
    """To one store.

    Args:
        find: asks it for a sign of life.
        breaker: None asks it whatever happened before, as commands do that end soon.
        limit: operations at the same time.
    """

    def __init__(
        self, find: Callable[[], Awaitable[object]], measuring: Measuring, breaker: Breaker | None, limit: int
    ) -> None:
        self._find = find
        self._measuring = measuring
        self._breaker = breaker
        self._bulkhead = Bulkhead(limit)
        self._watching: asyncio.Task[None] | None = None

    @contextlib.asynccontextmanager
    async def operation(self, name: str) -> AsyncIterator[None]:
        """One operation for the length of the block.

        Raises:
            ApiError: `STORAGE_UNAVAILABLE`; at once while it is known that the store does not answer.
        """
        with self._measuring.operation(name):
            if self._bulkhead.full:
                raise unavailable("Too much is asked of the object store.")
            async with self._bulkhead:
                if self._breaker is None:
                    yield
                    return
                self._watch(self._breaker)
                try:
                    with self._breaker.attempt(_ails):
                        yield
                except BreakerOpen as error:
                    raise unavailable() from error

    async def ping(self) -> None:
        """Ask for a sign of life. Without one nothing more is asked until the next.

        Raises:
            ApiError: `STORAGE_UNAVAILABLE`.
        """
        try:
            async with self.operation("ping"):
                await self._alive()
        except ApiError:
            if self._breaker is not None and self._breaker.closed:
                self._breaker.trip("no sign of life")
            raise

    async def close(self) -> None:
        """Ask no more."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)

    def _watch(self, breaker: Breaker) -> None:
        """From the first use on, for that is where there is a loop to run it."""
        if self._watching is None:
            self._watching = asyncio.create_task(breaker.watch(self._alive), name="object store probe")

    async def _alive(self) -> None:
        async with asyncio.timeout(_SIGN_OF_LIFE):
            await self._find()


def _ails(error: Exception) -> bool:
    """Whether the store is ill; one that says no is well."""
    if isinstance(error, Refused):
        return error.status >= 500
    if isinstance(error, ApiError):
        return error.code is ErrorCode.STORAGE_UNAVAILABLE
    return isinstance(error, (httpx.HTTPError, TimeoutError, OSError, GenericError))
