"""The Leases port: names that at most one process holds at a time, for a while."""

from collections.abc import Collection
from typing import NamedTuple, Protocol

__all__ = ["Expired", "Leases"]


class Expired(NamedTuple):
    """A lease that its holder neither renewed nor gave back. `until` in milliseconds since the epoch."""

    name: str
    until: int


class Leases(Protocol):
    """Kept where all processes see them. Clocks of processes may differ by less than a lease lasts.

    Whoever was stopped for longer than its lease must not go on as if it held it: ask again first.

    Raises:
        ApiError: the store does not answer; what is held is held until its time is over.
    """

    async def take(self, names: Collection[str], seconds: float) -> set[str]:
        """Take or renew those that are free, expired or held here; returns those held here now."""

    async def give_back(self, names: Collection[str]) -> None:
        """Free those that are held here."""

    async def held_elsewhere(self, prefix: str) -> bool:
        """Whether another process holds a name that begins so."""

    async def expired(self, prefix: str) -> list[Expired]:
        """Leases on names that begin so whose time is over."""

    async def remove(self, lease: Expired) -> bool:
        """Forget one that is over; True exactly for the one caller that did. Not one that was renewed."""
