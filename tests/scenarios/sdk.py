"""People who use the SDK."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

from secureconnect.client import (
    Backoff,
    Chat,
    Client,
)
from tests.scenarios.steps import PASSWORD, stranger

__all__ = ["me", "person", "quick", "seqs", "texts", "until"]


def quick() -> Backoff:
    """Reconnects that do not make the tests wait."""
    return Backoff((0.05, 0.1, 0.2), reset_after=1)


@contextlib.asynccontextmanager
async def person(url: str, name: str) -> AsyncIterator[Client]:
    """A freshly registered user."""
    who = stranger(url, name)
    async with Client(url, backoff=quick) as client:
        await client.auth.register(
            email=who.email, username=who.username, password=PASSWORD, display_name=f"User {name}"
        )
        yield client


async def me(client: Client) -> str:
    return (await client.auth.profile()).user_id


async def texts(chat: Chat, count: int, seconds: float = 20) -> list[str]:
    """The contents of the next messages."""
    found: list[str] = []
    async with asyncio.timeout(seconds):
        async for event in chat.events():
            if event.kind == "message_created":
                found.append(event.data["message"]["content"])
                if len(found) == count:
                    break
    return found


async def seqs(chat: Chat, last: int) -> list[int]:
    """The seqs of the events up to `last`."""
    found: list[int] = []
    async with asyncio.timeout(60):
        async for event in chat.events():
            found.append(event.seq)
            if event.seq == last:
                break
    return found


async def until(chat: Chat, kind: type[Any], wanted: Callable[[Any], bool] = lambda _: True) -> Any:
    """The next item of this kind."""
    async with asyncio.timeout(20):
        async for item in chat.incoming():
            if isinstance(item, kind) and wanted(item):
                return item
    raise AssertionError("the chat ended")
