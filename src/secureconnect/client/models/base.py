"""The base of every object that the server gives."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from typing import Any, Generic, TypeVar

import msgspec

__all__ = ["Model", "Moment", "Page", "walk"]

T = TypeVar("T")

#: A point in time with its offset (UTC).
Moment = datetime


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """Immutable. Fields that this version does not know are ignored; words of a closed list stay plain `str`,
    so that a newer server's words do not break an older client."""


class Page(Model, Generic[T], frozen=True, kw_only=True):
    """A part of a list; pass `next_cursor` as `cursor` for the next part, or use `walk`."""

    items: list[T]
    next_cursor: str | None
    has_more: bool


async def walk(fetch: Callable[..., Awaitable[Page[T]]], *args: Any, **filters: Any) -> AsyncIterator[T]:
    """Every item of a list, page by page: `async for friend in walk(client.friends.list): …`."""
    cursor: str | None = None
    while True:
        page = await fetch(*args, **filters, cursor=cursor)
        for item in page.items:
            yield item
        if not page.has_more or page.next_cursor is None:
            return
        cursor = page.next_cursor
