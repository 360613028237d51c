"""Whom a user may bring into a conversation."""

from collections.abc import Collection

from sqlalchemy import Connection

from secureconnect.features.conversations import rules
from secureconnect.features.friends.api import Friends
from secureconnect.features.users.api import UserRecord, Users

__all__ = ["Reach"]


class Reach:
    """Asks users and friends, within the transaction that brings people in."""

    def __init__(self, users: Users, friends: Friends) -> None:
        self._users = users
        self._friends = friends

    def records_in(self, conn: Connection, user_ids: Collection[str]) -> dict[str, UserRecord]:
        """Accounts by id."""
        return self._users.many_in(conn, user_ids)

    def exist_in(self, conn: Connection, user_ids: Collection[str]) -> dict[str, UserRecord]:
        """Accounts that can be brought in.

        Raises:
            ApiError: `NOT_FOUND` when one is unknown or deleted.
        """
        people = self.records_in(conn, user_ids)
        rules.found(user_ids, {user_id for user_id, record in people.items() if record.active})
        return people

    def open_in(self, conn: Connection, caller_id: str, people: dict[str, UserRecord]) -> None:
        """Raises ApiError `FORBIDDEN` when a block or the privacy of one keeps the caller away."""
        reserved = {
            user_id for user_id, one in people.items() if one.privacy.allow_messages_from == "friends"
        }
        friends = self._friends.friends_among_in(conn, caller_id, reserved) if reserved else set()
        blocked = self._friends.blocked_with_in(conn, caller_id, people)
        rules.check_reachable(people, blocked=blocked, friends_only=reserved, friends=friends)

    def check_in(self, conn: Connection, caller_id: str, user_ids: Collection[str]) -> dict[str, UserRecord]:
        """Both: they exist and the caller may bring them in."""
        people = self.exist_in(conn, user_ids)
        self.open_in(conn, caller_id, people)
        return people

    def blocked_in(self, conn: Connection, a: str, b: str) -> bool:
        """Whether a block stands between two users."""
        return self._friends.blocked_in(conn, a, b)
