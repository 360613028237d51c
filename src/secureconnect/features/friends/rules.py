"""Who may ask, accept and block whom (docs/reference/rules.md §3): facts in, a decision or a refusal out."""

from typing import Literal

import msgspec
from msgspec import Struct

from secureconnect.features.users.api import PublicUser
from secureconnect.kit.errors import ApiError, Detail, ErrorCode, invalid

__all__ = [
    "Block",
    "Direction",
    "FriendLimits",
    "Friendship",
    "Request",
    "Standing",
    "across_block",
    "check_may_ask",
    "check_not_oneself",
    "check_person",
    "check_room_for_friend",
    "check_room_for_request",
    "check_standing",
    "direction",
    "not_found",
    "standing",
]

Standing = Literal["none", "incoming", "outgoing", "friends"]
Request = Literal["incoming", "outgoing"]
Direction = Literal["incoming", "outgoing", "mutual"]


class FriendLimits(Struct, frozen=True):
    """Friends of one user; open outgoing requests of one user."""

    max_friends: int
    max_pending: int


class Friendship(Struct, frozen=True):
    """The one relation of a pair, `user_low` < `user_high`. Times in milliseconds since the epoch."""

    user_low: str
    user_high: str
    requested_by: str
    status: Literal["pending", "accepted"]
    created_at: int
    updated_at: int

    def other(self, user_id: str) -> str:
        """The one that is not `user_id`."""
        return self.user_high if user_id == self.user_low else self.user_low


class Block(Struct, frozen=True):
    """A block as the blocker sees it. Time in milliseconds since the epoch."""

    blocked_id: str
    reason: str | None
    created_at: int


def standing(viewer_id: str, friendship: Friendship | None) -> Standing:
    """What the other one is to `viewer_id`."""
    if friendship is None:
        return "none"
    if friendship.status == "accepted":
        return "friends"
    return "outgoing" if friendship.requested_by == viewer_id else "incoming"


def direction(viewer_id: str, friendship: Friendship) -> Direction:
    """Whose request it is, seen by `viewer_id`; friends are mutual."""
    if friendship.status == "accepted":
        return "mutual"
    return "outgoing" if friendship.requested_by == viewer_id else "incoming"


def across_block(user: PublicUser) -> PublicUser:
    """`user` as seen from the other side of a block: its presence is not visible, whatever presence says."""
    return msgspec.structs.replace(user, status=None, status_text=None)


def not_found() -> ApiError:
    """The same refusal for a user, a request or a block that is not there."""
    return ApiError(ErrorCode.NOT_FOUND, "There is no such user, request or relation.")


def check_not_oneself(caller_id: str, other_id: str) -> None:
    """Raises ApiError `VALIDATION_ERROR` when both are the same."""
    if caller_id == other_id:
        raise invalid("id", "is the caller")


def check_person(*, is_bot: bool) -> None:
    """Raises ApiError `FORBIDDEN` for a bot: it could neither accept nor reject."""
    if is_bot:
        raise ApiError(ErrorCode.FORBIDDEN, "Bots have no friends.")


def check_may_ask(current: Standing, *, blocked: bool) -> None:
    """Raises ApiError `FORBIDDEN` across a block, with a text that does not tell, or `CONFLICT`."""
    if blocked:
        raise ApiError(ErrorCode.FORBIDDEN, "This user cannot be asked.")
    if current in {"friends", "outgoing"}:
        fault = "already a friend" if current == "friends" else "already asked"
        raise ApiError(ErrorCode.CONFLICT, "There is nothing to ask for.", details=[Detail("id", fault)])


def check_standing(current: Standing, needed: Standing) -> None:
    """Raises ApiError `NOT_FOUND` unless the relation is the one that the caller wants to act on."""
    if current != needed:
        raise not_found()


def check_room_for_request(outgoing: int, friends: int, limits: FriendLimits) -> None:
    """Raises ApiError `LIMIT_REACHED` when the asker has as many open requests or friends as allowed."""
    if outgoing >= limits.max_pending:
        raise ApiError(ErrorCode.LIMIT_REACHED, f"At most {limits.max_pending} open requests.")
    check_room_for_friend(friends, limits)


def check_room_for_friend(friends: int, limits: FriendLimits) -> None:
    """Raises ApiError `LIMIT_REACHED` when somebody with `friends` friends may not have one more."""
    if friends >= limits.max_friends:
        raise ApiError(ErrorCode.LIMIT_REACHED, f"At most {limits.max_friends} friends for each of the two.")
