"""Taking from a chat with patience."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from secureconnect.client import Chat

__all__ = ["seqs", "take", "until_kind"]


async def take(stream: AsyncIterator[Any], count: int) -> list[Any]:
    """The next items."""
    async with asyncio.timeout(5):
        return [await anext(stream) for _ in range(count)]


async def seqs(chat: Chat, count: int) -> list[int]:
    return [event.seq for event in await take(chat.events(), count)]


async def until_kind(chat: Chat, kind: type[Any]) -> Any:
    async with asyncio.timeout(5):
        async for item in chat.incoming():
            if isinstance(item, kind):
                return item
        raise AssertionError(f"the chat ended without {kind.__name__}")
