"""The use cases: bots and what their tokens open, webhooks and what is posted through them."""

from secureconnect.features.bots.service.access import BotAccess
from secureconnect.features.bots.service.owned import BotService, SeenBot
from secureconnect.features.bots.service.posting import HookService, Post
from secureconnect.features.bots.service.webhooks import SeenWebhook, WebhookService

__all__ = ["BotAccess", "BotService", "HookService", "Post", "SeenBot", "SeenWebhook", "WebhookService"]
