"""What administration sees and does with accounts."""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Connection

from secureconnect.features.users import store
from secureconnect.features.users.api import Account, AccountsWanted, Ban
from secureconnect.features.users.service.profiles import UserService
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.kit.clock import Clock
from secureconnect.kit.pagination import Page

__all__ = ["AccountRegistry"]


class AccountRegistry:
    """Implements `users.api.Accounts`. Permission and the audit trail are its callers' business."""

    def __init__(self, database: Database, users: UserService, clock: Clock) -> None:
        self._database = database
        self._users = users
        self._clock = clock

    async def page(
        self,
        wanted: AccountsWanted,
        online: Collection[str],
        *,
        after: store.Position | None,
        limit: int,
    ) -> tuple[Page[Account], int]:
        now = self._clock.now()
        rows, total = await self._database.read(
            lambda conn: store.list_accounts(conn, wanted, online, now, after=after, limit=limit + 1)
        )
        position = rows[limit - 1][1] if len(rows) > limit else None
        return Page([account for account, _ in rows[:limit]], position), total

    def find_in(self, conn: Connection, user_id: str, now: int) -> Account | None:
        return store.find_account(conn, user_id, now)

    def count_in(self, conn: Connection) -> int:
        return store.count_accounts(conn)

    def is_last_admin_in(self, conn: Connection, user_id: str, now: int) -> bool:
        return store.is_last_admin(conn, user_id, now)

    def set_quota_in(self, tx: WriteTx, user_id: str, storage_quota: int | None, now: int) -> None:
        self._change_in(tx, user_id, {"storage_quota": storage_quota}, now)

    def set_verified_in(self, tx: WriteTx, user_id: str, *, verified: bool, now: int) -> None:
        before = store.find(tx.conn, [user_id])[user_id].email_verified_at
        self._change_in(tx, user_id, {"email_verified_at": (before or now) if verified else None}, now)

    def ban_in(self, tx: WriteTx, ban: Ban) -> None:
        store.add_ban(tx, ban)

    def lift_ban_in(self, tx: WriteTx, user_id: str, by: str | None, now: int) -> bool:
        return store.lift_ban(tx, user_id, by, now)

    def delete_in(self, tx: WriteTx, user_id: str, erase_at: int, now: int) -> None:
        self._change_in(tx, user_id, {"state": "deleted", "erase_at": erase_at}, now)

    def restore_in(self, tx: WriteTx, user_id: str, now: int) -> None:
        self._change_in(tx, user_id, {"state": "active", "erase_at": None}, now)

    def due_in(self, conn: Connection, now: int, limit: int) -> list[str]:
        return store.due(conn, now, limit)

    def erase_in(self, tx: WriteTx, user_id: str, now: int) -> None:
        self._change_in(tx, user_id, store.nobody(user_id), now)

    def _change_in(self, tx: WriteTx, user_id: str, values: Mapping[str, Any], now: int) -> None:
        store.update_user(tx, user_id, values, now)
        self._users.changed_in(tx, user_id)
