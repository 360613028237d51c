"""The tables of bots and webhooks, and every query on them."""

from secureconnect.features.bots.store.tokens import (
    BotToken,
    add_token,
    bot_tokens,
    find_token,
    live_tokens,
    purge_tokens,
    rename_token,
    revoke_token,
    set_scopes,
    touch_token,
)
from secureconnect.features.bots.store.webhooks import (
    Webhook,
    add_webhook,
    count_webhooks,
    delete_webhook,
    find_webhook,
    list_webhooks,
    purge_webhooks,
    set_secret,
    touch_webhook,
    webhooks,
)

__all__ = [
    "BotToken",
    "Webhook",
    "add_token",
    "add_webhook",
    "bot_tokens",
    "count_webhooks",
    "delete_webhook",
    "find_token",
    "find_webhook",
    "list_webhooks",
    "live_tokens",
    "purge_tokens",
    "purge_webhooks",
    "rename_token",
    "revoke_token",
    "set_scopes",
    "set_secret",
    "touch_token",
    "touch_webhook",
    "webhooks",
]
