"""What the gateway could not do."""

from prometheus_client import CollectorRegistry, Counter

__all__ = ["GatewayMetrics"]

_ROLES = ("auth", "chat", "video", "storage")
_REASONS = ("connect", "timeout", "open")


class GatewayMetrics:
    """Counts requests that could not be passed on; 0 in every other process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._errors = Counter(
            "gateway_proxy_errors",
            "Requests that the gateway could not pass on.",
            ("role", "reason"),
            registry=registry,
        )
        for role in _ROLES:
            for reason in _REASONS:
                self._errors.labels(role, reason)

    def proxy_error(self, role: str, reason: str) -> None:
        """`connect`, `timeout`, or `open` (nothing was tried)."""
        self._errors.labels(role, reason).inc()
