"""Metrics of calls and their signaling (docs/reference/metrics.md)."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

__all__ = ["CallMetrics"]

_TYPES = ("audio", "video")
_SECONDS = (10, 30, 60, 120, 300, 600, 1800, 3600, 14400)


class CallMetrics:
    """Calls, and what passes between their sockets; registered with the other metrics."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._over = Counter(
            "calls", "Calls that reached a final state.", ("type", "status"), registry=registry
        )
        self._running = Gauge("calls_active", "Calls ringing or active.", registry=registry)
        self._rooms = Gauge(
            "video_rooms_active", "Calls with a signaling socket on this process.", registry=registry
        )
        self._started = Counter(
            "calls_started", "Calls that began to ring.", ("type", "topology"), registry=registry
        )
        self._seconds = Histogram(
            "calls_duration_seconds",
            "Calls that were answered, from the answer to the end.",
            buckets=_SECONDS,
            registry=registry,
        )
        self._rejected = Counter(
            "call_capacity_rejected", "Attempts to be one too many.", ("at",), registry=registry
        )
        self._recovered = Counter(
            "call_recovery_success", "Lost signaling sockets that came back in time.", registry=registry
        )
        self._unrecovered = Counter(
            "call_recovery_failed", "Lost signaling sockets that did not.", registry=registry
        )
        self._signaled = Counter(
            "signaling_messages", "Frames passed between participants.", ("type",), registry=registry
        )
        for call_type in _TYPES:
            for status in ("ended", "missed", "declined", "failed"):
                self._over.labels(call_type, status)
            for topology in ("mesh", "sfu"):
                self._started.labels(call_type, topology)
        for at in ("initiate", "join"):
            self._rejected.labels(at)

    def watch_rooms(self, count: Callable[[], int]) -> None:
        """Compute the gauge from the rooms themselves."""
        self._rooms.set_function(count)

    def call_started(self, call_type: str, topology: str) -> None:
        self._started.labels(call_type, topology).inc()

    def call_over(self, call_type: str, status: str, duration: int | None) -> None:
        self._over.labels(call_type, status).inc()
        if duration is not None:
            self._seconds.observe(duration)

    def calls_running(self, count: int) -> None:
        self._running.set(count)

    def call_capacity_rejected(self, at: str) -> None:
        self._rejected.labels(at).inc()

    def call_recovered(self) -> None:
        self._recovered.inc()

    def call_recovery_failed(self) -> None:
        self._unrecovered.inc()

    def signaled(self, type_: str) -> None:
        """`type_` is the name of a command."""
        self._signaled.labels(type_).inc()
