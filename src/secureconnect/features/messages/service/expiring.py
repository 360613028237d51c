"""Messages whose time is over delete themselves."""

from secureconnect.features.messages.service.deleting import Eraser
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.infra.timeline.base import GuardChanged, Timeline
from secureconnect.kit.clock import Clock

__all__ = ["ExpiryService"]

_BATCH = 1000


class ExpiryService:
    """Deletes messages of conversations with `message_ttl_seconds` (docs/reference/data.md §7)."""

    def __init__(self, database: Database, timeline: Timeline, eraser: Eraser, clock: Clock) -> None:
        self._database = database
        self._timeline = timeline
        self._eraser = eraser
        self._clock = clock

    async def delete_expired(self) -> int:
        """Delete what expired, each in a transaction of its own; returns how many."""
        now = self._clock.now()
        due = await self._timeline.expired(now, _BATCH)
        for found in due:

            def work(tx: WriteTx, message_id: str = found.message_id) -> None:
                message = self._timeline.message_in(tx, message_id)
                if message is None or message.deleted_at is not None:
                    return
                try:
                    self._eraser.delete_in(tx, message, at=now, by=None, reason="expired")
                except GuardChanged:
                    # Its conversation is gone; what is left of it is erased with the log.
                    self._timeline.delete_in(tx, message, at=now, by=None, reason="expired")

            await self._database.write(work)
        return len(due)
