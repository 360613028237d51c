"""How polls are put together."""

from secureconnect.app.stores import Stores
from secureconnect.edge.module import Module
from secureconnect.features.conversations.api import Conversations
from secureconnect.features.messages.api import Messages
from secureconnect.features.polls.module import module
from secureconnect.features.polls.service import Cards
from secureconnect.features.users.api import Users

__all__ = ["wire_polls"]


def wire_polls(
    stores: Stores, users: Users, conversations: Conversations, messages: Messages
) -> tuple[Module, Cards]:
    """The feature, and the polls that messages show."""
    cards = Cards(stores.database, users)
    built = module(
        database=stores.database,
        timeline=stores.timeline,
        clock=stores.clock,
        cursors=stores.cursors,
        users=users,
        conversations=conversations,
        messages=messages,
        cards=cards,
        metrics=stores.metrics,
    )
    return built, cards
