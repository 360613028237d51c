"""Bots, webhooks and reports."""

from secureconnect.client.models.base import Model, Moment

__all__ = ["Bot", "NewBot", "Posted", "Report", "Webhook"]


class Bot(Model, frozen=True, kw_only=True):
    """One of the caller's bots."""

    user_id: str
    username: str
    display_name: str
    owner_id: str
    scopes: list[str]
    created_at: Moment
    last_used_at: Moment | None = None


class NewBot(Model, frozen=True, kw_only=True):
    """A bot and its token, which the server shows this once."""

    bot: Bot
    token: str

    def __repr__(self) -> str:
        return f"NewBot(bot={self.bot!r})"


class Webhook(Model, frozen=True, kw_only=True):
    """A way to post into one conversation. `url` is a secret, given only when it was just made."""

    webhook_id: str
    conversation_id: str
    name: str
    created_by: str
    created_at: Moment
    last_used_at: Moment | None = None
    url: str | None = None

    def __repr__(self) -> str:
        return f"Webhook(webhook_id={self.webhook_id!r}, name={self.name!r})"


class Posted(Model, frozen=True, kw_only=True):
    """The message that came of a post."""

    message_id: str
    seq: int


class Report(Model, frozen=True, kw_only=True):
    """What somebody reported; `content` is what the message said, when the reporter attached it."""

    report_id: str
    reporter_id: str
    target_type: str
    target_id: str
    reason: str
    content: str | None = None
    status: str
    action: str | None = None
    note: str | None = None
    resolved_by: str | None = None
    created_at: Moment
    resolved_at: Moment | None = None
