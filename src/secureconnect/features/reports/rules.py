"""What can be reported and what can be done about it. Pure: facts in, a decision out."""

from typing import Literal

from secureconnect.kit.errors import ApiError, Detail, ErrorCode

__all__ = ["Action", "Status", "Target", "check_open", "not_found", "subject_fault"]

Target = Literal["user", "message", "conversation"]
Status = Literal["open", "resolved"]
Action = Literal["dismiss", "delete_message", "ban_user"]


def not_found(what: str) -> ApiError:
    """The refusal for something that is not there."""
    return ApiError(ErrorCode.NOT_FOUND, f"There is no such {what}.")


def check_open(status: Status) -> None:
    """Raises ApiError `CONFLICT` for a report that was resolved before."""
    if status != "open":
        details = [Detail("id", "is resolved")]
        raise ApiError(ErrorCode.CONFLICT, "The report was resolved before.", details=details)


def subject_fault(action: Action, target: Target) -> ApiError:
    """The refusal of an action that a report about such a target, or this one, leads to nobody."""
    details = [Detail("action", f"not possible for a report about this {target}")]
    return ApiError(ErrorCode.CONFLICT, f"There is nothing to {action.replace('_', ' ')}.", details=details)
