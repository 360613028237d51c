"""What to do when a connection ends (docs/reference/realtime.md §9)."""

import enum

import msgspec

from secureconnect.client.errors import (
    ApiFailure,
    ClientError,
    ConnectionLost,
    ProtocolError,
    SocketClosed,
    TokenExpired,
)

__all__ = ["Action", "Verdict", "after_close", "after_refusal"]


class Action(enum.Enum):
    """The next step."""

    STOP = "stop"  # until somebody deals with the cause
    AT_ONCE = "at once"
    REFRESH = "refresh"  # renew the access token, then at once
    WAIT = "wait"  # for the time that the server named, else for the back-off


class Verdict(msgspec.Struct, frozen=True):
    """The next step, the pause in seconds when the server named one, and why."""

    action: Action
    error: ClientError
    pause: float | None = None


def after_close(close: SocketClosed) -> Verdict:
    """4000-4499 stop, but 4002 refreshes and 4008 comes back at once; 4500-4999 and the rest wait.

    1009 is what a network piece says for 4009. A 1000 that this side did not ask for counts as 4500.
    """
    match close.code:
        case 4002:
            return Verdict(Action.REFRESH, close)
        case 4008:
            return Verdict(Action.AT_ONCE, close)
        case 1009:
            return Verdict(Action.STOP, close)
        case code if 4000 <= code <= 4499:
            return Verdict(Action.STOP, close)
        case _:
            pause = None if close.retry_after_ms is None else close.retry_after_ms / 1000
            return Verdict(Action.WAIT, close, pause)


def after_refusal(error: ClientError) -> Verdict:
    """The same for an upgrade or a call before it that was refused or got no answer."""
    if isinstance(error, SocketClosed):
        return after_close(error)
    if isinstance(error, TokenExpired):
        return Verdict(Action.REFRESH, error)
    if isinstance(error, ApiFailure):
        return Verdict(Action.WAIT if error.transient else Action.STOP, error, error.retry_after)
    if isinstance(error, ConnectionLost | ProtocolError):
        return Verdict(Action.WAIT, error)
    return Verdict(Action.STOP, error)
