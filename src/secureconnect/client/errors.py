"""What can go wrong, as exceptions.

ClientError
├── ApiFailure                    the server refused; see `code`, the closed list of the error reference
│   ├── InvalidRequest            400, `details` lists every fault
│   ├── Unauthorized              401
│   │   ├── InvalidCredentials        wrong login, password or passkey
│   │   ├── WrongCode                 wrong or used code of a second factor
│   │   ├── TokenExpired              the SDK refreshes once by itself before this is seen
│   │   └── SessionEnded              revoked, or a refresh token was used twice: log in again
│   ├── Forbidden                 403
│   │   └── ReauthRequired            call `client.auth.reauthenticate` first
│   ├── NotFound                  404
│   ├── Conflict                  409
│   ├── AccountLocked             423, `retry_after` in seconds
│   ├── RateLimited               429, `retry_after` in seconds
│   └── Unavailable               5xx
├── ConnectionLost                no answer; `sent` says whether the server may have acted
├── SocketClosed                  the chat socket is closed for good, with the close code
├── ProtocolError                 an answer that breaks the protocol
├── NotLoggedIn                   a call that needs tokens before there are any
├── SecondFactorRequired          the login needs a second step
└── EmailVerificationRequired     registered, but no tokens before the address is verified
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from secureconnect.kit.errors import Detail, ErrorCode

if TYPE_CHECKING:
    from secureconnect.client.models.people import User

__all__ = [
    "AccountLocked",
    "ApiFailure",
    "ClientError",
    "Conflict",
    "ConnectionLost",
    "EmailVerificationRequired",
    "Forbidden",
    "InvalidCredentials",
    "InvalidRequest",
    "NotFound",
    "NotLoggedIn",
    "ProtocolError",
    "RateLimited",
    "ReauthRequired",
    "SecondFactorRequired",
    "SessionEnded",
    "SocketClosed",
    "TokenExpired",
    "Unauthorized",
    "Unavailable",
    "WrongCode",
    "failure",
]


class ClientError(Exception):
    """Base of everything that this package raises on purpose."""


class ApiFailure(ClientError):
    """The server refused, in an envelope or in a socket `error` frame.

    Decide by `code`, never by `message`. `status` is the HTTP status that belongs to the code (0 for a code
    that this version does not know, on a socket). `retry_after` is in seconds.
    """

    def __init__(
        self,
        code: str,
        status: int,
        message: str,
        *,
        details: Sequence[Detail] = (),
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        self.code = code
        self.status = status
        self.message = message
        self.details = tuple(details)
        self.request_id = request_id
        self.retry_after = retry_after
        faults = "; ".join(f"{detail.field}: {detail.message}" for detail in self.details)
        super().__init__(f"{code}: {message}" + (f" ({faults})" if faults else ""))

    @property
    def transient(self) -> bool:
        """True when waiting and repeating can help: retry `after` in the error reference, or a 5xx."""
        known = ErrorCode.__members__.get(self.code)
        return known.retry == "after" if known else self.status >= 500


class InvalidRequest(ApiFailure):
    """400: a field, parameter, id or cursor is invalid."""


class Unauthorized(ApiFailure):
    """401."""


class InvalidCredentials(Unauthorized):
    """Unknown user, wrong password or deleted account; the server does not say which."""


class WrongCode(Unauthorized):
    """A code of a second factor that is wrong or was used before."""


class TokenExpired(Unauthorized):
    """The access token is past its expiry."""


class SessionEnded(Unauthorized):
    """The session was revoked: log in again."""


class Forbidden(ApiFailure):
    """403."""


class ReauthRequired(Forbidden):
    """The action needs a recent authentication."""


class NotFound(ApiFailure):
    """404."""


class Conflict(ApiFailure):
    """409: impossible in the current state."""


class AccountLocked(ApiFailure):
    """423: too many failed logins from this address."""


class RateLimited(ApiFailure):
    """429."""


class Unavailable(ApiFailure):
    """5xx: the server or something behind it cannot answer now."""


class ConnectionLost(ClientError):
    """No answer came. With `sent` the server may have acted; without it, it certainly did not."""

    def __init__(self, message: str, *, sent: bool = True) -> None:
        self.sent = sent
        super().__init__(message)


class SocketClosed(ClientError):
    """The server closed the chat socket with `code` (docs/reference/realtime.md §9).

    Raised to the caller only for codes that forbid to reconnect; `retry_after_ms` is None then.
    """

    def __init__(self, code: int, name: str = "", retry_after_ms: int | None = None) -> None:
        self.code = code
        self.name = name
        self.retry_after_ms = retry_after_ms
        super().__init__(f"closed by the server with {code} {name}".rstrip())


class ProtocolError(ClientError):
    """The server's answer is not what the protocol says."""


class NotLoggedIn(ClientError):
    """There are no tokens: register, log in, or pass `tokens` to the client."""


class SecondFactorRequired(ClientError):
    """The password was right; the login goes on with `mfa_token` and one of `methods`."""

    def __init__(self, mfa_token: str, methods: Sequence[str]) -> None:
        self.mfa_token = mfa_token
        self.methods = tuple(methods)
        super().__init__("a second factor is required: " + ", ".join(self.methods))


class EmailVerificationRequired(ClientError):
    """The account of `user` exists; the address must be verified before the first login."""

    def __init__(self, user: "User") -> None:
        self.user = user
        super().__init__("the e-mail address must be verified before the first login")


_BY_CODE: dict[str, type[ApiFailure]] = {
    "INVALID_CREDENTIALS": InvalidCredentials,
    "MFA_INVALID": WrongCode,
    "TOKEN_EXPIRED": TokenExpired,
    "TOKEN_REVOKED": SessionEnded,
    "TOKEN_REUSED": SessionEnded,
    "REAUTH_REQUIRED": ReauthRequired,
}
_BY_STATUS: dict[int, type[ApiFailure]] = {
    400: InvalidRequest,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    423: AccountLocked,
    429: RateLimited,
}


def failure(
    code: str,
    message: str,
    *,
    status: int | None = None,
    details: Sequence[Detail] = (),
    request_id: str | None = None,
    retry_after: float | None = None,
) -> ApiFailure:
    """The fitting exception; without `status` (socket errors) it is looked up by code."""
    if status is None:
        known = ErrorCode.__members__.get(code)
        status = known.status if known else 0
    kind = _BY_CODE.get(code) or _BY_STATUS.get(status) or (Unavailable if status >= 500 else ApiFailure)
    return kind(code, status, message, details=details, request_id=request_id, retry_after=retry_after)
