"""Periodic work of messages."""

from secureconnect.edge.module import Task
from secureconnect.features.messages.service import ExpiryService, ScheduleService
from secureconnect.infra.timeline.base import Timeline
from secureconnect.kit.clock import Clock

__all__ = ["tasks"]

_HOUR = 3600.0
#: A scheduled message is sent at most 5 s late, an expired one deleted at most 60 s late.
_SCHEDULE = 1.0
_EXPIRY = 5.0


def tasks(
    timeline: Timeline,
    clock: Clock,
    scheduling: ScheduleService,
    expiring: ExpiryService,
    *,
    dedup_hours: int,
) -> list[Task]:
    """Forget client_message_ids after `messaging.dedup_hours`; send what waited; delete what expired."""

    async def forget() -> int:
        return await timeline.purge_dedup(clock.now() - dedup_hours * 3_600_000)

    return [
        Task("messages_dedup", _HOUR, forget),
        Task("scheduled_messages", _SCHEDULE, scheduling.send_due),
        Task("expired_messages", _EXPIRY, expiring.delete_expired),
    ]
