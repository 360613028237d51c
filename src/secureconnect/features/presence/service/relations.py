"""Who may see whose presence: friends and co-members, with show_presence on, never across a block."""

from collections.abc import Collection

from sqlalchemy import Connection

from secureconnect.features.conversations.api import Conversations
from secureconnect.features.friends.api import Friends
from secureconnect.features.users.api import UserRecord, Users
from secureconnect.infra.database.base import Database

__all__ = ["Relations"]


class Relations:
    """Answers for many users at once, in a constant number of queries. Everybody sees oneself."""

    def __init__(
        self, database: Database, users: Users, friends: Friends, conversations: Conversations
    ) -> None:
        self._database = database
        self._users = users
        self._friends = friends
        self._conversations = conversations

    async def seen_by(self, viewer_id: str, user_ids: Collection[str]) -> set[str]:
        """Those of `user_ids` whose presence `viewer_id` may see."""
        wanted = set(user_ids)
        records = await self._users.many(wanted - {viewer_id}) if wanted != {viewer_id} else {}
        shown = {user_id for user_id, record in records.items() if _shows(record)}
        return await self._near(viewer_id, shown) | (wanted & {viewer_id})

    async def viewers_of(self, user_id: str, viewer_ids: Collection[str]) -> set[str]:
        """Those of `viewer_ids` that may see the presence of `user_id`."""
        viewers = set(viewer_ids)
        record = await self._users.get(user_id)
        others = viewers - {user_id} if record is not None and _shows(record) else set()
        return await self._near(user_id, others) | (viewers & {user_id})

    async def _near(self, user_id: str, others: set[str]) -> set[str]:
        if not others:
            return set()

        def query(conn: Connection) -> set[str]:
            near = self._friends.friends_among_in(conn, user_id, others)
            near |= self._conversations.co_members_in(conn, user_id, others - near)
            return near - self._friends.blocked_with_in(conn, user_id, near)

        return await self._database.read(query)


def _shows(record: UserRecord) -> bool:
    return record.active and record.privacy.show_presence
