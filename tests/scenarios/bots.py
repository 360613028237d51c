"""Bots and webhooks for scenarios."""

import secrets
from typing import Any
from urllib.parse import urlsplit

from tests.scenarios.steps import ISSUED, Answer, Person, request

__all__ = ["SCOPES", "enter", "join", "make_bot", "make_webhook", "post"]

SCOPES = (
    "conversations:read",
    "conversations:write",
    "members:read",
    "members:write",
    "messages:read",
    "messages:write",
    "reactions:write",
    "polls:write",
    "files:read",
    "files:write",
    "presence:read",
    "users:read",
)


async def make_bot(owner: Person, *scopes: str, name: str = "robot") -> Person:
    """A bot of `owner` with its token as credential."""
    username = f"{name}-{secrets.token_hex(4)}_bot"
    body = {"username": username, "display_name": f"Bot {name}", "scopes": list(scopes)}
    made = (await owner.post("/v1/bots", body)).ok(201)
    bot = Person(owner.url, name, "", username, "", made["bot"]["user_id"])
    enter(bot, made["token"])
    return bot


def enter(bot: Person, token: str) -> None:
    """Use this token from now on."""
    ISSUED.add(token)
    bot.access = token


async def make_webhook(admin: Person, conversation_id: str, name: str = "CI") -> Any:
    """A webhook whose `path` is where it takes posts on this server."""
    path = f"/v1/conversations/{conversation_id}/webhooks"
    webhook = (await admin.post(path, {"name": name})).ok(201)["webhook"]
    webhook["path"] = urlsplit(webhook["url"]).path
    ISSUED.add(webhook["path"].rpartition("/")[2])
    return webhook


async def post(url: str, path: str, text: str, **fields: Any) -> Answer:
    """Post through a webhook, as somebody without an account."""
    return await request(url, "POST", path, {"text": text, **fields})


async def join(admin: Person, conversation_id: str, bot: Person) -> None:
    """Add a bot to a conversation."""
    path = f"/v1/conversations/{conversation_id}/participants"
    (await admin.post(path, {"user_ids": [bot.user_id]})).ok()
