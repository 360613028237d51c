"""Buses and caches over real servers that speak Redis, each with keys of its own."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from secureconnect.infra.bus.base import Distress
from secureconnect.infra.bus.redis import RedisBus
from secureconnect.infra.cache.redis import RedisCache
from secureconnect.infra.redis.address import parse_address
from secureconnect.infra.redis.link import RedisLink
from secureconnect.infra.resilience.breaker import BreakerRules
from secureconnect.kit.clock import Clock, SystemClock

__all__ = ["Figures", "fresh_database", "opened_bus", "opened_cache", "opened_link", "until"]

_databases = itertools.count()


async def until(condition: Callable[[], bool], seconds: float = 15) -> None:
    """Wait for something that comes from elsewhere."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - nobody tells us
            await asyncio.sleep(0.005)


class Figures:
    """What the metrics show."""

    def __init__(self) -> None:
        self.published: dict[str, int] = {"ok": 0, "failed": 0, "dropped": 0}
        self.failed: list[str] = []
        self.commands: list[str] = []
        self.state = 0
        self.up: bool | None = None

    def breaker(self, dependency: str, state: int) -> None:
        assert dependency == "redis"
        self.state = state

    def dependency(self, name: str, *, up: bool) -> None:
        assert name == "redis"
        self.up = up

    def redis_command(self, command: str, seconds: float) -> None:
        assert seconds >= 0
        self.commands.append(command)

    def redis_failed(self, kind: str) -> None:
        self.failed.append(kind)

    def bus_published(self, result: str, count: int) -> None:
        self.published[result] += count


def fresh_database(url: str) -> str:
    """`url` with a database that no other test of this run uses soon."""
    base, _, _ = url.rpartition("/")
    return url if "+cluster" in url else f"{base}/{next(_databases) % 16}"


@asynccontextmanager
async def opened_link(
    url: str,
    figures: Figures | None = None,
    *,
    timeout: float = 2,
    health_interval: float = 2,
    wait: bool = True,
) -> AsyncIterator[RedisLink]:
    """A link to the server, closed afterwards."""
    link = RedisLink(
        parse_address(url),
        timeout=timeout,
        health_interval=health_interval,
        rules=BreakerRules(failures=5, reset=0.1, successes=2),
        metrics=figures or Figures(),
        clock=SystemClock(),
    )
    await link.start()
    try:
        if wait:
            await until(lambda: link.up)  # a cluster that has just been formed gossips for a moment
        yield link
    finally:
        await link.close()


@asynccontextmanager
async def opened_bus(
    url: str,
    figures: Figures | None = None,
    distress: Distress | None = None,
    *,
    timeout: float = 2,
    health_interval: float = 2,
) -> AsyncIterator[RedisBus]:
    """A bus on a link of its own, closed afterwards."""
    figures = figures or Figures()
    async with opened_link(url, figures, timeout=timeout, health_interval=health_interval) as link:
        bus = RedisBus(link, figures, SystemClock(), distress=distress)
        await bus.start()
        try:
            yield bus
        finally:
            await bus.close()


@asynccontextmanager
async def opened_cache(url: str, clock: Clock) -> AsyncIterator[RedisCache]:
    """A cache on a database without keys, closed afterwards."""
    async with opened_link(url) as link:
        await link.call(b"sc:", "FLUSHDB")
        for line in link._lines[1:]:
            await line.ask("FLUSHDB")
        cache = RedisCache(link, clock)
        try:
            yield cache
        finally:
            await cache.close()
