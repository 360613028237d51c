"""Accounts of bots, for the feature that gives them tokens."""

from sqlalchemy import Connection

from secureconnect.features.users import store
from secureconnect.features.users.api import BotUser
from secureconnect.features.users.service.profiles import UserService
from secureconnect.infra.database.base import WriteTx

__all__ = ["BotRegistry"]


class BotRegistry:
    """Implements `users.api.BotUsers`. Permission and the audit trail are its callers' business."""

    def __init__(self, users: UserService) -> None:
        self._users = users

    def add_in(self, tx: WriteTx, bot: BotUser) -> None:
        store.insert_bot(tx, bot)

    def find_in(self, conn: Connection, user_id: str) -> BotUser | None:
        return store.find_bot(conn, user_id)

    def count_in(self, conn: Connection, owner_id: str) -> int:
        return store.count_bots(conn, owner_id)

    def owned_in(
        self, conn: Connection, owner_id: str, *, after: tuple[int, str] | None, limit: int
    ) -> list[BotUser]:
        return store.list_bots(conn, owner_id, after=after, limit=limit)

    def rename_in(self, tx: WriteTx, user_id: str, display_name: str, now: int) -> None:
        store.update_user(tx, user_id, {"display_name": display_name}, now)
        self._users.changed_in(tx, user_id)

    def retire_in(self, tx: WriteTx, user_id: str, now: int) -> None:
        store.update_user(tx, user_id, {"state": "deleted"}, now)
        self._users.changed_in(tx, user_id)
