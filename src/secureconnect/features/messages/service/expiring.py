"""Messages whose time is over delete themselves."""

from functools import partial

from secureconnect.features.messages.service.deleting import Eraser
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.infra.telemetry.log import get_logger
from secureconnect.infra.timeline.base import GuardChanged, Timeline
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ApiError

__all__ = ["ExpiryService"]

log = get_logger()

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
            try:
                await self._database.write(partial(self._expire, found.message_id, now))
            except ApiError:
                raise
            except Exception as error:
                # Holds up no other.
                log.warning("message stays", message_id=found.message_id, error=str(error), exc_info=True)
        return len(due)

    def _expire(self, message_id: str, now: int, tx: WriteTx) -> None:
        message = self._timeline.message_in(tx, message_id)
        if message is None or message.deleted_at is not None:
            return
        try:
            self._eraser.delete_in(tx, message, at=now, by=None, reason="expired")
        except GuardChanged:
            # Its conversation is gone; what is left of it is erased with the log.
            self._timeline.delete_in(tx, message, at=now, by=None, reason="expired")
