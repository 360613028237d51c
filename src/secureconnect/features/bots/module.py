"""What bots and webhooks contribute."""

from secureconnect.edge.http.paging import Paging
from secureconnect.edge.module import Module
from secureconnect.features.bots.http import bot_routes, hook_routes, webhook_routes
from secureconnect.features.bots.service import BotAccess, BotService, HookService, WebhookService
from secureconnect.features.bots.tasks import tasks
from secureconnect.kit.pagination import Cursors

__all__ = ["hooks_module", "module"]


def module(bots: BotService, access: BotAccess, webhooks: WebhookService, cursors: Cursors) -> Module:
    """Own bots, webhooks of conversations."""
    paging = Paging(cursors)
    return Module(
        name="bots",
        role="auth",
        routes=[*bot_routes(bots, paging), *webhook_routes(webhooks, paging)],
        tasks=tasks(bots),
        start=access.start,
    )


def hooks_module(hooks: HookService) -> Module:
    """Where webhooks post: their messages go into timelines, so another role serves them."""
    return Module(name="hooks", role="chat", routes=hook_routes(hooks))
