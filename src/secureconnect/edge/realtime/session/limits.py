"""How fast one socket may send commands (docs/reference/realtime.md §8), and how much nonsense (§2)."""

import math
from collections import deque
from typing import Protocol

__all__ = ["CommandBucket", "Pace", "Recent"]

_WINDOW = 60.0


class Recent:
    """Counts what happened in the last 60 s, up to `most`."""

    __slots__ = ("_times",)

    def __init__(self, most: int) -> None:
        self._times: deque[float] = deque(maxlen=most)

    def add(self, now: float) -> bool:
        """Count one more; True when the last `most` of them happened within 60 s."""
        times = self._times
        times.append(now)
        return len(times) == times.maxlen and times[0] > now - _WINDOW


class Pace(Protocol):
    """How fast commands may come, and how many at once."""

    @property
    def commands_per_second(self) -> float:
        """In the long run."""

    @property
    def commands_burst(self) -> int:
        """After a pause."""


class CommandBucket:
    """A token bucket; `seconds` are monotonic."""

    __slots__ = ("_settings", "_tokens", "_when")

    def __init__(self, settings: Pace, now: float) -> None:
        self._settings = settings
        self._tokens = float(settings.commands_burst)
        self._when = now

    def take(self, now: float) -> int:
        """0 when one more command fits, else the whole seconds (at least 1) to wait."""
        settings = self._settings
        tokens = self._tokens + (now - self._when) * settings.commands_per_second
        self._when = now
        tokens = min(tokens, settings.commands_burst)
        if tokens >= 1:
            self._tokens = tokens - 1
            return 0
        self._tokens = tokens
        return max(1, math.ceil((1 - tokens) / settings.commands_per_second))
