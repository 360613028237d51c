"""Metrics of overload and backups (docs/reference/metrics.md)."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge

__all__ = ["OperationMetrics"]


class OperationMetrics:
    """What was refused, and when the last backup was made; registered with the other metrics."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._shed = Counter(
            "http_requests_shed", "Requests refused because too much was asked.", registry=registry
        )
        # Its label makes the series appear only where it is asked for: elsewhere no backup is missing.
        self._backup = Gauge(
            "backup_last_success_timestamp_seconds",
            "When the newest verified backup began, 0 without one; there with `backup.schedule`.",
            ("kind",),
            registry=registry,
        )

    def shed(self) -> None:
        self._shed.inc()

    def watch_backups(self, last: Callable[[], float]) -> None:
        """Compute the time of the last verified backup; without a schedule there is no such series."""
        self._backup.labels("scheduled").set_function(last)
