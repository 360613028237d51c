"""How the components stand, asked of them and not older than a few seconds."""

import asyncio
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

from msgspec import Struct

from secureconnect.features.admin.api import Probe
from secureconnect.infra.telemetry.log import get_logger
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ApiError

__all__ = ["Component", "ComponentStatus", "HealthWatch", "Overall", "overall"]

log = get_logger()

_FRESH: Final = 5.0
_TIMEOUT: Final = 2.0

ComponentStatus = Literal["up", "down", "disabled"]
Overall = Literal["healthy", "degraded", "unhealthy"]


class Component(Struct, frozen=True):
    """What a probe found. `latency` in seconds, `checked_at` in milliseconds since the epoch."""

    name: str
    required: bool
    status: ComponentStatus
    latency: float | None
    error: str | None
    checked_at: int


class _Found(NamedTuple):
    at: float
    components: list[Component]


class HealthWatch:
    """Asks every component at most once in five seconds, however many want to know."""

    def __init__(self, probes: Sequence[Probe], clock: Clock) -> None:
        self._probes = probes
        self._clock = clock
        self._found: _Found | None = None
        self._asking = asyncio.Lock()

    async def components(self) -> list[Component]:
        """Every component, in the order in which they were named."""
        async with self._asking:
            if self._found is None or self._clock.monotonic() - self._found.at >= _FRESH:
                at = self._clock.monotonic()
                self._found = _Found(at, await asyncio.gather(*(self._ask(probe) for probe in self._probes)))
            return self._found.components

    async def _ask(self, probe: Probe) -> Component:
        now = self._clock.now()
        try:
            async with asyncio.timeout(_TIMEOUT):
                latency = await probe.ask()
        except (ApiError, OSError) as error:  # a timeout is an OSError too
            # What it says is for the operator's log: it may name hosts.
            log.warning("a component is down", dependency=probe.name, reason=str(error)[:200])
            return Component(probe.name, probe.required, "down", None, "does not answer", now)
        status: ComponentStatus = "up" if latency is not None else "disabled"
        return Component(probe.name, probe.required, status, latency, None, now)


def overall(components: Sequence[Component]) -> Overall:
    """Unhealthy without a required component, degraded without another one."""
    down = [component for component in components if component.status == "down"]
    if any(component.required for component in down):
        return "unhealthy"
    return "degraded" if down else "healthy"
