"""Metrics of the servers that carry media (docs/reference/metrics.md)."""

from prometheus_client import CollectorRegistry, Counter

__all__ = ["MediaMetrics"]

_OPERATIONS = ("open_room", "participants", "remove", "close_room", "ping")


class MediaMetrics:
    """TURN credentials and requests to the SFU; registered with the other metrics."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._issued = Counter(
            "turn_credentials_issued", "Credentials for the TURN servers.", registry=registry
        )
        self._requests = Counter(
            "sfu_requests", "Requests to the SFU.", ("operation", "result"), registry=registry
        )
        for operation in _OPERATIONS:
            for result in ("ok", "error"):
                self._requests.labels(operation, result)

    def turn_credentials_issued(self) -> None:
        self._issued.inc()

    def sfu_request(self, operation: str, *, ok: bool) -> None:
        self._requests.labels(operation, "ok" if ok else "error").inc()
