"""Metrics of the process as operators see it: readiness, bounds, overload, backups."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge

__all__ = ["OperationMetrics"]


class OperationMetrics:
    """Registered with the other metrics."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def gauge(name: str, text: str) -> Gauge:
            return Gauge(name, text, registry=registry)

        self._ready = gauge("service_ready", "1 while the process can serve, as `/readyz` says.")
        self._disk = gauge("data_dir_size_bytes", "Size of the file system where the data lives.")
        self._memory = gauge("process_memory_limit_bytes", "Memory that the process may have.")
        self._sockets = gauge("websocket_connections_max", "Sockets that the process may have open.")
        self._sessions = gauge("auth_sessions_active", "Sessions that are neither ended nor expired.")
        self._certificate = Gauge(
            "tls_certificate_expiry_timestamp_seconds",
            "When the certificate ends; there with `server.tls_cert_file`.",
            ("file",),
            registry=registry,
        )
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

    def ready(self, *, now: bool) -> None:
        self._ready.set(1 if now else 0)

    def bounds(self, *, disk: int, memory: int, sockets: int) -> None:
        """What the machine and the settings allow."""
        self._disk.set(disk)
        self._memory.set(memory)
        self._sockets.set(sockets)

    def certificate(self, ends: float) -> None:
        """When the certificate that is served ends, in seconds since the epoch."""
        self._certificate.labels("server").set(ends)

    def sessions(self, active: int) -> None:
        self._sessions.set(active)

    def watch_backups(self, last: Callable[[], float]) -> None:
        """Compute the time of the last verified backup; without a schedule there is no such series."""
        self._backup.labels("scheduled").set_function(last)
