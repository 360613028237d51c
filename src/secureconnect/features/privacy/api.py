"""What other features may ask about deletions, and what privacy needs of every feature."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Any, Protocol

from secureconnect.infra.database.base import WriteTx

__all__ = ["Belongings", "Deletions"]


class Deletions(Protocol):
    """The way of an account from active over deleted to erased, and back while it is only deleted."""

    def delete_in(self, tx: WriteTx, user_id: str, *, immediate: bool) -> int:
        """Delete an account that is not erased; returns when it will be erased (ms since the epoch).

        With the commit its sessions end, its sockets close with 4003, it leaves search and cannot log in.
        E-mail and username stay taken until it is erased, which is after `privacy.erase_delay_days`, or at
        once with `immediate`. A repeat keeps the earlier of the two times. Recording it is the caller's
        business.

        Raises:
            ApiError: `CONFLICT` for the last server admin.
        """

    def restore_in(self, tx: WriteTx, user_id: str) -> None:
        """Make a deleted account active again; its sessions stay ended.

        Raises:
            ApiError: `CONFLICT` for one that is not deleted, or whose time is over.
        """


class Belongings(Protocol):
    """What one feature keeps about people; `app` hands privacy all of them.

    A test holds every table with the id of a user against `tables`, so that none is forgotten
    (docs/reference/data.md §8).
    """

    @property
    def name(self) -> str:
        """How the receipt calls it."""

    @property
    def tables(self) -> Collection[str]:
        """The tables that it looks after."""

    def exported(self, user_id: str, /) -> AsyncIterator[tuple[str, Sequence[Mapping[str, Any]]]]:
        """Everything about this person that it may see: names of files and rows of theirs, in bounded pages.
        Times are text (RFC 3339); pages of one file follow each other. No secrets, nothing of others."""

    def erased(self, user_id: str, /) -> AsyncIterator[int]:
        """Erase it, a bounded batch at each step (at most 1,000 rows, no conversation for 100 ms), giving how
        much went. May be stopped and begun again at any point; at the end nothing is left."""
