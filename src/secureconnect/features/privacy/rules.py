"""What deletions and exports refuse (docs/reference/http.md, users, admin)."""

from typing import Final, Literal

from msgspec import Struct

from secureconnect.kit.errors import ApiError, Detail, ErrorCode

__all__ = [
    "Export",
    "ExportStatus",
    "check_may_export",
    "last_admin",
    "no_account",
    "no_export",
    "not_restorable",
    "object_key",
    "shown_status",
]


ExportStatus = Literal["pending", "ready", "failed", "expired"]

_APART_MS: Final = 24 * 3600 * 1000


class Export(Struct, frozen=True):
    """An export as stored; times in milliseconds since the epoch. `expires_at` is given once it is ready."""

    export_id: str
    user_id: str
    status: ExportStatus
    object_key: str | None
    created_at: int
    expires_at: int | None


def object_key(user_id: str, export_id: str) -> str:
    """Where an export lies (docs/reference/data.md §5)."""
    return f"exports/{user_id}/{export_id}.zip"


def shown_status(export: Export, now: int) -> ExportStatus:
    """An export that is over is so at once, whenever its object goes."""
    over = export.status == "ready" and export.expires_at is not None and export.expires_at <= now
    return "expired" if over else export.status


def check_may_export(latest: Export | None, now: int) -> None:
    """One at a time, and one in 24 hours; those that failed do not count.

    Raises:
        ApiError: `REQUEST_IN_PROGRESS`, `RATE_LIMIT_EXCEEDED`.
    """
    if latest is None or latest.status == "failed":
        return
    if latest.status == "pending":
        raise ApiError(ErrorCode.REQUEST_IN_PROGRESS, "An export is being made.", retry_after=10)
    left = latest.created_at + _APART_MS - now
    if left > 0:
        raise ApiError(ErrorCode.RATE_LIMIT_EXCEEDED, "One export in 24 hours.", retry_after=-(-left // 1000))


def no_export() -> ApiError:
    """Unknown, or somebody else's."""
    return ApiError(ErrorCode.NOT_FOUND, "There is no such export.")


def no_account() -> ApiError:
    """Unknown or erased."""
    return ApiError(ErrorCode.NOT_FOUND, "There is no such user.")


def last_admin() -> ApiError:
    """Somebody must be left to run the server."""
    details = [Detail("role", "this is the last server admin")]
    return ApiError(ErrorCode.CONFLICT, "The last server admin cannot be deleted.", details=details)


def not_restorable() -> ApiError:
    """Active, erased, or about to be erased."""
    details = [Detail("state", "only a deleted account that is not yet to be erased can be restored")]
    return ApiError(ErrorCode.CONFLICT, "This account cannot be restored.", details=details)
