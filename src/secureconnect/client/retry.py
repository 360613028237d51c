"""When to try again: repeats of requests, and reconnects of the socket."""

import random
from collections.abc import Callable, Sequence

from secureconnect.client.errors import ApiFailure, ConnectionLost

__all__ = ["Backoff", "RetryPolicy"]

#: Refusals that come before anything is done (order of checks), so any request may be repeated after them.
_NOTHING_DONE = frozenset({"RATE_LIMIT_EXCEEDED", "SHUTTING_DOWN", "REQUEST_IN_PROGRESS"})


class RetryPolicy:
    """How often and how long a single call waits before it gives up.

    Args:
        delays: seconds before the first, second … repeat; their number is the number of repeats.
        jitter: each delay is multiplied by a random factor in 1 ± jitter.
        longest_wait: a `Retry-After` above this many seconds is raised instead of waited for.
        rng: the source of jitter, uniform in [0, 1).
    """

    def __init__(
        self,
        delays: Sequence[float] = (1, 2, 4),
        *,
        jitter: float = 0.5,
        longest_wait: float = 30,
        rng: Callable[[], float] = random.random,
    ) -> None:
        self._delays = tuple(delays)
        self._jitter = jitter
        self._longest_wait = longest_wait
        self._rng = rng

    def wait(self, error: Exception, attempt: int, *, repeatable: bool) -> float | None:
        """Seconds to wait before repeating after the `attempt`-th failure (from 0), or None to give up.

        `repeatable` says that doing the thing twice is the same as doing it once.
        """
        if attempt >= len(self._delays):
            return None
        delay = self._delays[attempt] * (1 - self._jitter + 2 * self._jitter * self._rng())
        if isinstance(error, ConnectionLost):
            return delay if repeatable or not error.sent else None
        if not isinstance(error, ApiFailure) or not error.transient or error.status == 423:
            return None
        if not repeatable and error.code not in _NOTHING_DONE:
            return None
        if error.retry_after is None:
            return delay
        if error.retry_after > self._longest_wait:
            return None
        # A little later than told, so that everybody who was refused together does not come back together.
        return error.retry_after * (1 + 0.25 * self._rng())


class Backoff:
    """Delays between reconnects: 1, 2, 4, 8, 16, 30, 30 … s ± 50 % (docs/reference/realtime.md §11).

    Args:
        delays: seconds; the last one repeats for ever.
        jitter: each delay is multiplied by a random factor in 1 ± jitter.
        reset_after: a connection that lived this many seconds starts the row anew.
        rng: the source of jitter, uniform in [0, 1).
    """

    def __init__(
        self,
        delays: Sequence[float] = (1, 2, 4, 8, 16, 30),
        *,
        jitter: float = 0.5,
        reset_after: float = 60,
        rng: Callable[[], float] = random.random,
    ) -> None:
        self._delays = tuple(delays)
        self._jitter = jitter
        self._reset_after = reset_after
        self._rng = rng
        self._step = 0

    def lived(self, seconds: float) -> None:
        """Note how long the connection that just ended was open."""
        if seconds >= self._reset_after:
            self._step = 0

    def next(self) -> float:
        """The next delay in seconds."""
        delay = self._delays[min(self._step, len(self._delays) - 1)]
        self._step += 1
        return delay * (1 - self._jitter + 2 * self._jitter * self._rng())
