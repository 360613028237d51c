"""How bots and webhooks are put together."""

from secureconnect.app.settings import Settings
from secureconnect.app.stores import Stores
from secureconnect.edge.module import Module
from secureconnect.features.audit.api import Audit
from secureconnect.features.bots.module import hooks_module, module
from secureconnect.features.bots.rules import BotLimits
from secureconnect.features.bots.service import BotAccess, BotService, HookService, WebhookService
from secureconnect.features.conversations.api import Conversations
from secureconnect.features.messages.api import Messages
from secureconnect.features.users.service import BotRegistry, UserService

__all__ = ["wire_bot_access", "wire_bots"]


def wire_bot_access(settings: Settings, stores: Stores, users: UserService) -> BotAccess:
    """What knows bots by their tokens; sockets and tickets need it before there are conversations."""
    return BotAccess(
        stores.database,
        stores.bus,
        users,
        BotRegistry(users),
        stores.clock,
        _limits(settings),
        revocation_cache_ttl=settings.auth.revocation_cache_ttl,
    )


def wire_bots(
    settings: Settings,
    stores: Stores,
    *,
    access: BotAccess,
    audit: Audit,
    users: UserService,
    conversations: Conversations,
    messages: Messages,
) -> tuple[BotService, list[Module]]:
    """The service that other features tell of users who are shut out, and the modules."""
    database, clock = stores.database, stores.clock
    bots = BotService(database, stores.bus, BotRegistry(users), audit, clock, _limits(settings))
    webhooks = WebhookService(database, conversations, audit, clock, public_url=settings.server.public_url)
    hooks = HookService(
        database,
        conversations,
        messages,
        audit,
        clock,
        max_content_chars=settings.messaging.max_content_chars,
    )
    return bots, [module(bots, access, webhooks, stores.cursors), hooks_module(hooks)]


def _limits(settings: Settings) -> BotLimits:
    return BotLimits(settings.bots.enabled, settings.bots.max_per_user)
