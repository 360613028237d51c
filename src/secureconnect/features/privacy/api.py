"""What other features may ask about deletions."""

from typing import Protocol

from secureconnect.infra.database.base import WriteTx

__all__ = ["Deletions"]


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
