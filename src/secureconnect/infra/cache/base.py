"""The Cache port: sliding windows and small hashes with an expiry. Losing all of it loses nothing durable."""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

__all__ = ["Cache", "Window"]


class Window(NamedTuple):
    """The outcome of one hit on a sliding window.

    `reset_at` is the Unix second at which the full limit is free again, `retry_after` the whole seconds
    (at least 1) until one more hit fits when this one did not.
    """

    allowed: bool
    limit: int
    remaining: int
    reset_at: int
    retry_after: int


class Cache(Protocol):
    """Shared, volatile state. Every entry expires."""

    async def hit(self, row: str, key: str, limit: int, window: float) -> Window:
        """Count one request of `key` in the sliding window `row` (seconds). Refused hits are not counted."""

    async def put(self, key: str, field: str, value: str, ttl: float) -> None:
        """Set `field` of the hash `key`; the field is gone after `ttl` seconds."""

    async def fields(self, key: str) -> dict[str, str]:
        """The live fields of the hash `key`."""

    async def fields_of(self, keys: Sequence[str]) -> list[dict[str, str]]:
        """The same for each of `keys`, in their order, in one go."""

    async def drop(self, key: str, field: str) -> bool:
        """Remove a field; True exactly for the one caller that removed it while it was live."""

    async def close(self) -> None:
        """Release connections."""
