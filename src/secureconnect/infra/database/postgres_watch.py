"""Whether the server answers: what fails once is not waited for again by everybody.

The first lost connection makes the server suspect: a probe asks it at once, and new work waits for the
answer. While it does not answer, work is refused at once, and a probe every second finds out when it is back
(docs/reference/operations.md §9).
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import Final

from secureconnect.infra.database.metrics import ServerMetrics
from secureconnect.infra.database.postgres_errors import unavailable
from secureconnect.infra.telemetry.log import get_logger

__all__ = ["Watch"]

log = get_logger()

PROBE_SECONDS: Final = 1.0
_CLOSED, _HALF_OPEN, _OPEN = 0, 1, 2


class Watch:
    """Asks the server whether it is there, when there is reason to doubt it.

    Args:
        probe: connects anew and asks; raises whatever goes wrong.
        went_down: called when the server does not answer any more.
        probe_timeout: seconds for one probe.
    """

    def __init__(
        self,
        probe: Callable[[], Awaitable[None]],
        went_down: Callable[[], None],
        *,
        probe_timeout: float,
        metrics: ServerMetrics | None,
    ) -> None:
        self._probe = probe
        self._went_down = went_down
        self._timeout = probe_timeout
        self._metrics = metrics
        self._down_since: float | None = None
        self._checking: asyncio.Task[None] | None = None
        self._answered = asyncio.Event()
        self._tell(_CLOSED)

    @property
    def up(self) -> bool:
        """False while the server is known not to answer."""
        return self._down_since is None

    async def admit(self) -> None:
        """Return when work may be tried.

        Raises:
            ApiError: `DATABASE_UNAVAILABLE`, at once while the server is down.
        """
        if self._checking is None:
            return
        if self._down_since is None:
            await self._answered.wait()
        if self._down_since is not None:
            raise unavailable()

    def suspect(self) -> None:
        """A connection was lost, could not be made, or did not answer in time."""
        if self._checking is None:
            self._answered.clear()
            self._checking = asyncio.create_task(self._check(), name="database probe")

    async def close(self) -> None:
        """Stop asking."""
        if self._checking is not None:
            self._checking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._checking

    async def _check(self) -> None:
        self._tell(_HALF_OPEN)
        try:
            while True:
                started = time.monotonic()
                try:
                    async with asyncio.timeout(self._timeout):
                        await self._probe()
                except Exception as found:  # noqa: BLE001 - whatever it is, the server cannot be used
                    self._down(found)
                else:
                    self._back()
                    return
                await asyncio.sleep(max(0.0, PROBE_SECONDS - (time.monotonic() - started)))
        finally:
            self._checking = None
            self._answered.set()

    def _down(self, error: BaseException) -> None:
        if self._down_since is None:
            self._down_since = time.monotonic()
            self._tell(_OPEN)
            log.warning("the database does not answer", dependency="database", error=type(error).__name__)
            self._went_down()
        self._answered.set()

    def _back(self) -> None:
        if self._down_since is not None:
            duration = round(time.monotonic() - self._down_since, 3)
            log.info("the database answers again", dependency="database", duration_s=duration)
        self._down_since = None
        self._tell(_CLOSED)

    def _tell(self, state: int) -> None:
        if self._metrics is not None:
            self._metrics.breaker("database", state)
