"""How presence is put together."""

from secureconnect.app.settings import Settings
from secureconnect.app.stores import Stores
from secureconnect.edge.module import Module
from secureconnect.edge.realtime.background import Background
from secureconnect.edge.realtime.fanout.hub import Hub
from secureconnect.edge.realtime.timers import Timers
from secureconnect.features.conversations.api import Conversations
from secureconnect.features.friends.api import Friends
from secureconnect.features.presence.module import module
from secureconnect.features.presence.rules import PresenceTimes
from secureconnect.features.presence.service import Devices, PresenceService, Relations
from secureconnect.features.users.api import Users

__all__ = ["wire_presence"]


def wire_presence(
    settings: Settings,
    stores: Stores,
    *,
    users: Users,
    friends: Friends,
    conversations: Conversations,
    hub: Hub,
    timers: Timers,
    background: Background,
) -> tuple[PresenceService, Module]:
    """Who is there, and the feature."""
    presence = settings.presence
    times = PresenceTimes(presence.ttl, presence.offline_grace, presence.min_interval)
    sight = Relations(stores.database, users, friends, conversations)
    service = PresenceService(Devices(stores.cache), sight, users, stores.bus, stores.clock, times)
    built = module(
        presence=service,
        relations=sight,
        sockets=hub,
        bus=stores.bus,
        clock=stores.clock,
        timers=timers,
        background=background,
        times=times,
    )
    return service, built
