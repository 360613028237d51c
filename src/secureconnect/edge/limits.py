"""Sliding-window rate limits, shared by HTTP and sockets (docs/reference/rules.md §12)."""

from collections.abc import Mapping
from typing import Protocol

from secureconnect.infra.cache.base import Cache, Window
from secureconnect.kit.errors import ApiError, ErrorCode

__all__ = ["LimitMetrics", "RateLimiter"]

_WINDOW = 60.0


class LimitMetrics(Protocol):
    """Counts hits."""

    def limited(self, row: str, allowed: bool) -> None:
        """One hit on `row`."""


class RateLimiter:
    """Counts requests per row and key; reads and writes apart, with the same limit.

    Args:
        cache: where the windows live; shared between processes or not, as the adapter is.
        rows: requests per 60 s by row; 0 means unlimited.
        enabled: False lifts everything.
    """

    __slots__ = ("_cache", "_enabled", "_metrics", "_rows")

    def __init__(
        self, cache: Cache, rows: Mapping[str, int], metrics: LimitMetrics, *, enabled: bool
    ) -> None:
        self._cache = cache
        self._rows = rows
        self._metrics = metrics
        self._enabled = enabled

    def replace(self, rows: Mapping[str, int], *, enabled: bool) -> None:
        """Count by these rows from now on."""
        self._rows = rows
        self._enabled = enabled

    async def hit(self, row: str | None, key: str, *, write: bool) -> Window | None:
        """Count one request; None when the row is not limited. The window says whether it was allowed."""
        if not self._enabled or row is None:
            return None
        limit = self._rows.get(row, self._rows["default"])
        if limit == 0:
            return None
        window = await self._cache.hit(row, f"{'w' if write else 'r'}:{key}", limit, _WINDOW)
        self._metrics.limited(row, window.allowed)
        return window

    async def check(self, row: str | None, key: str, *, write: bool) -> None:
        """Count one request.

        Raises:
            ApiError: `RATE_LIMIT_EXCEEDED` with the seconds until one more fits.
        """
        window = await self.hit(row, key, write=write)
        if window is not None and not window.allowed:
            raise exceeded(window)


def exceeded(window: Window) -> ApiError:
    """The refusal for a full window."""
    return ApiError(
        ErrorCode.RATE_LIMIT_EXCEEDED,
        f"At most {window.limit} requests in {int(_WINDOW)} seconds.",
        retry_after=window.retry_after,
    )
