"""Metrics of a timeline in Cassandra (docs/reference/metrics.md)."""

from functools import cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from secureconnect.infra.telemetry import tracing

__all__ = ["TimelineStoreMetrics"]

_BUCKETS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_OPERATIONS = ("SELECT", "INSERT", "UPDATE", "DELETE", "connect")
_REASONS = ("timeout", "unavailable", "exhausted", "other")


class TimelineStoreMetrics:
    """Statements on the cluster, and changes that are not in the log yet. May be told on any thread."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._pending = Gauge(
            "timeline_intents_pending",
            "Changes decided in the relational store that are not in their logs yet, for seconds.",
            registry=registry,
        )
        seconds = Histogram(
            "cassandra_query_duration_seconds",
            "Statements on Cassandra, repetitions included.",
            ("operation", "table"),
            buckets=_BUCKETS,
            registry=registry,
        )
        errors = Counter(
            "cassandra_query_errors",
            "Attempts on Cassandra that failed.",
            ("operation", "reason"),
            registry=registry,
        )
        self._retries = Counter(
            "cassandra_query_retries", "Attempts on Cassandra that were repeated.", registry=registry
        )
        for operation in _OPERATIONS:
            for reason in _REASONS:
                errors.labels(operation, reason)
        self._errors = errors
        self._child = cache(seconds.labels)

    def cassandra_query(self, operation: str, table: str, seconds: float) -> None:
        self._child(operation, table).observe(seconds)
        tracing.statement(operation.lower(), table, seconds)

    def cassandra_failed(self, operation: str, reason: str) -> None:
        self._errors.labels(operation, reason).inc()

    def cassandra_retried(self) -> None:
        self._retries.inc()

    def intents_pending(self, count: int) -> None:
        self._pending.set(count)
