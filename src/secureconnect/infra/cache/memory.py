"""The embedded cache: plain dictionaries, swept now and then so that nothing grows for good."""

import math
from collections import deque
from collections.abc import Iterator, Sequence

from secureconnect.infra.cache.base import Window
from secureconnect.kit.clock import Clock

__all__ = ["MemoryCache"]

_SWEEP_EVERY = 4096


class MemoryCache:
    """A cache for one process."""

    __slots__ = ("_clock", "_hashes", "_operations", "_windows")

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._windows: dict[tuple[str, str], tuple[float, deque[float]]] = {}
        self._hashes: dict[str, dict[str, tuple[str, float]]] = {}
        self._operations = 0

    async def hit(self, row: str, key: str, limit: int, window: float) -> Window:
        now = self._clock.monotonic()
        self._sweep(now)
        entry = self._windows.get((row, key))
        if entry is None or entry[0] != window:
            # A limit that was changed meanwhile keeps the hits that were counted.
            entry = self._windows[row, key] = (window, entry[1] if entry else deque())
        hits = entry[1]
        start = now - window
        while hits and hits[0] <= start:
            hits.popleft()
        allowed = len(hits) < limit
        if allowed:
            hits.append(now)
        newest = hits[-1] if hits else now
        # One more fits when this hit has left the window: the oldest, unless the limit was lowered meanwhile.
        blocking = hits[len(hits) - limit] if 0 < limit <= len(hits) else newest
        wall = self._clock.now() / 1000
        return Window(
            allowed,
            limit,
            max(limit - len(hits), 0),
            math.ceil(wall + newest + window - now),
            max(1, math.ceil(blocking + window - now)),
        )

    async def put(self, key: str, field: str, value: str, ttl: float) -> None:
        now = self._clock.monotonic()
        self._sweep(now)
        self._hashes.setdefault(key, {})[field] = (value, now + ttl)

    async def fields(self, key: str) -> dict[str, str]:
        return self._live(key, self._clock.monotonic())

    async def fields_of(self, keys: Sequence[str]) -> list[dict[str, str]]:
        now = self._clock.monotonic()
        return [self._live(key, now) for key in keys]

    def _live(self, key: str, now: float) -> dict[str, str]:
        return {field: value for field, (value, until) in self._hashes.get(key, {}).items() if until > now}

    async def drop(self, key: str, field: str) -> bool:
        entry = self._hashes.get(key, {}).pop(field, None)
        if not self._hashes.get(key, True):
            del self._hashes[key]
        return entry is not None and entry[1] > self._clock.monotonic()

    def entries(self) -> Iterator[tuple[str, str, str, float]]:
        """Key, field, value and seconds left of what is live now."""
        now = self._clock.monotonic()
        live = [
            (key, field, value, until - now)
            for key, entries in self._hashes.items()
            for field, (value, until) in entries.items()
            if until > now
        ]
        return iter(live)

    async def close(self) -> None:
        self._windows.clear()
        self._hashes.clear()

    def _sweep(self, now: float) -> None:
        self._operations += 1
        if self._operations % _SWEEP_EVERY:
            return
        for name, (window, hits) in list(self._windows.items()):
            if not hits or hits[-1] <= now - window:
                del self._windows[name]
        for key, entries in list(self._hashes.items()):
            live = {field: entry for field, entry in entries.items() if entry[1] > now}
            if live:
                self._hashes[key] = live
            else:
                del self._hashes[key]
