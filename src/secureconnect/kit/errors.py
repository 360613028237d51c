"""The closed list of errors that a client can meet, and the one exception that carries them.

No other code appears in an envelope or in a socket `error` frame. One code has exactly one HTTP status;
clients decide by code, never by message (docs/reference/errors.md).
"""

from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

import msgspec

__all__ = ["ApiError", "Detail", "ErrorCode", "invalid"]


class Detail(msgspec.Struct, frozen=True):
    """One fault: `field` is a JSON path such as `options[3]`, `body`, or a parameter name."""

    field: str
    message: str


class _Entry(NamedTuple):
    status: int
    retry: str
    meaning: str


class ErrorCode(_Entry, Enum):
    """Code → HTTP status, whether a repeat can help (`no`, `after` waiting, `fix` first), and meaning."""

    VALIDATION_ERROR = _Entry(
        400,
        "no",
        "field, parameter, header, JSON or cursor invalid; details lists every fault",
    )
    CALL_CAPACITY_REACHED = _Entry(
        400,
        "no",
        "call capacity limit reached, or call is at full capacity (max N participants)",
    )
    MULTIPLE_OPTIONS_NOT_ALLOWED = _Entry(400, "no", "more than one option on a single-choice poll")
    UNKNOWN_COMMAND = _Entry(400, "no", "socket only: unknown type")
    UNAUTHORIZED = _Entry(401, "fix", "credential missing, malformed, forged, of the wrong kind or audience")
    TOKEN_EXPIRED = _Entry(401, "fix", "access token past exp")
    TOKEN_REVOKED = _Entry(401, "fix", "session or token revoked")
    TOKEN_REUSED = _Entry(401, "fix", "refresh token was already used; the session is revoked")
    INVALID_CREDENTIALS = _Entry(401, "no", "wrong login, password or passkey")
    INVALID_TOKEN = _Entry(
        401,
        "no",
        "refresh or single-use token unknown, expired, used, or of another purpose",
    )
    MFA_INVALID = _Entry(401, "no", "wrong or replayed second-factor code")
    FORBIDDEN = _Entry(403, "no", "not a member, role too low, blocked, privacy")
    INSUFFICIENT_SCOPE = _Entry(403, "no", "bot token lacks the scope, or the route takes no bot tokens")
    REAUTH_REQUIRED = _Entry(403, "fix", "step-up needed")
    ACCOUNT_BANNED = _Entry(403, "no", "login of a banned user; details: reason, banned_until")
    EMAIL_NOT_VERIFIED = _Entry(403, "fix", "login before verification")
    FEATURE_DISABLED = _Entry(403, "no", "switched off or not configured on this server")
    EDIT_WINDOW_EXPIRED = _Entry(403, "no", "message too old to edit (or, with a delete window, to delete)")
    E2EE_BLOCKED = _Entry(403, "no", "server-side feature refused for encrypted content")
    ORIGIN_NOT_ALLOWED = _Entry(403, "no", "browser origin not listed")
    URL_SIGNATURE_INVALID = _Entry(
        403,
        "fix",
        "presigned local-store URL altered, expired, or size/type differ",
    )
    NOT_FOUND = _Entry(404, "no", "unknown route or resource, or a file that the caller may not read")
    METHOD_NOT_ALLOWED = _Entry(405, "no", "Allow lists the methods")
    CLIENT_TIMEOUT = _Entry(408, "after", "body not received in time")
    CONFLICT = _Entry(409, "no", "duplicate or impossible in the current state; details names the field")
    IDEMPOTENCY_CONFLICT = _Entry(409, "no", "Idempotency-Key used with another body")
    REQUEST_IN_PROGRESS = _Entry(409, "after", "the first request with this key (or an export) still runs")
    LIMIT_REACHED = _Entry(409, "no", "a count limit (members, pins, reactions, tokens, devices …)")
    OWNERSHIP_TRANSFER_REQUIRED = _Entry(409, "fix", "the owner cannot leave")
    E2EE_REQUIRED = _Entry(409, "fix", "unencrypted content for an encrypted conversation")
    E2EE_EPOCH_CONFLICT = _Entry(409, "fix", "commit for a stale epoch")
    E2EE_KEYS_UNAVAILABLE = _Entry(409, "fix", "a device has no usable keys")
    POLL_CLOSED = _Entry(409, "no", "poll closed")
    POLL_EXPIRED = _Entry(409, "no", "poll past expires_at")
    ALREADY_VOTED = _Entry(409, "no", "vote exists and change is off")
    CALL_ENDED = _Entry(409, "no", "call is over")
    CALL_ALREADY_ACTIVE = _Entry(409, "fix", "the conversation has a running call; details: call_id")
    CALL_ANSWERED_ELSEWHERE = _Entry(409, "fix", "another device of the user is in the call")
    UPLOAD_INCOMPLETE = _Entry(409, "fix", "object or parts missing")
    UPLOAD_MISMATCH = _Entry(409, "no", "stored object differs from the declared size or hash; start over")
    FILE_NOT_READY = _Entry(409, "fix", "upload not completed")
    API_DEPRECATED = _Entry(410, "no", "version removed")
    PAYLOAD_TOO_LARGE = _Entry(413, "no", "request body too large")
    QUOTA_EXCEEDED = _Entry(413, "no", "storage quota; details: available bytes")
    URI_TOO_LONG = _Entry(414, "no", "request line over 8 KiB")
    UNSUPPORTED_MEDIA_TYPE = _Entry(415, "no", "body is not JSON")
    RANGE_NOT_SATISFIABLE = _Entry(416, "no", "Range outside the object")
    ACCOUNT_LOCKED = _Entry(423, "after", "lockout; Retry-After in seconds")
    UPGRADE_REQUIRED = _Entry(426, "no", "socket path without a WebSocket upgrade")
    RATE_LIMIT_EXCEEDED = _Entry(429, "after", "also the per-socket command limit")
    USER_CONNECTION_LIMIT = _Entry(429, "after", "too many sockets of this user")
    HEADERS_TOO_LARGE = _Entry(431, "no", "headers over 16 KiB")
    INTERNAL_ERROR = _Entry(500, "after", "defect; the request id is in the log")
    BAD_GATEWAY = _Entry(502, "after", "role not reachable")
    SERVICE_UNAVAILABLE = _Entry(
        503,
        "after",
        "circuit open, hashing queue full, dependency of this route down without its own code",
    )
    DATABASE_UNAVAILABLE = _Entry(503, "after", "relational store not reachable")
    DB_POOL_EXHAUSTED = _Entry(503, "after", "pool use over 80 %; non-critical request shed")
    TIMELINE_UNAVAILABLE = _Entry(503, "after", "timeline store not reachable; nothing was acknowledged")
    STORAGE_UNAVAILABLE = _Entry(503, "after", "object store not reachable")
    SFU_UNAVAILABLE = _Entry(503, "after", "LiveKit not reachable")
    TOO_MANY_CONNECTIONS = _Entry(503, "after", "process socket limit")
    SHUTTING_DOWN = _Entry(503, "after", "planned stop")
    REQUEST_TIMEOUT = _Entry(504, "after", "no result in 30 s; the outcome is unknown")


class ApiError(Exception):
    """A refusal that the caller is told about, as an HTTP envelope or a socket `error` frame.

    Args:
        code: one of the closed list.
        message: English, for developers, without internals and without the offending value.
        details: every fault found; always given with `VALIDATION_ERROR`.
        retry_after: whole seconds to wait before a repeat can succeed.
        hidden_file: with `NOT_FOUND`, a file that exists and that the caller may not know of: the answer is
            that of an unknown one, the record that of a refusal.
    """

    def __init__(
        self,
        code: ErrorCode,
        message: str | None = None,
        *,
        details: Sequence[Detail] = (),
        retry_after: int | None = None,
        hidden_file: str | None = None,
    ) -> None:
        self.code = code
        self.message = message or code.meaning[:300]
        self.details = tuple(details)
        self.retry_after = retry_after
        self.hidden_file = hidden_file
        super().__init__(self.message)

    @property
    def denial(self) -> bool:
        """Whether the refusal is for want of permission, and is recorded."""
        return self.code.status == 403 or self.hidden_file is not None

    def __repr__(self) -> str:
        return f"ApiError({self.code.name}, {self.message!r})"


def invalid(field: str, message: str) -> ApiError:
    """`VALIDATION_ERROR` for one field."""
    return ApiError(ErrorCode.VALIDATION_ERROR, "The request is not valid.", details=[Detail(field, message)])
