"""What arrived and waits for the application."""

import asyncio
from collections import deque
from typing import Generic, TypeVar

__all__ = ["Inbox"]

T = TypeVar("T")


class Inbox(Generic[T]):
    """A queue whose writers never wait, with a size at which they should use another way.

    The socket's reader must not wait for the application: answers to commands come through it too. So what
    is too much is not kept: ephemeral frames are dropped, durable events are fetched again later.
    """

    def __init__(self, capacity: int = 2000) -> None:
        self._items: deque[T] = deque()
        self._capacity = capacity
        self._changed = asyncio.Event()  # set when items came or the inbox closed
        self._taken = asyncio.Event()  # set when there is room again
        self._taken.set()
        self._closed = False
        self._error: Exception | None = None

    @property
    def full(self) -> bool:
        """No more durable events, please."""
        return len(self._items) >= self._capacity

    @property
    def half_full(self) -> bool:
        """No more ephemeral frames, please."""
        return 2 * len(self._items) >= self._capacity

    def put(self, item: T) -> None:
        """Add an item; after `close` it is dropped."""
        if self._closed:
            return
        self._items.append(item)
        self._changed.set()
        if self.full:
            self._taken.clear()

    async def room(self) -> None:
        """Return when the inbox is not full."""
        await self._taken.wait()

    async def get(self) -> T | None:
        """The next item; None when the inbox is closed and empty.

        Raises:
            Exception: the error of `close`, once everything was taken.
        """
        while not self._items:
            if self._closed:
                if self._error is not None:
                    raise self._error
                return None
            self._changed.clear()
            await self._changed.wait()
        item = self._items.popleft()
        if not self.half_full:
            self._taken.set()
        return item

    def close(self, error: Exception | None = None) -> None:
        """No more items come; `error` is why, None for a wanted end."""
        if not self._closed:
            self._closed = True
            self._error = error
            self._changed.set()
            self._taken.set()
