"""What a user is: stored, shown to itself, shown to others."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from secureconnect.kit.clock import rfc3339
from secureconnect.kit.errors import Detail
from secureconnect.kit.objects import Id, Time
from secureconnect.kit.text import fold

__all__ = [
    "DisplayName",
    "Email",
    "NewUser",
    "Privacy",
    "PublicUser",
    "Status",
    "User",
    "UserRecord",
    "Username",
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


class NewUser(Struct, frozen=True):
    """A user to be stored; `password_hash` is an Argon2id encoding, None for who logs in elsewhere."""

    user_id: str
    email: str
    username: str
    password_hash: str | None
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


def render_user(record: UserRecord, status: Status, *, mfa_enabled: bool) -> User:
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
        mfa_enabled=mfa_enabled,
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
