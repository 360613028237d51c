"""Accounts as administration and the owners of bots see them."""

from collections.abc import Collection
from typing import Literal, Protocol

from msgspec import Struct
from sqlalchemy import Connection

from secureconnect.features.users.api.people import UserRecord
from secureconnect.infra.database.base import WriteTx
from secureconnect.kit.pagination import Page

__all__ = [
    "Account",
    "AccountOrder",
    "AccountStatus",
    "Accounts",
    "AccountsWanted",
    "Ban",
    "BotUser",
    "BotUsers",
]


class Ban(Struct, frozen=True):
    """Somebody is kept out of the server, without `banned_until` for good. Times in milliseconds."""

    ban_id: str
    user_id: str
    banned_by: str
    reason: str
    banned_at: int
    banned_until: int | None


class Account(Struct, frozen=True):
    """A user as administration sees it. `ban` is the one in force, `storage_quota` the user's own in bytes.

    Times in milliseconds since the epoch; `erase_at` is given for deleted accounts.
    """

    record: UserRecord
    last_login_at: int | None
    storage_quota: int | None
    erase_at: int | None
    ban: Ban | None


AccountStatus = Literal["online", "offline", "banned", "deleted"]
AccountOrder = Literal["created_at", "email", "username", "status", "last_login_at"]


class AccountsWanted(Struct, frozen=True):
    """Which accounts, in which order; `search` is a part of the e-mail, the name or the display name."""

    search: str | None = None
    status: AccountStatus | None = None
    order: AccountOrder = "created_at"
    descending: bool = True


class BotUser(Struct, frozen=True):
    """The account of a bot. `owner_id` is the user that made it; times in milliseconds since the epoch."""

    user_id: str
    username: str
    display_name: str
    owner_id: str
    created_at: int


class Accounts(Protocol):
    """Accounts as administration sees and changes them. Bots have none of their own here.

    An account has one status: deleted, else banned, else online or offline.
    """

    async def page(
        self,
        wanted: AccountsWanted,
        online: Collection[str],
        *,
        after: tuple[str | int, str] | None,
        limit: int,
    ) -> tuple[Page[Account], int]:
        """Accounts that are not erased, and how many match in all; `online` are the users who are so now.

        Positions are (value of the order, user_id).
        """

    def find_in(self, conn: Connection, user_id: str, now: int) -> Account | None:
        """One account, bots too; None for unknown and erased ones."""

    def count_in(self, conn: Connection) -> int:
        """How many accounts there are, erased ones and bots apart."""

    def is_last_admin_in(self, conn: Connection, user_id: str, now: int) -> bool:
        """Whether nobody would administrate the server without this user: no other admin is active and
        without a ban."""

    def set_quota_in(self, tx: WriteTx, user_id: str, storage_quota: int | None, now: int) -> None:
        """Give the user a quota of its own, in bytes, or the common one again."""

    def set_verified_in(self, tx: WriteTx, user_id: str, *, verified: bool, now: int) -> None:
        """Take the e-mail address as verified, or not. One that was verified keeps its time."""

    def ban_in(self, tx: WriteTx, ban: Ban) -> None:
        """Keep a user out.

        Raises:
            ApiError: `CONFLICT` while a ban is in force.
        """

    def lift_ban_in(self, tx: WriteTx, user_id: str, by: str | None, now: int) -> bool:
        """End the ban in force; False when there is none."""

    def delete_in(self, tx: WriteTx, user_id: str, erase_at: int, now: int) -> None:
        """Make an account deleted, to be erased at `erase_at` (ms)."""

    def restore_in(self, tx: WriteTx, user_id: str, now: int) -> None:
        """Make a deleted account active again."""

    def due_in(self, conn: Connection, now: int, limit: int) -> list[str]:
        """At most `limit` deleted accounts that are to be erased, the longest due first."""

    def erase_in(self, tx: WriteTx, user_id: str, now: int) -> None:
        """Nothing stays of a deleted account but its id, and that there was one: e-mail and username are free
        again, and others see `Deleted user`."""


class BotUsers(Protocol):
    """The accounts of bots: found, added and named like people, but nobody logs in to them."""

    def add_in(self, tx: WriteTx, bot: BotUser) -> None:
        """Store a new bot. Raises ApiError `CONFLICT` whose details name `username` when that is taken."""

    def find_in(self, conn: Connection, user_id: str) -> BotUser | None:
        """A bot; None for deleted ones, people and unknown ids."""

    def count_in(self, conn: Connection, owner_id: str) -> int:
        """How many bots a user has."""

    def owned_in(
        self, conn: Connection, owner_id: str, *, after: tuple[int, str] | None, limit: int
    ) -> list[BotUser]:
        """At most `limit` bots of a user, newest first, behind the position (created_at, user_id)."""

    def rename_in(self, tx: WriteTx, user_id: str, display_name: str, now: int) -> None:
        """Give a bot another display name."""

    def retire_in(self, tx: WriteTx, user_id: str, now: int) -> None:
        """Delete a bot's account. Its name stays taken and what it wrote stays."""
