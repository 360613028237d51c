"""How notifications are put together."""

from collections.abc import Collection

from secureconnect.app.settings import Settings
from secureconnect.app.stores import Stores
from secureconnect.edge.module import Module
from secureconnect.features.conversations.api import Conversations
from secureconnect.features.friends.api import Friends
from secureconnect.features.messages.api import Messages, Online
from secureconnect.features.notifications.module import module
from secureconnect.features.notifications.service import Follower, Inbox, Teller
from secureconnect.features.users.api import Users

__all__ = ["wire_follower", "wire_notifications"]


class _NobodyOnline:
    """For servers that push to whoever is online too."""

    async def online_among(self, user_ids: Collection[str]) -> set[str]:  # noqa: ARG002 - as in the protocol
        return set()


def wire_follower(
    settings: Settings,
    stores: Stores,
    teller: Teller,
    conversations: Conversations,
    friends: Friends,
    messages: Messages,
    users: Users,
    online: Online,
) -> Follower:
    """What tells members of what happened; it has to hear the commits of the timeline."""
    return Follower(
        stores.database,
        stores.timeline,
        conversations,
        friends,
        messages,
        users,
        online if settings.push.suppress_when_online else _NobodyOnline(),
        teller,
        stores.clock,
        at_once=32 if settings.embedded_sql else max(1, settings.database.pool_max // 8),
    )


def wire_notifications(settings: Settings, stores: Stores, users: Users, follower: Follower) -> Module:
    """The feature."""
    inbox = Inbox(
        stores.database,
        users,
        stores.cursors,
        stores.clock,
        kept_days=settings.retention.notifications_days,
    )
    return module(inbox, follower)
