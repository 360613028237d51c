"""What polls contribute."""

from secureconnect.edge.module import Module
from secureconnect.features.conversations.api import Conversations
from secureconnect.features.messages.api import Messages
from secureconnect.features.polls.http import routes
from secureconnect.features.polls.service import (
    Cards,
    CloseService,
    CreateService,
    PollReadService,
    VoteService,
)
from secureconnect.features.polls.service.creating import PollMetrics
from secureconnect.features.polls.socket import commands
from secureconnect.features.polls.tasks import tasks
from secureconnect.features.users.api import Users
from secureconnect.infra.database.base import Database
from secureconnect.infra.timeline.base import Timeline
from secureconnect.kit.clock import Clock
from secureconnect.kit.pagination import Cursors

__all__ = ["module"]


def module(
    *,
    database: Database,
    timeline: Timeline,
    clock: Clock,
    cursors: Cursors,
    users: Users,
    conversations: Conversations,
    messages: Messages,
    cards: Cards,
    metrics: PollMetrics,
) -> Module:
    """Polls. `cards` also show polls among the messages."""
    creating = CreateService(timeline, conversations, users, cards, clock, metrics)
    voting = VoteService(database, timeline, conversations, cards, clock, metrics)
    closing = CloseService(database, timeline, conversations, cards, clock)
    reading = PollReadService(database, conversations, users, messages, cards, cursors, clock)
    return Module(
        name="polls",
        role="chat",
        routes=routes(creating, voting, closing, reading, messages),
        commands=commands(voting),
        tasks=tasks(closing),
    )
