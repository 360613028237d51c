"""How search is put together."""

from secureconnect.app.stores import Stores
from secureconnect.edge.module import Module
from secureconnect.features.conversations.api import Conversations
from secureconnect.features.messages.api import Messages
from secureconnect.features.search.module import module
from secureconnect.features.search.service import Feeder
from secureconnect.features.users.api import Users

__all__ = ["wire_search"]


def wire_search(
    stores: Stores, feeder: Feeder, users: Users, conversations: Conversations, messages: Messages
) -> Module:
    """The feature; `feeder` hears the commits of the timeline already."""
    return module(
        database=stores.database,
        timeline=stores.timeline,
        index=stores.search,
        feeder=feeder,
        users=users,
        conversations=conversations,
        messages=messages,
        cursors=stores.cursors,
    )
