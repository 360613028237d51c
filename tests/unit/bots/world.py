"""Bots and webhooks over a real embedded store, with real users and conversations."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from secureconnect.features.bots.rules import BotLimits
from secureconnect.features.bots.service import BotAccess, BotService, HookService, WebhookService
from secureconnect.features.messages.api import Outgoing
from secureconnect.features.users.api import Accounts, Ban
from secureconnect.features.users.service import AccountRegistry, BotRegistry
from secureconnect.infra.database.base import WriteTx
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.hints import SessionEnded
from secureconnect.kit.ids import new_id, new_time_id
from secureconnect.kit.objects import Message
from secureconnect.kit.principal import Principal
from tests.unit.conversations.world import CONTEXT, caller
from tests.unit.conversations.world import World as Neighbourhood
from tests.unit.conversations.world import world as neighbourhood

__all__ = ["CACHED", "CONTEXT", "World", "person", "world"]

CACHED = 5.0


class Desk:
    """Takes messages as `messages` would."""

    def __init__(self) -> None:
        self.posted: list[Outgoing] = []
        self.refusal: ApiError | None = None

    async def post(self, outgoing: Outgoing) -> Message:
        if self.refusal is not None:
            raise self.refusal
        self.posted.append(outgoing)
        return Message(
            message_id=new_time_id(),
            conversation_id=outgoing.conversation_id,
            seq=len(self.posted),
            sender_id=None,
            sender_name=outgoing.sender_name or "",
            content=outgoing.content,
            is_encrypted=False,
            message_type="text",
            metadata=outgoing.metadata,
            sent_at="2026-01-31T12:00:00.000Z",
        )


class World:
    """The feature in its neighbourhood."""

    def __init__(self, around: Neighbourhood, limits: BotLimits) -> None:
        self.around = around
        self.registry = BotRegistry(around.users)
        self.accounts: Accounts = AccountRegistry(around.database, around.users, around.clock)
        self.bots = BotService(around.database, around.bus, self.registry, around.trail, around.clock, limits)
        self.desk = Desk()
        self.webhooks = WebhookService(
            around.database, around.neighbours, around.trail, around.clock, public_url="https://chat.example/"
        )
        self.hooks = HookService(
            around.database,
            around.neighbours,
            self.desk,  # type: ignore[arg-type]  # only `post` is asked for
            around.trail,
            around.clock,
            max_content_chars=100,
        )
        self.access = self.entrance(limits)

    def entrance(self, limits: BotLimits | None = None) -> BotAccess:
        """The access of another process on the same store."""
        return BotAccess(
            self.around.database,
            self.around.bus,
            self.around.users,
            self.registry,
            self.around.clock,
            limits or BotLimits(),
            revocation_cache_ttl=CACHED,
        )

    async def bot(self, owner: str, *scopes: str) -> tuple[str, str]:
        """A new bot: its id and its token."""
        seen, token = await self.bots.create(
            person(owner),
            CONTEXT,
            username=f"{new_id()[:20]}_bot",
            display_name="Robot",
            scopes=scopes or ("messages:read",),
        )
        return seen.user.user_id, token

    async def ban(self, user_id: str) -> None:
        """Keep a user out, as administration does."""

        def work(tx: WriteTx) -> None:
            self.accounts.ban_in(tx, Ban(new_id(), user_id, new_id(), "because of it", 1, None))
            self.bots.shut_out_in(tx, user_id, 4004)

        await self.around.database.write(work)

    async def pardon(self, user_id: str) -> None:
        """End the ban."""

        def work(tx: WriteTx) -> None:
            assert self.accounts.lift_ban_in(tx, user_id, None, self.around.clock.now())

        await self.around.database.write(work)

    @property
    def ended(self) -> list[tuple[str, int]]:
        """Ids that stood for a token and ended, with their close codes, so far."""
        return [
            (hint.session_id, hint.close)
            for _, hint in self.around.bus.heard
            if isinstance(hint, SessionEnded)
        ]

    async def refused(self, token: str) -> ErrorCode:
        """The code with which a token is refused."""
        try:
            principal = await self.access.authenticate(token)
        except ApiError as error:
            return error.code
        raise AssertionError(f"was let in: {principal}")


def person(user_id: str) -> Principal:
    """Somebody with a session."""
    return caller(user_id).principal


@asynccontextmanager
async def world(path: Path, limits: BotLimits | None = None) -> AsyncIterator[World]:
    """A store in the directory `path` without bots."""
    async with neighbourhood(path) as around:
        made = World(around, limits or BotLimits())
        await made.access.start()
        yield made
