"""What other features may ask about users, and what users ask of others."""

from collections.abc import Collection, Mapping
from typing import Literal, Protocol

from sqlalchemy import Connection

from secureconnect.features.users.api.accounts import Ban
from secureconnect.features.users.api.people import NewUser, PublicUser, Status, User, UserRecord
from secureconnect.infra.database.base import WriteTx

__all__ = ["FactorOwners", "Notices", "SecurityEvent", "Statuses", "Users"]

SecurityEvent = Literal[
    "refresh_reuse",
    "new_device",
    "password_changed",
    "account_locked",
    "email_change_requested",
    "email_changed",
    "second_factor_changed",
]


class Notices(Protocol):
    """Tells users what concerns the security of their account; offered by notifications."""

    def security_in(self, tx: WriteTx, user_id: str, event: SecurityEvent, data: Mapping[str, str]) -> None:
        """A `security` notification, in the transaction of what it is about. `data` holds ids and addresses
        of machines, no secrets and no content."""


class FactorOwners(Protocol):
    """Who needs more than a password to log in; offered by factors."""

    async def having(self, user_ids: Collection[str]) -> set[str]:
        """Those of `user_ids` who have a second factor."""


class Statuses(Protocol):
    """Who is visibly online; offered by presence."""

    async def visible(self, viewer_id: str, user_ids: Collection[str]) -> Mapping[str, Status]:
        """Effective status of those users whose presence `viewer_id` may see; others are left out."""


class Users(Protocol):
    """Accounts by id. Records are cached and dropped the moment a change commits."""

    async def get(self, user_id: str) -> UserRecord | None:
        """One user in any state, or None when there never was one."""

    async def many(self, user_ids: Collection[str]) -> dict[str, UserRecord]:
        """Those that exist, in any state."""

    async def public(self, viewer_id: str, user_ids: Collection[str]) -> dict[str, PublicUser]:
        """How `viewer_id` sees those that exist."""

    async def own_status(self, user_id: str) -> Status:
        """A user's own effective status."""

    async def itself(self, record: UserRecord) -> User:
        """A user as shown to itself."""

    async def mfa_enabled(self, user_id: str) -> bool:
        """Whether the user has a second factor."""

    async def by_login(self, *, email: str | None = None, username: str | None = None) -> UserRecord | None:
        """The user with this address or name, without regard to case."""

    async def search(self, text: str, *, after_username: str | None, limit: int) -> list[UserRecord]:
        """Active users whose username or a word of whose display name starts with `text`, or who are
        discoverable by exactly this e-mail; ascending by username (folded), above `after_username`."""

    def many_in(self, conn: Connection, user_ids: Collection[str]) -> dict[str, UserRecord]:
        """Those that exist, in any state, within a transaction."""

    def active_in(self, conn: Connection, user_ids: Collection[str]) -> set[str]:
        """Those of `user_ids` that are active accounts, within a transaction."""

    def create_in(self, tx: WriteTx, user: NewUser) -> None:
        """Store a new user.

        Raises:
            ApiError: `CONFLICT` whose details name `email` or `username` (or both) when taken.
        """

    def password_hash_in(self, conn: Connection, user_id: str) -> str | None:
        """The stored password hash."""

    def set_password_in(self, tx: WriteTx, user_id: str, password_hash: str, now: int) -> None:
        """Replace the password hash."""

    def set_role_in(self, tx: WriteTx, user_id: str, role: Literal["user", "admin"], now: int) -> None:
        """Change the server role."""

    def is_admin_in(self, conn: Connection, user_id: str) -> bool:
        """Whether this is an active server admin, read from the database."""

    def by_email_in(self, conn: Connection, email: str) -> UserRecord | None:
        """The user with this address, without regard to case, in any state."""

    def set_email_in(self, tx: WriteTx, user_id: str, email: str, now: int) -> None:
        """Replace the e-mail address by a verified one.

        Raises:
            ApiError: `CONFLICT` whose details name `email` when it is taken.
        """

    def email_verified_in(self, tx: WriteTx, user_id: str, now: int) -> None:
        """The user proved that the e-mail address is its own."""

    def logged_in_in(self, tx: WriteTx, user_id: str, now: int) -> None:
        """Remember the time of the last login."""

    def storage_quota_in(self, conn: Connection, user_id: str) -> int | None:
        """The user's own quota in bytes, set by an administrator; None when the common one counts."""

    def avatars_in(self, conn: Connection, user_ids: Collection[str]) -> dict[str, str]:
        """The files that the avatars of `user_ids` were made of; those without one of ours are left out."""

    def set_avatar_in(self, tx: WriteTx, user_id: str, file_id: str | None, now: int) -> str | None:
        """Show the avatar that was made of a file, or none; returns the file of the one shown before."""

    def ban_of_in(self, conn: Connection, user_id: str, now: int) -> Ban | None:
        """The ban in force; one whose time is over is none."""
