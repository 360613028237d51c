"""What other features are told."""

from collections.abc import Collection

from sqlalchemy import Connection

from secureconnect.features.friends import store
from secureconnect.infra.database.base import Database

__all__ = ["Relations"]


class Relations:
    """Implements `friends.api.Friends`.

    It only reads, and apart from the use cases: those call into features that are built on this one.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def blocked_in(self, conn: Connection, a: str, b: str) -> bool:
        return store.blocked(conn, a, b)

    def blocked_with_in(self, conn: Connection, user_id: str, others: Collection[str]) -> set[str]:
        return store.blocked_with(conn, user_id, others)

    def are_friends_in(self, conn: Connection, a: str, b: str) -> bool:
        friendship = store.find_friendship(conn, a, b)
        return friendship is not None and friendship.status == "accepted"

    def friends_among_in(self, conn: Connection, user_id: str, others: Collection[str]) -> set[str]:
        return store.friends_among(conn, user_id, others)

    async def friend_ids(self, user_id: str) -> set[str]:
        return await self._database.read(lambda conn: store.friend_ids(conn, user_id))
