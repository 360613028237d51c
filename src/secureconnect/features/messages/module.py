"""What messages contribute."""

from secureconnect.edge.module import Module
from secureconnect.features.conversations.api import Conversations
from secureconnect.features.messages.http import routes
from secureconnect.features.messages.service import Announcer, UseCases
from secureconnect.features.messages.socket import Typing, commands
from secureconnect.features.messages.tasks import tasks
from secureconnect.infra.bus.base import Bus
from secureconnect.infra.timeline.base import Timeline
from secureconnect.kit.clock import Clock

__all__ = ["module"]


def module(
    cases: UseCases,
    *,
    timeline: Timeline,
    conversations: Conversations,
    bus: Bus,
    clock: Clock,
    announcer: Announcer,
    typing_interval: float,
    dedup_hours: int,
) -> Module:
    """Sync, events, messages and their changes, read marks, typing.

    `announcer` listens to `timeline`: it exists before.
    """
    return Module(
        name="messages",
        role="chat",
        routes=routes(cases),
        commands=commands(cases, Typing(conversations, bus, clock, typing_interval)),
        tasks=tasks(timeline, clock, cases.scheduling, cases.expiring, dedup_hours=dedup_hours),
        stop=announcer.stop,
    )
