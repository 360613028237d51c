"""What deletions refuse (docs/reference/http.md, users, admin)."""

from secureconnect.kit.errors import ApiError, Detail, ErrorCode

__all__ = ["last_admin", "no_account", "not_restorable"]


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
