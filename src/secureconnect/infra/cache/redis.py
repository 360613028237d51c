"""The cache in Redis or Valkey; while that is away or slow, one of this process.

What this process put is kept here as well: it answers during an outage, and is put again after one, into a
Redis that may have been restarted empty.
"""

import asyncio
import hashlib
import itertools
import math
import os
from collections.abc import Sequence
from typing import Any, Final

from secureconnect.infra.cache.base import Window
from secureconnect.infra.cache.memory import MemoryCache
from secureconnect.infra.cache.scripts import DROP, HIT, PUT, PUT_ABSENT
from secureconnect.infra.redis.line import Refused, Word
from secureconnect.infra.redis.link import Down, RedisLink
from secureconnect.infra.telemetry.log import get_logger
from secureconnect.kit.clock import Clock

__all__ = ["RedisCache"]

log = get_logger()

_PREFIX: Final = "sc:"
_STEP = 1.0  # seconds that the clock may be off before it is believed anew
_AT_ONCE = 200


class RedisCache:
    """A cache that processes share. Every key expires."""

    def __init__(self, link: RedisLink, clock: Clock) -> None:
        self._link = link
        self._clock = clock
        self._own = MemoryCache(clock)
        self._names = itertools.count()
        self._process = os.urandom(6).hex()
        self._offset = clock.now() / 1000 - clock.monotonic()
        self._restoring: asyncio.Task[None] | None = None
        link.on_change(self._link_changed)

    async def hit(self, row: str, key: str, limit: int, window: float) -> Window:
        now = self._now()
        try:
            allowed, hits, newest, blocking = await self._run(
                HIT,
                f"rl:{row}:{key}",
                repr(now),
                repr(window),
                limit,
                f"{self._process}{next(self._names):x}",
            )
        except Down:
            return await self._own.hit(row, key, limit, window)
        last = float(newest) if newest is not None else now
        free = float(blocking) if blocking is not None else now
        return Window(
            bool(allowed),
            limit,
            max(limit - hits, 0),
            math.ceil(last + window),
            max(1, math.ceil(free + window - now)),
        )

    async def put(self, key: str, field: str, value: str, ttl: float) -> None:
        await self._own.put(key, field, value, ttl)
        try:
            await self._put(PUT, key, field, value, ttl)
        except Down:
            return  # it is kept here, and put again

    async def fields(self, key: str) -> dict[str, str]:
        name = (_PREFIX + key).encode()
        try:
            return _live(await self._link.call(name, "HGETALL", name), self._now())
        except Down:
            return await self._own.fields(key)

    async def fields_of(self, keys: Sequence[str]) -> list[dict[str, str]]:
        names = [(_PREFIX + key).encode() for key in keys]
        try:
            found = await self._link.call_each([(name, ("HGETALL", name)) for name in names])
        except Down:
            return await self._own.fields_of(keys)
        now = self._now()
        return [_live(pairs, now) for pairs in found]

    async def drop(self, key: str, field: str) -> bool:
        mine = await self._own.drop(key, field)
        try:
            text = await self._run(DROP, key, field)
        except Down:
            return mine
        return text is not None and float(text.partition(b"|")[0]) > self._now()

    async def close(self) -> None:
        if self._restoring is not None:
            self._restoring.cancel()
            await asyncio.gather(self._restoring, return_exceptions=True)
        await self._own.close()

    async def _put(self, script: str, key: str, field: str, value: str, ttl: float) -> None:
        now = self._now()
        text = f"{now + ttl!r}|{value}"
        await self._run(script, key, repr(now), field, text, math.ceil(ttl * 1000))

    async def _run(self, script: str, key: str, *words: Word) -> Any:
        """Run a script that Redis knows, or learns now. Raises Down."""
        name = (_PREFIX + key).encode()
        try:
            return await self._link.call(name, "EVALSHA", _HASHES[script], 1, name, *words)
        except Refused as error:
            if error.code != "NOSCRIPT":
                raise
        return await self._link.call(name, "EVAL", script, 1, name, *words)

    def _now(self) -> float:
        """The wall clock, as finely as durations are measured."""
        now, wall = self._clock.monotonic() + self._offset, self._clock.now() / 1000
        if abs(now - wall) > _STEP:
            self._offset += wall - now
            now = wall
        return now

    def _link_changed(self, up: bool) -> None:
        if up and (self._restoring is None or self._restoring.done()):
            self._restoring = asyncio.get_running_loop().create_task(self._restore(), name="cache restore")

    async def _restore(self) -> None:
        """Put again what this process put, where nobody else did."""
        left = self._own.entries()
        try:
            while some := list(itertools.islice(left, _AT_ONCE)):
                await asyncio.gather(*(self._put(PUT_ABSENT, *entry) for entry in some))
        except (Down, Refused):
            log.debug("the cache is restored later")


def _live(pairs: Sequence[bytes], now: float) -> dict[str, str]:
    """The fields of an answer whose time is not over."""
    found: dict[str, str] = {}
    for field, text in zip(pairs[::2], pairs[1::2], strict=True):
        until, _, value = text.decode().partition("|")
        if float(until) > now:
            found[field.decode()] = value
    return found


# SHA-1 is the name by which Redis knows a script.
_HASHES: Final = {
    script: hashlib.sha1(script.encode(), usedforsecurity=False).hexdigest()
    for script in (HIT, PUT, PUT_ABSENT, DROP)
}
