"""Who is let in when more is asked than can be done (docs/reference/operations.md §9).

A loop that is asked for more than it can do answers everybody late, and in the end nobody in time. Here the
number of requests that run at once has a limit that follows the loop: while its timers fire late the limit
falls, and while they fire in time it rises again. Who comes above it is refused before anything is done for
them. Nothing is measured while few requests run, and nothing but the loop counts: a slow store makes requests
wait, not the loop, and has bounds of its own.
"""

import asyncio
from typing import Final, Protocol

from secureconnect.infra.telemetry.log import get_logger

__all__ = ["Admission", "AdmissionMetrics"]

log = get_logger()

#: So many always run at once.
_FLOOR: Final = 256
_CEILING: Final = 100_000
_PERIOD: Final = 0.05
#: A timer that is later than this: the loop has too much to do.
_LATE: Final = 0.2
_FALL: Final = 0.8
_RISE: Final = 1.05
#: Seconds without a refusal after which it is over.
_CALM: Final = 2.0


class AdmissionMetrics(Protocol):
    """Where measurements go."""

    def shed(self) -> None:
        """A request was refused because too much is asked."""


class Admission:
    """Counts the requests that run, and says whether one more may. Used on one event loop."""

    def __init__(self, metrics: AdmissionMetrics) -> None:
        self._metrics = metrics
        self._limit = float(_CEILING)
        self._running = 0
        self._timer: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._since: float | None = None
        self._last = 0.0
        self._refused = 0

    @property
    def limit(self) -> int:
        """How many may run at once now."""
        return int(self._limit)

    @property
    def full(self) -> bool:
        """Whether one more has to be refused."""
        return self._running >= self._limit

    def enter(self) -> None:
        """A request begins to run."""
        self._running += 1
        if self._running > _FLOOR and self._timer is None:
            self._watch(asyncio.get_running_loop())

    def leave(self) -> None:
        """It has ended."""
        self._running -= 1

    def refuse(self) -> None:
        """Somebody was refused; the first one of a while is told to the log."""
        self._metrics.shed()
        self._refused += 1
        self._last = asyncio.get_running_loop().time()
        if self._since is None:
            self._since = self._last
            log.warning("too many requests at once, some are refused", limit=self.limit)

    def close(self) -> None:
        """Stop watching."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _watch(self, loop: asyncio.AbstractEventLoop) -> None:
        self._due = loop.time() + _PERIOD
        self._timer = loop.call_at(self._due, self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        if now - self._due > _LATE:
            self._limit = max(_FLOOR, min(self._limit, self._running) * _FALL)
        elif self._running >= self._limit * 0.9:
            self._limit = min(_CEILING, self._limit * _RISE + 1)
        if self._since is not None and now - self._last > _CALM:
            log.info(
                "requests are not refused any more",
                refused=self._refused,
                duration_s=round(self._last - self._since, 3),
            )
            self._since, self._refused = None, 0
        if self._running > _FLOOR or self._since is not None:
            self._watch(loop)
        else:
            # Nobody waits: the next rush is measured anew.
            self._timer, self._limit = None, float(_CEILING)
