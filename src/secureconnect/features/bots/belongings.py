"""The bots of one person, and the webhooks that it made.

Bots are accounts of their own: they end for good with their owner, and what they wrote stays. Webhooks belong
to their conversations.
"""

from collections.abc import AsyncIterator

from sqlalchemy import Connection

from secureconnect.features.bots.api import Bots
from secureconnect.features.bots.store import bot_tokens, webhooks
from secureconnect.features.users.api import BotUser, BotUsers
from secureconnect.infra.database.base import Database
from secureconnect.infra.database.personal import Page, pages, readable
from secureconnect.kit.clock import rfc3339

__all__ = ["Robots"]

_BATCH = 200


class Robots:
    """Implements `privacy.api.Belongings`."""

    name = "bots"
    tables = frozenset({bot_tokens.name, webhooks.name})

    def __init__(self, database: Database, users: BotUsers, bots: Bots) -> None:
        self._database = database
        self._users = users
        self._bots = bots

    async def exported(self, user_id: str) -> AsyncIterator[Page]:
        """See `Belongings.exported`."""
        after: tuple[int, str] | None = None

        def read(conn: Connection) -> list[BotUser]:
            return self._users.owned_in(conn, user_id, after=after, limit=_BATCH)

        while bots := await self._database.read(read):
            after = (bots[-1].created_at, bots[-1].user_id)
            yield (
                "bots.json",
                [
                    {
                        "bot_id": bot.user_id,
                        "username": bot.username,
                        "display_name": bot.display_name,
                        "created_at": rfc3339(bot.created_at),
                    }
                    for bot in bots
                ],
            )
        shown = ("webhook_id", "conversation_id", "name", "created_at", "last_used_at", "deleted_at")
        async for rows in pages(self._database, webhooks, webhooks.c.created_by == user_id):
            yield "webhooks.json", [readable(row, shown) for row in rows]

    async def erased(self, user_id: str) -> AsyncIterator[int]:
        """See `Belongings.erased`."""
        yield await self._database.write(lambda tx: self._bots.retire_owned_in(tx, user_id))
