"""Which requests may take a connection while few are left (docs/reference/operations.md §9).

Many that come at one moment, as after a reconnection, are gone within milliseconds; use that stays high is
what others must be kept from. So whoever comes too many waits a moment before it is refused.
"""

from typing import Final

from secureconnect.infra.database.metrics import ServerMetrics
from secureconnect.infra.database.postgres_errors import unavailable
from secureconnect.infra.database.postgres_pool import Pool
from secureconnect.infra.database.postgres_watch import Watch
from secureconnect.infra.database.pressure import asking
from secureconnect.kit.errors import ApiError, ErrorCode

__all__ = ["Guard"]

_MOMENT: Final = 0.1  # seconds


class Guard:
    """Keeps the last connections for what people cannot do without.

    Args:
        limit: how many may be in use, or waited for, when a request that can wait takes its first one.
    """

    def __init__(self, pool: Pool, watch: Watch, limit: float, metrics: ServerMetrics | None) -> None:
        self._pool = pool
        self._watch = watch
        self._limit = limit
        self._metrics = metrics

    def passes(self) -> bool:
        """Whether what asks may go on at once.

        Raises:
            ApiError: `DATABASE_UNAVAILABLE`, known to be so. Connections that hang say nothing of too many
                requests.
        """
        request = asking()
        if request is None or request.admitted:
            return True
        if not self._watch.up:
            raise unavailable()
        request.admitted = self._pool.wanted + 1 <= self._limit
        return request.admitted

    async def wait(self) -> None:
        """Let it wait for a moment.

        Raises:
            ApiError: `DB_POOL_EXHAUSTED`.
        """
        if not await self._pool.eased(self._limit, _MOMENT):
            if self._metrics is not None:
                self._metrics.pool_shed()
            raise ApiError(
                ErrorCode.DB_POOL_EXHAUSTED, "Too many requests use the database just now.", retry_after=1
            )
        request = asking()
        if request is not None:
            request.admitted = True
