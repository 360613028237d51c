"""Bus and cache of one process: in memory, or over Redis for several processes."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from msgspec import Struct

from secureconnect.app.settings import Settings
from secureconnect.infra.bus.base import Bus, Distress
from secureconnect.infra.bus.memory import MemoryBus
from secureconnect.infra.cache.base import Cache
from secureconnect.infra.cache.memory import MemoryCache
from secureconnect.infra.resilience.breaker import BreakerRules
from secureconnect.infra.telemetry.metrics import Metrics
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ApiError, ErrorCode

__all__ = ["Exchange", "breaker_rules", "open_exchange"]


class Exchange(Struct, frozen=True):
    """`ping` and `policies` (the eviction policy of each server) are None without Redis.

    They raise ApiError `SERVICE_UNAVAILABLE` while Redis is away.
    """

    bus: Bus
    cache: Cache
    ping: Callable[[], Awaitable[float]] | None = None
    policies: Callable[[], Awaitable[list[str]]] | None = None


def breaker_rules(settings: Settings) -> BreakerRules:
    """When breakers open and close."""
    rules = settings.resilience
    return BreakerRules(rules.breaker_failures, rules.breaker_reset, rules.breaker_successes)


@contextlib.asynccontextmanager
async def open_exchange(
    settings: Settings, clock: Clock, metrics: Metrics, *, distress: Distress | None = None
) -> AsyncIterator[Exchange]:
    """Open both; a Redis that is away is joined when it comes back."""
    if not settings.redis.url:
        bus, cache = MemoryBus(), MemoryCache(clock)
        try:
            yield Exchange(bus, cache)
        finally:
            await bus.close()
            await cache.close()
        return
    async with _over_redis(settings, clock, metrics, distress) as exchange:
        yield exchange


@contextlib.asynccontextmanager
async def _over_redis(
    settings: Settings, clock: Clock, metrics: Metrics, distress: Distress | None
) -> AsyncIterator[Exchange]:
    # Processes without Redis do not load its client.
    from secureconnect.infra.bus.redis import RedisBus
    from secureconnect.infra.cache.redis import RedisCache
    from secureconnect.infra.redis.address import parse_address
    from secureconnect.infra.redis.line import Refused
    from secureconnect.infra.redis.link import Down, RedisLink

    link = RedisLink(
        parse_address(settings.redis.url),
        timeout=settings.redis.timeout,
        health_interval=settings.redis.health_interval,
        rules=breaker_rules(settings),
        metrics=metrics.redis,
        clock=clock,
    )
    bus, cache = RedisBus(link, metrics.redis, clock, distress=distress), RedisCache(link, clock)

    async def ping() -> float:
        try:
            return await link.ping()
        except (Down, Refused) as error:
            raise ApiError(ErrorCode.SERVICE_UNAVAILABLE, "Redis does not answer.") from error

    async def policies() -> list[str]:
        try:
            return await link.policies()
        except (Down, Refused) as error:
            raise ApiError(ErrorCode.SERVICE_UNAVAILABLE, "Redis does not tell its settings.") from error

    metrics.redis.watch(lambda: not bus.ready, link.connections)
    try:
        await link.start()
        await bus.start()
        yield Exchange(bus, cache, ping, policies)
    finally:
        await bus.close()
        await cache.close()
        await link.close()
