"""Password hashing with Argon2id (RFC 9106), off the event loop and bounded."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher as Argon2
from argon2 import Type
from argon2.exceptions import InvalidHashError, VerificationError

from secureconnect.kit.errors import ApiError, ErrorCode

__all__ = ["PasswordHasher"]

T = TypeVar("T")
_WAIT = 5.0


class PasswordHasher:
    """Hashes on threads, at most `concurrency` at once; the memory of one hash is `memory_kib`.

    Args:
        waited: told the seconds that each hash waited for its turn.
    """

    def __init__(
        self,
        *,
        memory_kib: int,
        time_cost: int,
        parallelism: int,
        concurrency: int,
        waited: Callable[[float], None],
    ) -> None:
        self._argon2 = Argon2(
            time_cost=time_cost, memory_cost=memory_kib, parallelism=parallelism, type=Type.ID
        )
        self._slots = asyncio.Semaphore(concurrency)
        self._threads = ThreadPoolExecutor(concurrency, thread_name_prefix="argon2")
        self._waited = waited
        # Unknown users cost the same work: their password is checked against this one.
        self._nobody = self._argon2.hash("nobody has this password")

    async def hash(self, password: str) -> str:
        """The Argon2id encoding of `password`, with a fresh salt.

        Raises:
            ApiError: `SERVICE_UNAVAILABLE` after 5 s of waiting for a free slot.
        """
        return await self._run(lambda: self._argon2.hash(password))

    async def verify(self, encoded: str | None, password: str) -> bool:
        """Whether `password` belongs to `encoded`; None does the same work and is False. Raises as `hash`."""

        def check() -> bool:
            try:
                self._argon2.verify(encoded or self._nobody, password)
            except (VerificationError, InvalidHashError):
                return False
            return encoded is not None

        return await self._run(check)

    def outdated(self, encoded: str) -> bool:
        """Whether `encoded` was made with weaker parameters than today's."""
        return self._argon2.check_needs_rehash(encoded)

    def close(self) -> None:
        """Stop the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _run(self, work: Callable[[], T]) -> T:
        started = time.monotonic()
        try:
            async with asyncio.timeout(_WAIT):
                await self._slots.acquire()
        except TimeoutError as error:
            raise ApiError(
                ErrorCode.SERVICE_UNAVAILABLE, "Too many logins at this moment.", retry_after=2
            ) from error
        self._waited(time.monotonic() - started)
        # A caller who leaves does not stop the thread: the slot is free when the work is done.
        working = asyncio.get_running_loop().run_in_executor(self._threads, work)
        working.add_done_callback(lambda _: self._slots.release())
        return await asyncio.shield(working)
