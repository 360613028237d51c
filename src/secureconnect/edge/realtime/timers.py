"""One shared timer wheel for all sockets: 10,000 sleeping tasks would cost more than the sockets."""

import asyncio
import math
from typing import Protocol

from secureconnect.infra.telemetry.log import get_logger
from secureconnect.kit.clock import Clock

__all__ = ["Timed", "Timers"]

log = get_logger()

_TICK = 0.1


class Timed(Protocol):
    """Something that wants to be woken. It has at most one wake-up at a time."""

    due_tick: int

    def due(self) -> None:
        """The time has come; may call `Timers.wake` again."""


class Timers:
    """Wakes things up in buckets of 0.1 s, never early.

    `run` drives the wheel; `poll` alone does it in tests that bring their own clock.
    """

    __slots__ = ("_buckets", "_clock", "_swept")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._buckets: dict[int, set[Timed]] = {}
        self._swept = math.floor(clock.monotonic() / _TICK)

    def wake(self, timed: Timed, seconds: float) -> None:
        """Call `timed.due()` once in `seconds`; replaces an earlier wish."""
        self.forget(timed)
        tick = math.ceil((self._clock.monotonic() + seconds) / _TICK)
        timed.due_tick = max(tick, self._swept + 1)
        self._buckets.setdefault(timed.due_tick, set()).add(timed)

    def forget(self, timed: Timed) -> None:
        """Drop the wish of `timed`, if it has one."""
        bucket = self._buckets.get(timed.due_tick)
        if bucket is not None:
            bucket.discard(timed)
            if not bucket:
                del self._buckets[timed.due_tick]

    def poll(self) -> None:
        """Wake everything whose time has come."""
        now = math.floor(self._clock.monotonic() / _TICK)
        # A long standstill must not mean a walk over every missed tick.
        if now - self._swept > len(self._buckets):
            ticks = sorted(tick for tick in self._buckets if tick <= now)
        else:
            ticks = list(range(self._swept + 1, now + 1))
        self._swept = max(self._swept, now)
        for tick in ticks:
            for timed in self._buckets.pop(tick, ()):
                try:
                    timed.due()
                except Exception:
                    log.exception("timer failed")

    async def run(self) -> None:
        """Drive the wheel until cancelled."""
        while True:
            await asyncio.sleep(_TICK)
            self.poll()
