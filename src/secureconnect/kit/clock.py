"""Time: integers of milliseconds since the Unix epoch inside, RFC 3339 UTC text outside."""

import re
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

__all__ = ["Clock", "SystemClock", "parse_rfc3339", "rfc3339"]

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.IGNORECASE | re.ASCII)
_EPOCH = datetime.fromtimestamp(0, UTC)
_MILLISECOND = timedelta(milliseconds=1)


class Clock(Protocol):
    """Where the product gets its time from; tests bring their own."""

    def now(self) -> int:
        """Wall clock in milliseconds since the Unix epoch. May step; never used for order."""

    def monotonic(self) -> float:
        """Seconds that only grow; for durations and timeouts."""


class SystemClock:
    """The clock of the machine."""

    __slots__ = ()

    def now(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic()


_cached = (-1, "")  # the last second rendered; swapped whole, so threads never see half of it


def rfc3339(ms: int) -> str:
    """`2026-01-31T12:00:00.000Z` for milliseconds since the epoch (RFC 3339, UTC, milliseconds)."""
    global _cached  # noqa: PLW0603 - many timestamps of one second share their text
    seconds, rest = divmod(ms, 1000)
    second, prefix = _cached
    if seconds != second:
        prefix = datetime.fromtimestamp(seconds, UTC).isoformat()[:19] + "."
        _cached = (seconds, prefix)
    return f"{prefix}{rest:03d}Z"


def parse_rfc3339(text: str) -> int:
    """Milliseconds since the epoch of RFC 3339 `text`, whose offset is required.

    Raises:
        ValueError: not a timestamp, one without offset, or outside of the years 1 to 9999 in UTC.
    """
    if not _RFC3339.fullmatch(text):
        raise ValueError("a timestamp needs a date, a time and an offset")
    try:
        moment = datetime.fromisoformat(text.upper()).astimezone(UTC)
    except OverflowError as error:
        raise ValueError("a timestamp lies in the years 1 to 9999") from error
    return (moment - _EPOCH) // _MILLISECOND
