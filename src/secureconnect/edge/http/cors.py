"""Cross-origin rules: listed origins only, no credentials mode (docs/reference/conventions.md §3.2)."""

from collections.abc import Collection

from secureconnect.edge.http.envelope import Headers

__all__ = ["Cors"]

_PREFLIGHT: Headers = [
    (b"access-control-allow-methods", b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),
    (
        b"access-control-allow-headers",
        (
            b"Authorization, Content-Type, Idempotency-Key, If-Range, Range, X-Request-ID, X-Session-ID, "
            b"traceparent, tracestate"
        ),
    ),
    (b"access-control-max-age", b"86400"),
]
_EXPOSED = (
    b"access-control-expose-headers",
    b", ".join(
        (
            b"X-Request-ID",
            b"X-RateLimit-Limit",
            b"X-RateLimit-Remaining",
            b"X-RateLimit-Reset",
            b"Retry-After",
            b"Content-Disposition",
            b"Content-Range",
            b"ETag",
        )
    )
    + b", Idempotent-Replayed",
)


class Cors:
    """Says which headers an origin gets; an unlisted one gets none."""

    def __init__(self, allowed_origins: Collection[str]) -> None:
        self.replace(allowed_origins)

    def replace(self, allowed_origins: Collection[str]) -> None:
        """Allow these from now on."""
        self._any = "*" in allowed_origins
        self._allowed = frozenset(origin.lower().encode() for origin in allowed_origins)

    def allows(self, origin: bytes) -> bool:
        """Whether pages of `origin` may read answers."""
        return self._any or origin.lower() in self._allowed

    def headers(self, origin: bytes | None, *, preflight: bool = False) -> Headers:
        """CORS headers for one answer."""
        if origin is None:
            return []
        if not self.allows(origin):
            return [(b"vary", b"Origin")]
        return [
            (b"access-control-allow-origin", origin),
            (b"vary", b"Origin"),
            _EXPOSED,
            *(_PREFLIGHT if preflight else ()),
        ]
