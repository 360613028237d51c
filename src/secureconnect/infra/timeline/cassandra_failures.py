"""Which errors of the driver say that the cluster is not well, and what metrics call them."""

from typing import Final

from acsylla import errors

__all__ = ["CLOSED", "ILL", "reason_of"]

_TIMEOUTS = (
    errors.CassErrorLibRequestTimedOut,
    errors.CassErrorServerReadTimeout,
    errors.CassErrorServerWriteTimeout,
)
_EXHAUSTED = (
    errors.CassErrorLibNoStreams,
    errors.CassErrorLibRequestQueueFull,
    errors.CassErrorServerOverloaded,
)
_ABSENT = (
    errors.CassErrorLibHostResolution,
    errors.CassErrorLibNoAvailableIoThread,
    errors.CassErrorLibNoHostsAvailable,
    errors.CassErrorLibUnableToConnect,
    errors.CassErrorLibUnableToSetKeyspace,
    errors.CassErrorLibWriteError,
    errors.CassErrorServerIsBootstrapping,
    errors.CassErrorServerReadFailure,
    errors.CassErrorServerServerError,
    errors.CassErrorServerTruncateError,
    errors.CassErrorServerUnavailable,
    errors.CassErrorServerWriteFailure,
    errors.CassExceptionConnectionError,
)
#: The cluster is at fault, or on its way to us: worth another try.
ILL: Final = (*_TIMEOUTS, *_EXHAUSTED, *_ABSENT)
#: What the driver says of a session that somebody gave up meanwhile.
CLOSED: Final = "Session closed"


def reason_of(error: Exception) -> str:
    """The label of `cassandra_query_errors_total`."""
    if isinstance(error, (*_TIMEOUTS, TimeoutError)):
        return "timeout"
    if isinstance(error, _EXHAUSTED):
        return "exhausted"
    return "unavailable" if isinstance(error, (*_ABSENT, RuntimeError)) else "other"
