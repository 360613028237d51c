"""Metrics of files and their objects (docs/reference/metrics.md)."""

from prometheus_client import CollectorRegistry, Counter, Gauge

__all__ = ["FileMetrics"]


class FileMetrics:
    """Uploads, what is stored, and what the sweepers remove; registered with the other metrics."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._uploads = Counter(
            "storage_uploads", "Uploads that came to an end.", ("result",), registry=registry
        )
        self._rejected = Counter(
            "storage_upload_rejected", "Uploads that were not admitted.", ("reason",), registry=registry
        )
        self._stored = Gauge("storage_bytes_stored", "Bytes of all completed files.", registry=registry)
        self._cleanup = Counter(
            "storage_cleanup", "Objects without a file, removed or not.", ("result",), registry=registry
        )
        for result in ("completed", "failed", "expired"):
            self._uploads.labels(result)
        for reason in ("size", "type", "name", "quota"):
            self._rejected.labels(reason)
        for result in ("ok", "error"):
            self._cleanup.labels(result)

    def upload_ended(self, result: str) -> None:
        self._uploads.labels(result).inc()

    def upload_rejected(self, reason: str) -> None:
        self._rejected.labels(reason).inc()

    def cleaned_up(self, *, ok: bool) -> None:
        self._cleanup.labels("ok" if ok else "error").inc()

    def stored(self, size: int) -> None:
        self._stored.set(size)
