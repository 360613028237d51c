"""What administrators see and give, as objects."""

from typing import Annotated, Any

from msgspec import Meta, Struct

from secureconnect.edge.http.routing import Call
from secureconnect.features.admin.service import Admin, Shown
from secureconnect.features.users.api import User, render_user
from secureconnect.kit.clock import rfc3339
from secureconnect.kit.objects import Time

__all__ = ["AdminUser", "Quota", "Reason", "ReasonBody", "UserAnswer", "admin_of", "render", "time_of"]

Reason = Annotated[str, Meta(min_length=10, max_length=500)]
#: In bytes; up to the largest integer that JSON readers agree on.
Quota = Annotated[int, Meta(ge=0, le=2**53 - 1)]


class ReasonBody(Struct):
    """Why; it goes to the audit trail."""

    reason: Reason


class AdminUser(User, frozen=True, kw_only=True):
    """An account as server admins see it; storage in bytes."""

    last_login_at: Time | None
    is_banned: bool
    banned_at: Time | None
    banned_until: Time | None
    ban_reason: str | None
    storage_used: int
    storage_quota: int


class UserAnswer(Struct, frozen=True):
    """One account."""

    user: AdminUser


def admin_of(call: Call[Any, Any]) -> Admin:
    """Who calls."""
    return Admin(call.caller, call.context)


def time_of(at: int | None) -> str | None:
    """Milliseconds as text."""
    return rfc3339(at) if at is not None else None


def render(shown: Shown) -> AdminUser:
    """The account with all that administrators see."""
    account = shown.account
    user = render_user(account.record, shown.status, mfa_enabled=shown.mfa_enabled)
    ban = account.ban
    return AdminUser(
        **{name: getattr(user, name) for name in User.__struct_fields__},
        last_login_at=time_of(account.last_login_at),
        is_banned=ban is not None,
        banned_at=rfc3339(ban.banned_at) if ban is not None else None,
        banned_until=time_of(ban.banned_until) if ban is not None else None,
        ban_reason=ban.reason if ban is not None else None,
        storage_used=shown.storage_used,
        storage_quota=shown.storage_quota,
    )
