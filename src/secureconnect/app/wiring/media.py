"""The servers that carry the media of calls, as the settings name them."""

from collections.abc import Awaitable, Callable

from secureconnect.app.settings import Settings
from secureconnect.infra.sfu.base import Sfu, SfuUnavailable
from secureconnect.infra.sfu.none import NoSfu
from secureconnect.infra.telemetry.metrics import Metrics
from secureconnect.infra.turn.base import IceServers
from secureconnect.infra.turn.rest import RestCredentials
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ApiError, ErrorCode

__all__ = ["ice_servers", "sfu", "sfu_ping", "turn_ping"]


def ice_servers(settings: Settings, metrics: Metrics) -> IceServers:
    """Credentials for the TURN servers, if any."""
    turn = settings.turn
    return RestCredentials(turn.urls, turn.stun_urls, turn.secret, turn.credential_ttl, metrics.media)


def sfu(settings: Settings, metrics: Metrics, clock: Clock) -> Sfu:
    """LiveKit, or none. Inside of the event loop; whoever asks closes it."""
    chosen = settings.sfu
    if not chosen.livekit_url:
        return NoSfu()
    # What only this needs takes time to load.
    from secureconnect.infra.resilience.breaker import Breaker, BreakerRules
    from secureconnect.infra.resilience.guard import Guard
    from secureconnect.infra.sfu.livekit import TIMEOUT, LiveKit, ails
    from secureconnect.infra.sfu.livekit_tokens import LiveKitKey

    limits = settings.resilience
    rules = BreakerRules(limits.breaker_failures, limits.breaker_reset, limits.breaker_successes)
    breaker = Breaker("sfu", rules, metrics, clock)
    return LiveKit(
        chosen.livekit_url,
        LiveKitKey(chosen.livekit_api_key, chosen.livekit_api_secret),
        max_participants=chosen.max_participants,
        ttl=chosen.token_ttl,
        guard=Guard(breaker, limit=limits.bulkhead, timeout=TIMEOUT, counts=ails),
        metrics=metrics.media,
        clock=clock,
    )


def sfu_ping(server: Sfu) -> Callable[[], Awaitable[float]] | None:
    """Asks the server for a sign of life, as health does with every dependency; None where there is none."""
    if not server.configured:
        return None

    async def ping() -> float:
        try:
            return await server.ping() or 0.0
        except SfuUnavailable as error:
            raise ApiError(ErrorCode.SFU_UNAVAILABLE) from error

    return ping


def turn_ping(settings: Settings) -> Callable[[], Awaitable[float]] | None:
    """Asks the TURN servers for a sign of life, without an allocation; None where there are none."""
    if not settings.turn.urls:
        return None

    async def ping() -> float:
        from secureconnect.infra.turn.probe import sign_of_life

        seconds = await sign_of_life(settings.turn.urls)
        if seconds is None:
            raise ApiError(ErrorCode.SERVICE_UNAVAILABLE, "No TURN server answers.")
        return seconds

    return ping
