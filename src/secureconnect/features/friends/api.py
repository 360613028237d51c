"""What other features may ask about friends and blocks."""

from collections.abc import Callable, Collection
from typing import Protocol

from sqlalchemy import Connection

from secureconnect.features.users.api import UserRecord
from secureconnect.infra.database.base import WriteTx

__all__ = ["FriendNotices", "Friends", "PairChanged"]

PairChanged = Callable[[WriteTx, str, str], None]
"""Called with two users in the transaction that sets or lifts a block between them, whoever did it.

It belongs to a unit of work: it only touches its transaction and may be called again.
"""


class FriendNotices(Protocol):
    """Tells users of requests; offered by notifications."""

    def friend_requested_in(self, tx: WriteTx, user_id: str, asker: UserRecord) -> None:
        """`asker` asks `user_id` for friendship, in the transaction of the request."""


class Friends(Protocol):
    """Who is a friend of whom, and between whom stands a block. A block counts in either direction."""

    def blocked_in(self, conn: Connection, a: str, b: str) -> bool:
        """Whether one of the two blocked the other, within a transaction."""

    def blocked_with_in(self, conn: Connection, user_id: str, others: Collection[str]) -> set[str]:
        """Those of `others` with a block between them and `user_id`, within a transaction."""

    def are_friends_in(self, conn: Connection, a: str, b: str) -> bool:
        """Whether the two are friends, within a transaction; a pending request does not count."""

    def friends_among_in(self, conn: Connection, user_id: str, others: Collection[str]) -> set[str]:
        """Those of `others` that are friends of `user_id`, within a transaction."""

    async def friend_ids(self, user_id: str) -> set[str]:
        """Everybody who is a friend of `user_id`."""
