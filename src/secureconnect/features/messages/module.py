"""What messages contribute."""

from secureconnect.edge.module import Module
from secureconnect.edge.realtime.timers import Timers
from secureconnect.features.conversations.api import Conversations
from secureconnect.features.files.api import Files
from secureconnect.features.messages.http import routes
from secureconnect.features.messages.rules import MessageLimits
from secureconnect.features.messages.service import (
    Announcer,
    MarkService,
    Poster,
    ReadService,
    Receipts,
    SendService,
    SyncService,
    TimelineView,
)
from secureconnect.features.messages.socket import Typing, commands
from secureconnect.features.messages.tasks import tasks
from secureconnect.features.users.api import Users
from secureconnect.infra.bus.base import Bus
from secureconnect.infra.database.base import Database
from secureconnect.infra.timeline.base import Timeline
from secureconnect.kit.clock import Clock
from secureconnect.kit.pagination import Cursors

__all__ = ["module"]


def module(
    *,
    database: Database,
    timeline: Timeline,
    bus: Bus,
    clock: Clock,
    timers: Timers,
    cursors: Cursors,
    users: Users,
    conversations: Conversations,
    files: Files,
    poster: Poster,
    announcer: Announcer,
    view: TimelineView,
    limits: MessageLimits,
    typing_interval: float,
    dedup_hours: int,
) -> Module:
    """Sync, events, messages, read marks, typing.

    `announcer` listens to `timeline`, and `poster` posts for other features too: they exist before.
    """
    sending = SendService(database, timeline, conversations, files, poster, limits)
    reading = ReadService(timeline, conversations, view, cursors)
    syncing = SyncService(timeline, conversations, view, cursors, clock, unread_cap=limits.unread_cap)
    marking = MarkService(database, timeline, conversations, users, Receipts(bus, timers), clock)
    typing = Typing(conversations, bus, clock, typing_interval)
    return Module(
        name="messages",
        role="chat",
        routes=routes(sending, reading, syncing, marking),
        commands=commands(sending, marking, typing),
        tasks=tasks(timeline, clock, dedup_hours=dedup_hours),
        stop=announcer.stop,
    )
