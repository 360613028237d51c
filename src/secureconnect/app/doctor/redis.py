"""Redis: reached, good for writing, reading and deleting, and never dropping what still counts."""

import secrets
from collections.abc import Sequence

from secureconnect.app.doctor.base import Check, Finding, failed, fine
from secureconnect.app.exchange import breaker_rules
from secureconnect.app.settings import Settings
from secureconnect.infra.telemetry.metrics import Metrics
from secureconnect.kit.clock import SystemClock

__all__ = ["redis_checks"]

_FIX = "Check redis.url, its password, and that the server runs and is reachable from here."
_POLICY = "noeviction"


def redis_checks(settings: Settings) -> list[Check]:
    """What processes have between them; nothing without Redis."""
    return [Check("redis", lambda: _redis(settings), _FIX)] if settings.redis.url else []


async def _redis(settings: Settings) -> Sequence[Finding]:
    from secureconnect.infra.cache.redis import RedisCache
    from secureconnect.infra.redis.address import parse_address
    from secureconnect.infra.redis.line import Refused
    from secureconnect.infra.redis.link import Down, RedisLink

    clock = SystemClock()
    link = RedisLink(
        parse_address(settings.redis.url),
        timeout=settings.redis.timeout,
        health_interval=settings.redis.health_interval,
        rules=breaker_rules(settings),
        metrics=Metrics("doctor", "0").redis,
        clock=clock,
    )
    await link.start()
    cache = RedisCache(link, clock)
    try:
        seconds = await link.ping()
        key, value = f"doctor:{secrets.token_hex(8)}", secrets.token_hex(8)
        await cache.put(key, "probe", value, 10)
        read = await cache.fields(key)
        if read != {"probe": value} or not await cache.drop(key, "probe"):
            return failed("redis", "what was written is not what is read", _FIX)
        found = fine("redis", f"{len(link.topology.nodes)} server(s), answers in {seconds * 1000:.1f} ms")
        try:
            policies = sorted(set(await link.policies()) - {_POLICY})
        except Refused:
            return found  # a user that may not ask for settings
        if policies:
            return failed(
                "redis",
                f"maxmemory-policy is {', '.join(policies)}: rate limits and presence may vanish",
                f"Set maxmemory-policy to {_POLICY}, and give it the memory that it needs.",
            )
    except (Down, Refused) as error:
        why = link.reason or type(error).__name__
        return failed("redis", f"does not answer ({why})", _FIX)
    else:
        return found
    finally:
        await cache.close()
        await link.close()
