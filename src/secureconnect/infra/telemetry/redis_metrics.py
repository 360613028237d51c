"""Metrics of Redis and the bus (docs/reference/metrics.md). Without Redis they stay 0."""

from collections.abc import Callable, Sequence
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from secureconnect.infra.telemetry import tracing

__all__ = ["RedisMetrics"]

_COMMANDS: Final = frozenset({"eval", "evalsha", "hgetall", "ping", "command", "config"})


class RedisMetrics:
    """Commands, connections, and what travels between processes; registered with the other metrics.

    Args:
        breaker, dependency: how all dependencies are shown.
    """

    def __init__(
        self,
        registry: CollectorRegistry,
        buckets: Sequence[float],
        *,
        breaker: Callable[[str, int], None],
        dependency: Callable[[str, bool], None],
    ) -> None:
        self._breaker = breaker
        self._dependency = dependency
        self._commands = Counter("redis_commands", "Redis commands.", ("command",), registry=registry)
        self._seconds = Histogram(
            "redis_command_duration_seconds",
            "Redis commands.",
            ("command",),
            buckets=buckets,
            registry=registry,
        )
        self._errors = Counter("redis_errors", "Redis commands that failed.", ("kind",), registry=registry)
        self._degraded = Gauge(
            "redis_degraded_mode", "1 while this process does without Redis.", registry=registry
        )
        self._connections = Gauge("redis_connections", "Open connections to Redis.", registry=registry)
        self._published = Counter(
            "bus_publish",
            "Hints for other processes; `dropped` ones were not even sent.",
            ("result",),
            registry=registry,
        )
        self._caught_up = Counter(
            "bus_catchup_events",
            "Events that were read from the timeline because no hint brought them.",
            registry=registry,
        )
        self._commands.labels("other")
        self._seconds.labels("other")
        for kind in ("connection", "timeout", "refused"):
            self._errors.labels(kind)
        self._results = {result: self._published.labels(result) for result in ("ok", "failed", "dropped")}

    def watch(self, degraded: Callable[[], bool], connections: Callable[[], int]) -> None:
        """Compute the gauges from the state itself."""
        self._degraded.set_function(lambda: 1.0 if degraded() else 0.0)
        self._connections.set_function(connections)

    def breaker(self, dependency: str, state: int) -> None:
        self._breaker(dependency, state)

    def dependency(self, name: str, *, up: bool) -> None:
        self._dependency(name, up)

    def redis_command(self, command: str, seconds: float) -> None:
        name = command if command in _COMMANDS else "other"
        self._commands.labels(name).inc()
        self._seconds.labels(name).observe(seconds)
        tracing.record(f"redis.{name}", "client", seconds)

    def redis_failed(self, kind: str) -> None:
        self._errors.labels(kind).inc()

    def bus_published(self, result: str, count: int) -> None:
        self._results[result].inc(count)

    def caught_up(self, events: int) -> None:
        self._caught_up.inc(events)
