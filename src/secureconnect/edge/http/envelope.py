"""The one envelope of every answer (docs/reference/conventions.md §3.3)."""

from typing import Any

import msgspec

from secureconnect.kit.clock import Clock, rfc3339
from secureconnect.kit.errors import ApiError

__all__ = ["Headers", "failure", "security_headers", "success"]

Headers = list[tuple[bytes, bytes]]

_encode = msgspec.json.Encoder().encode


def success(data: Any, clock: Clock, request_id: str) -> bytes:
    """`{"success":true,"data":…,"meta":…}`."""
    return b'{"success":true,"data":%b,"meta":{"timestamp":"%b","request_id":"%b"}}' % (
        _encode(data),
        rfc3339(clock.now()).encode(),
        request_id.encode(),
    )


def failure(error: ApiError, clock: Clock, request_id: str) -> bytes:
    """`{"success":false,"error":…,"meta":…}`."""
    body: dict[str, Any] = {"code": error.code.name, "message": error.message[:300]}
    if error.details:
        body["details"] = error.details
    return b'{"success":false,"error":%b,"meta":{"timestamp":"%b","request_id":"%b"}}' % (
        _encode(body),
        rfc3339(clock.now()).encode(),
        request_id.encode(),
    )


def security_headers(*, secure: bool) -> Headers:
    """Headers that every answer carries (docs/reference/conventions.md §3.2)."""
    headers = [
        (b"x-content-type-options", b"nosniff"),
        (b"x-frame-options", b"DENY"),
        (b"referrer-policy", b"strict-origin-when-cross-origin"),
        (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
    ]
    if secure:
        headers.append((b"strict-transport-security", b"max-age=31536000; includeSubDomains"))
    return headers


#: Answers that are data, not pages, load nothing and are framed nowhere.
DATA_POLICY = (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'")
