"""The header `Retry-After` (RFC 9110 §10.2.3)."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

__all__ = ["retry_after"]


def retry_after(value: str | None, now: int) -> float | None:
    """Seconds from `now` (ms) that a receiver asks us to wait, at least 1; None when it says nothing
    understandable."""
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return max(1.0, float(text[:9]))
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(1.0, (moment - datetime.fromtimestamp(now / 1000, UTC)).total_seconds())
