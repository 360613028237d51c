"""What other features may ask about users."""

from collections.abc import Collection, Mapping
from typing import Annotated, Literal, Protocol

from msgspec import Meta, Struct
from sqlalchemy import Connection

from secureconnect.infra.database.base import WriteTx
from secureconnect.kit.clock import rfc3339
from secureconnect.kit.errors import Detail
from secureconnect.kit.objects import Id, Time
from secureconnect.kit.pagination import Page
from secureconnect.kit.text import fold

__all__ = [
    "Account",
    "AccountOrder",
    "AccountStatus",
    "Accounts",
    "AccountsWanted",
    "Ban",
    "BotUser",
    "BotUsers",
    "DisplayName",
    "Email",
    "NewUser",
    "Notices",
    "Privacy",
    "PublicUser",
    "SecurityEvent",
    "Status",
    "Statuses",
    "User",
    "UserRecord",
    "Username",
    "Users",
    "public_user",
    "render_user",
    "username_fault",
]

Status = Literal["online", "away", "busy", "offline"]
Username = Annotated[
    str, Meta(min_length=3, max_length=30, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", extra={"clean": "name"})
]
#: addr-spec of RFC 5322 in its dot-atom form, ASCII.
Email = Annotated[
    str,
    Meta(
        min_length=3,
        max_length=254,
        pattern=r"^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*@"
        r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$",
        extra={"clean": "name"},
    ),
]
DisplayName = Annotated[str, Meta(min_length=1, max_length=100, extra={"clean": "name"})]


class Privacy(Struct, frozen=True):
    """What a user lets others do and see."""

    show_presence: bool = True
    send_read_receipts: bool = True
    discoverable_by_email: bool = False
    allow_messages_from: Literal["everyone", "friends"] = "everyone"
    allow_calls_from: Literal["everyone", "friends"] = "everyone"


class UserRecord(Struct, frozen=True):
    """A user as stored, without credentials. Times in milliseconds since the epoch."""

    user_id: str
    email: str
    email_verified_at: int | None
    username: str
    display_name: str
    about: str | None
    avatar_url: str | None
    status_text: str | None
    role: Literal["user", "admin"]
    is_bot: bool
    privacy: Privacy
    state: Literal["active", "deleted", "erased"]
    created_at: int
    updated_at: int

    @property
    def active(self) -> bool:
        """False once the account is deleted or erased."""
        return self.state == "active"


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


class NewUser(Struct, frozen=True):
    """A user to be stored; `password_hash` is an Argon2id encoding."""

    user_id: str
    email: str
    username: str
    password_hash: str
    display_name: str
    role: Literal["user", "admin"]
    created_at: int
    email_verified_at: int | None = None


class User(Struct, frozen=True, kw_only=True):
    """Oneself."""

    user_id: Id
    email: str
    email_verified: bool
    username: str
    display_name: str
    avatar_url: str | None
    about: str | None
    status: Status
    status_text: str | None
    role: Literal["user", "admin"]
    mfa_enabled: bool
    privacy: Privacy
    created_at: Time
    updated_at: Time


class PublicUser(Struct, frozen=True, kw_only=True):
    """What one user sees of another. `status` is null when it is not visible to the viewer."""

    user_id: Id
    username: str | None
    display_name: str
    avatar_url: str | None
    about: str | None
    status: Status | None
    status_text: str | None
    is_bot: bool
    is_deleted: bool
    created_at: Time


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


def public_user(record: UserRecord, status: Status | None) -> PublicUser:
    """`record` as others see it; an erased user keeps only its id."""
    erased = record.state == "erased"
    return PublicUser(
        user_id=record.user_id,
        username=None if erased else record.username,
        display_name="Deleted user" if erased else record.display_name,
        avatar_url=None if erased else record.avatar_url,
        about=None if erased else record.about,
        status=None if erased else status,
        status_text=record.status_text if status is not None and not erased else None,
        is_bot=record.is_bot,
        is_deleted=record.state != "active",
        created_at=rfc3339(record.created_at),
    )


def render_user(record: UserRecord, status: Status) -> User:
    """A user as shown to itself."""
    return User(
        user_id=record.user_id,
        email=record.email,
        email_verified=record.email_verified_at is not None,
        username=record.username,
        display_name=record.display_name,
        avatar_url=record.avatar_url,
        about=record.about,
        status=status,
        status_text=record.status_text,
        role=record.role,
        mfa_enabled=False,  # there is no second factor in this version to switch on
        privacy=record.privacy,
        created_at=rfc3339(record.created_at),
        updated_at=rfc3339(record.updated_at),
    )


_RESERVED = frozenset({"admin", "root", "system", "support", "secureconnect"})


def username_fault(username: str) -> Detail | None:
    """The fault of a well-formed username that people may not take (docs/reference/rules.md §1)."""
    folded = fold(username)
    if folded in _RESERVED:
        return Detail("username", "is reserved")
    if folded.endswith("_bot"):
        return Detail("username", "must not end in _bot, which is for bots")
    return None
