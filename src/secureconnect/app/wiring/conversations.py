"""How conversations are put together."""

from collections.abc import Sequence

from secureconnect.app.settings import Settings
from secureconnect.app.stores import Stores
from secureconnect.edge.module import Module
from secureconnect.features.audit.api import Audit
from secureconnect.features.conversations.api import Pictures, Purged
from secureconnect.features.conversations.module import module
from secureconnect.features.conversations.rules import ConversationLimits
from secureconnect.features.conversations.service import FactsCache, Neighbours, Views
from secureconnect.features.friends.api import Friends
from secureconnect.features.users.api import Users

__all__ = ["wire_conversations"]


def wire_conversations(
    settings: Settings,
    stores: Stores,
    *,
    audit: Audit,
    users: Users,
    friends: Friends,
    facts: FactsCache,
    views: Views,
    neighbours: Neighbours,
    pictures: Pictures,
    purged: Sequence[Purged],
) -> Module:
    """The feature, with what the settings allow."""
    return module(
        database=stores.database,
        timeline=stores.timeline,
        bus=stores.bus,
        audit=audit,
        clock=stores.clock,
        cursors=stores.cursors,
        users=users,
        friends=friends,
        facts=facts,
        views=views,
        neighbours=neighbours,
        pictures=pictures,
        purged=purged,
        limits=ConversationLimits(
            settings.conversations.max_members,
            settings.conversations.max_per_user,
            settings.conversations.invite_ttl,
            settings.messaging.unread_cap,
        ),
        seal=stores.sealer.seal,
        unseal=stores.sealer.open,
        public_url=settings.server.public_url,
        allow_http=not settings.production,
    )
