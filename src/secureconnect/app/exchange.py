"""What processes of one installation have between them: bus, cache and leases.

In memory for one process alone, over Redis and the database for several.
"""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from msgspec import Struct

from secureconnect.app.settings import Settings
from secureconnect.infra.bus.base import Bus
from secureconnect.infra.bus.distress import LeasedDistress
from secureconnect.infra.bus.memory import MemoryBus
from secureconnect.infra.cache.base import Cache
from secureconnect.infra.cache.memory import MemoryCache
from secureconnect.infra.database.base import Database
from secureconnect.infra.leases.base import Leases
from secureconnect.infra.leases.relational import RelationalLeases
from secureconnect.infra.outbox.relational import RelationalOutbox
from secureconnect.infra.resilience.breaker import BreakerRules
from secureconnect.infra.telemetry.metrics import Metrics
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.hints import CONTROL, Hint, WorkWaits
from secureconnect.kit.ids import new_id

__all__ = ["Exchange", "breaker_rules", "open_exchange", "tell_of_work"]


class Exchange(Struct, frozen=True):
    """`ping` and `policies` (the eviction policy of each server) are None without Redis.

    They raise ApiError `SERVICE_UNAVAILABLE` while Redis is away.
    """

    bus: Bus
    cache: Cache
    #: The name of this process.
    process: str
    #: None when this process is the only one.
    leases: Leases | None
    ping: Callable[[], Awaitable[float]] | None = None
    policies: Callable[[], Awaitable[list[str]]] | None = None


def breaker_rules(settings: Settings) -> BreakerRules:
    """When breakers open and close."""
    rules = settings.resilience
    return BreakerRules(rules.breaker_failures, rules.breaker_reset, rules.breaker_successes)


@contextlib.asynccontextmanager
async def open_exchange(
    settings: Settings, database: Database, clock: Clock, metrics: Metrics
) -> AsyncIterator[Exchange]:
    """Open all; a Redis that is away is joined when it comes back."""
    process = new_id()
    alone = not settings.redis.url and settings.embedded_sql
    leases = None if alone else RelationalLeases(database, clock, process)
    if settings.redis.url:
        async with _over_redis(settings, clock, metrics, process, leases) as exchange:
            yield exchange
        return
    bus, cache = MemoryBus(), MemoryCache(clock)
    try:
        yield Exchange(bus, cache, process, leases)
    finally:
        await bus.close()
        await cache.close()


async def tell_of_work(bus: Bus, outbox: RelationalOutbox) -> None:
    """Let the outbox hear of jobs that other processes put there and do not do."""

    def heard(hint: Hint) -> None:
        if isinstance(hint, WorkWaits):
            outbox.look(hint.kind)

    await bus.subscribe(CONTROL, heard)


@contextlib.asynccontextmanager
async def _over_redis(
    settings: Settings, clock: Clock, metrics: Metrics, process: str, leases: Leases | None
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
    distress = LeasedDistress(leases, process) if leases is not None else None
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
        yield Exchange(bus, cache, process, leases, ping, policies)
    finally:
        await bus.close()
        await cache.close()
        await link.close()
