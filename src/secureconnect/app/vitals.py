"""What every process tells operators and load balancers (docs/reference/operations.md §5)."""

import hmac
from collections.abc import Awaitable, Callable, Mapping

import msgspec

from secureconnect.edge.http.answers import PageReply
from secureconnect.edge.http.front import Page
from secureconnect.infra.telemetry.metrics import Metrics
from secureconnect.kit.clock import Clock, rfc3339
from secureconnect.kit.errors import ApiError, ErrorCode

__all__ = ["Dependency", "Vitals"]


class Dependency(msgspec.Struct, omit_defaults=True):
    """What a probe found; `latency_ms` is null when nothing answered."""

    status: str
    latency_ms: float | None
    error: str | None = None


class Vitals:
    """Answers /health, /livez and /metrics; /readyz is up to what the process stands on.

    Args:
        service: how the process calls itself.
        metrics_token: when not empty, `/metrics` asks for it.
    """

    def __init__(self, service: str, metrics: Metrics, clock: Clock, *, metrics_token: str) -> None:
        self._service = service
        self._metrics = metrics
        self._clock = clock
        self._token = metrics_token

    def pages(self, *, metrics: bool) -> list[Page]:
        """The pages; without `/metrics` when it is served elsewhere."""
        found: list[tuple[str, Callable[[Mapping[bytes, bytes]], Awaitable[PageReply]]]] = [
            ("/health", self.health),
            ("/livez", self.livez),
            ("/readyz", self.readyz),
        ]
        if metrics:
            found.append(("/metrics", self.metrics))
        return [Page(path, handler) for path, handler in found]

    async def health(self, _: Mapping[bytes, bytes]) -> PageReply:
        """The process answers; nothing else is looked at."""
        body = {"status": "healthy", "service": self._service, "timestamp": rfc3339(self._clock.now())}
        return PageReply(msgspec.json.encode(body))

    async def livez(self, _: Mapping[bytes, bytes]) -> PageReply:
        """The event loop turns."""
        return PageReply(b'{"status":"alive"}')

    async def readyz(self, _: Mapping[bytes, bytes]) -> PageReply:
        """200 while requests can be served, else 503."""
        raise NotImplementedError

    def readiness(self, status: str, dependencies: Mapping[str, Dependency]) -> PageReply:
        """The answer of `/readyz`; `status` is ready, degraded or unavailable."""
        body = {
            "status": status,
            "service": self._service,
            "timestamp": rfc3339(self._clock.now()),
            "dependencies": dependencies,
        }
        return PageReply(msgspec.json.encode(body), status=503 if status == "unavailable" else 200)

    async def metrics(self, headers: Mapping[bytes, bytes]) -> PageReply:
        """Prometheus text."""
        if self._token:
            given = headers.get(b"authorization", b"")
            if not hmac.compare_digest(given, b"Bearer " + self._token.encode()):
                raise ApiError(ErrorCode.UNAUTHORIZED, "The metrics token is needed.")
        text = await self._metrics.whole()
        return PageReply(text, content_type="text/plain; version=0.0.4; charset=utf-8")
