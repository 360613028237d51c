"""What became of pushes, for those whom they were for."""

from secureconnect.features.push import store
from secureconnect.features.push.rules import PushLimits
from secureconnect.features.push.store import Delivery
from secureconnect.infra.database.base import Database
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.pagination import Page
from secureconnect.kit.principal import Principal

__all__ = ["Receipts"]

_BATCH = 1000
_DAY_MS = 24 * 3600 * 1000


class Receipts:
    """Deliveries, one for each push to each device."""

    def __init__(self, database: Database, clock: Clock, limits: PushLimits) -> None:
        self._database = database
        self._clock = clock
        self._limits = limits

    async def page(self, caller: Principal, *, before: str | None, limit: int) -> Page[Delivery]:
        """The caller's, newest first."""
        found = await self._database.read(
            lambda conn: store.list_deliveries(conn, caller.user_id, before=before, limit=limit + 1)
        )
        more = len(found) > limit
        return Page(found[:limit], (found[limit - 1].delivery_id,) if more else None)

    async def acknowledge(self, caller: Principal, delivery_id: str) -> None:
        """The device has it; again changes nothing.

        Raises:
            ApiError: `NOT_FOUND`.
        """
        now = self._clock.now()
        found = await self._database.write(
            lambda tx: store.acknowledge(tx, delivery_id, caller.user_id, now), brief=True
        )
        if not found:
            raise ApiError(ErrorCode.NOT_FOUND, "There is no such delivery.")

    async def purge(self) -> int:
        """Forget old ones; returns how many."""
        before = self._clock.now() - self._limits.delivery_days * _DAY_MS
        return await self._database.write(lambda tx: store.purge_deliveries(tx, before, _BATCH))
