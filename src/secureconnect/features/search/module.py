"""What search contributes."""

from secureconnect.edge.module import Module
from secureconnect.features.conversations.api import Conversations
from secureconnect.features.messages.api import Messages
from secureconnect.features.search.http import routes
from secureconnect.features.search.service import Feeder, SearchService
from secureconnect.features.search.tasks import Sweeper, tasks
from secureconnect.features.users.api import Users
from secureconnect.infra.database.base import Database
from secureconnect.infra.search.base import SearchIndex
from secureconnect.infra.timeline.base import Timeline
from secureconnect.kit.pagination import Cursors

__all__ = ["module"]


def module(
    *,
    database: Database,
    timeline: Timeline,
    index: SearchIndex,
    feeder: Feeder,
    users: Users,
    conversations: Conversations,
    messages: Messages,
    cursors: Cursors,
) -> Module:
    """Search, and the index behind it. `feeder` hears the commits of `timeline`."""
    service = SearchService(database, timeline, index, feeder, users, conversations, messages, cursors)
    return Module(
        name="search",
        role="chat",
        routes=routes(service),
        tasks=tasks(index, Sweeper(index, timeline)),
        start=feeder.start,
        stop=feeder.stop,
        bereaved=feeder.missed,
    )
