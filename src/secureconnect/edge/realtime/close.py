"""Close codes (docs/reference/realtime.md §9): 4000-4499 end, 4500-4999 reconnect, 4008 reconnects at
once.
"""

from enum import IntEnum

import msgspec

__all__ = ["CloseCode", "close_reason"]


class CloseCode(IntEnum):
    """Why the server closes a socket."""

    NORMAL = 1000
    UNAUTHORIZED = 4001
    TOKEN_EXPIRED = 4002
    SESSION_REVOKED = 4003
    BANNED = 4004
    REMOVED = 4005
    CALL_ENDED = 4006
    POLICY = 4007
    SLOW_CONSUMER = 4008
    FRAME_TOO_LARGE = 4009
    REPLACED = 4010
    INTERNAL_ERROR = 4500
    SHUTTING_DOWN = 4501
    DEPENDENCY_UNAVAILABLE = 4503
    IDLE_TIMEOUT = 4504
    RATE_LIMITED = 4529


def close_reason(code: CloseCode, retry_after_ms: int | None = None) -> bytes:
    """The JSON reason, `{"code":"<name>","retry_after_ms":n?}`; empty for a normal close."""
    if code is CloseCode.NORMAL:
        return b""
    reason: dict[str, str | int] = {"code": code.name.lower()}
    if retry_after_ms is not None:
        reason["retry_after_ms"] = retry_after_ms
    return msgspec.json.encode(reason)
