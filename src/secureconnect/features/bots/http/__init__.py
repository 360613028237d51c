"""The routes of bots, of webhooks, and of what is posted through them (docs/reference/http.md)."""

from secureconnect.features.bots.http.bots import routes as bot_routes
from secureconnect.features.bots.http.hooks import routes as hook_routes
from secureconnect.features.bots.http.webhooks import routes as webhook_routes

__all__ = ["bot_routes", "hook_routes", "webhook_routes"]
