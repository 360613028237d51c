"""Periodic work of messages."""

from secureconnect.edge.module import Task
from secureconnect.infra.timeline.base import Timeline
from secureconnect.kit.clock import Clock

__all__ = ["tasks"]

_HOUR = 3600.0


def tasks(timeline: Timeline, clock: Clock, *, dedup_hours: int) -> list[Task]:
    """Forget client_message_ids after `messaging.dedup_hours`."""

    async def forget() -> int:
        return await timeline.purge_dedup(clock.now() - dedup_hours * 3_600_000)

    return [Task("messages_dedup", _HOUR, forget)]
