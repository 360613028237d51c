"""What administration refuses (docs/reference/http.md, admin), and how long events stay
(docs/reference/data.md §7).
"""

from secureconnect.features.users.api import Account
from secureconnect.kit.errors import ApiError, Detail, ErrorCode, invalid

__all__ = [
    "check_bannable",
    "check_demotion",
    "check_erasable",
    "check_promotion",
    "days_kept",
    "no_ban",
    "no_user",
    "not_deleted",
]


def no_user() -> ApiError:
    """Unknown or erased."""
    return ApiError(ErrorCode.NOT_FOUND, "There is no such user.")


def no_ban() -> ApiError:
    """Nothing to lift."""
    return ApiError(ErrorCode.NOT_FOUND, "This user is not banned.")


def not_deleted() -> ApiError:
    """Erased accounts do not come back."""
    return _conflict("state", "This account cannot be restored.", "is erased")


def check_bannable(admin_id: str, user_id: str, account: Account | None) -> None:
    """Admins ban neither themselves nor each other; the role has to go first."""
    if user_id == admin_id:
        raise invalid("user_id", "nobody bans oneself")
    if account is None:
        raise no_user()
    if _administrates(account):
        raise _conflict("user_id", "Server admins are not banned.", "is a server admin")


def check_erasable(account: Account | None) -> Account:
    """Somebody who is no server admin; that role has to go first."""
    if account is None:
        raise no_user()
    if _administrates(account):
        raise _conflict("role", "Server admins are not deleted by others.", "is a server admin")
    return account


def check_promotion(account: Account) -> None:
    """Only people who can log in become server admins."""
    if account.record.is_bot:
        raise _conflict("role", "A bot is no server admin.", "not for a bot")
    if not account.record.active or account.ban is not None:
        raise _conflict("role", "Only active users become server admins.", "the account is not active")


def check_demotion(*, last: bool) -> None:
    """Somebody must be left to run the server."""
    if last:
        raise _conflict("role", "The last server admin keeps the role.", "this is the last server admin")


def days_kept(own: int, default: int, most: int) -> int:
    """For how many days a conversation keeps its events, 0 for good: what it says itself, else the server's
    default, and never longer than the server allows.
    """
    days = own or default
    return min(days, most) if days and most else days or most


def _administrates(account: Account) -> bool:
    return account.record.role == "admin" and account.record.active


def _conflict(field: str, message: str, detail: str) -> ApiError:
    return ApiError(ErrorCode.CONFLICT, message, details=[Detail(field, detail)])
