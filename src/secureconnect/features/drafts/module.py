"""What drafts contribute."""

from secureconnect.edge.module import Module
from secureconnect.features.conversations.api import Conversations
from secureconnect.features.drafts.http import routes
from secureconnect.features.drafts.service import DraftLimits, DraftService
from secureconnect.features.files.api import Files
from secureconnect.infra.bus.base import Bus
from secureconnect.infra.database.base import Database
from secureconnect.infra.timeline.base import Timeline
from secureconnect.kit.clock import Clock

__all__ = ["module"]


def module(
    *,
    database: Database,
    timeline: Timeline,
    conversations: Conversations,
    files: Files,
    bus: Bus,
    clock: Clock,
    limits: DraftLimits,
) -> Module:
    """Drafts."""
    service = DraftService(database, timeline, conversations, files, bus, clock, limits)
    return Module(name="drafts", role="auth", routes=routes(service))
