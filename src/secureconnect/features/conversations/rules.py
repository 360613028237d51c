"""Who may do what in a conversation (docs/reference/rules.md §4). Pure: facts in, a decision out."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from secureconnect.features.conversations.api import Facts, Member, Role, Type
from secureconnect.kit.errors import ApiError, ErrorCode, invalid
from secureconnect.kit.objects import ConversationSettings
from secureconnect.kit.urls import is_web_url

__all__ = [
    "LIVE_INVITES",
    "ConversationLimits",
    "change_settings",
    "check_admin",
    "check_group",
    "check_insider",
    "check_may_add",
    "check_may_edit",
    "check_may_invite",
    "check_may_join",
    "check_may_leave",
    "check_may_own",
    "check_may_remove",
    "check_may_revoke",
    "check_may_set_role",
    "check_mute",
    "check_owner",
    "check_picture",
    "check_reachable",
    "check_room",
    "check_room_for_invite",
    "check_settings",
    "direct_key",
    "found",
    "founders",
    "not_a_member",
    "not_found",
    "other_of",
    "pair_of",
    "picture_url",
]

LIVE_INVITES = 20


class ConversationLimits(Struct, frozen=True):
    """`invite_ttl` in seconds; counts otherwise. `unread_cap` is the highest unread count that is told."""

    max_members: int = 1000
    max_per_user: int = 10_000
    invite_ttl: int = 604_800
    unread_cap: int = 1000


def not_found(what: str = "conversation") -> ApiError:
    """The refusal for something that is not there."""
    return ApiError(ErrorCode.NOT_FOUND, f"There is no such {what}.")


def _forbidden(message: str) -> ApiError:
    return ApiError(ErrorCode.FORBIDDEN, message)


def _conflict(message: str) -> ApiError:
    return ApiError(ErrorCode.CONFLICT, message)


def not_a_member() -> ApiError:
    """The refusal for strangers."""
    return _forbidden("Only members may do this.")


def check_insider(facts: Facts | None, user_id: str) -> Facts:
    """The facts of a conversation that `user_id` takes part in.

    Raises:
        ApiError: `NOT_FOUND` or `FORBIDDEN`.
    """
    if facts is None:
        raise not_found()
    if user_id not in facts.members:
        raise not_a_member()
    return facts


def founders(type_: Type, caller_id: str, named: Sequence[str]) -> list[str]:
    """The members of a new conversation, the caller first, each once.

    Raises:
        ApiError: `VALIDATION_ERROR` when there are not exactly 2 for a direct or at least 2 for a group chat.
    """
    members = list(dict.fromkeys((caller_id, *named)))
    if type_ == "direct" and len(members) != 2:
        raise invalid("participant_ids", "exactly one other user is needed")
    if len(members) < 2:
        raise invalid("participant_ids", "at least one other user is needed")
    return members


def direct_key(a: str, b: str) -> str:
    """What is unique per pair."""
    return f"{min(a, b)}:{max(a, b)}"


def pair_of(key: str) -> tuple[str, str]:
    """The two users of a direct conversation."""
    low, _, high = key.partition(":")
    return low, high


def other_of(key: str, user_id: str) -> str:
    """The other one of a direct pair."""
    low, high = pair_of(key)
    return high if user_id == low else low


def found(named: Collection[str], active: Collection[str]) -> None:
    """Raises ApiError `NOT_FOUND` unless every named user is active."""
    if any(user_id not in active for user_id in named):
        raise not_found("user")


def check_reachable(
    others: Collection[str],
    *,
    blocked: Collection[str],
    friends_only: Collection[str],
    friends: Collection[str],
) -> None:
    """Raises ApiError `FORBIDDEN`, which does not tell why, unless the caller may bring all of them in.

    Args:
        others: whom the caller names.
        blocked: those with a block between them and the caller.
        friends_only: those who take messages from friends only.
        friends: the caller's friends among them.
    """
    if any(user in blocked or (user in friends_only and user not in friends) for user in others):
        raise _forbidden("At least one of these users cannot be reached.")


def check_room(
    members: int, joining: Collection[str], counts: Mapping[str, int], limits: ConversationLimits
) -> None:
    """Raises ApiError `LIMIT_REACHED` when the conversation or one of the joining users is full.

    Args:
        members: members without the joining ones.
        counts: conversations of each joining user.
    """
    if members + len(joining) > limits.max_members:
        raise ApiError(ErrorCode.LIMIT_REACHED, f"At most {limits.max_members} members.")
    if any(counts.get(user_id, 0) >= limits.max_per_user for user_id in joining):
        raise ApiError(ErrorCode.LIMIT_REACHED, f"At most {limits.max_per_user} conversations per user.")


def check_group(type_: Type) -> None:
    """Raises ApiError `CONFLICT` for what a direct conversation cannot do."""
    if type_ == "direct":
        raise _conflict("A direct conversation has exactly its two members.")


def check_admin(member: Member) -> None:
    """Raises ApiError `FORBIDDEN` unless the member is an admin."""
    if not member.is_admin:
        raise _forbidden("Only admins may do this.")


def check_owner(member: Member) -> None:
    """Raises ApiError `FORBIDDEN` unless the member owns the group; direct ones have no owner."""
    if not member.is_owner:
        raise _forbidden("Only the owner may do this.")


def check_may_edit(member: Member) -> None:
    """Raises ApiError `FORBIDDEN` unless the member may change title, description and picture."""
    if member.type == "direct":
        raise _forbidden("A direct conversation has no title.")
    if member.settings.edit_permission == "admins":
        check_admin(member)


def check_may_invite(member: Member) -> None:
    """Raises ApiError `FORBIDDEN` unless the member may bring others in."""
    if member.settings.invite_permission == "admins":
        check_admin(member)


def check_may_add(member: Member, joining: Collection[str], removed: Collection[str]) -> None:
    """Raises ApiError `FORBIDDEN` unless the member may bring `joining` in.

    `removed` are those that an admin put out.
    """
    check_may_invite(member)
    if any(user_id in removed for user_id in joining):
        check_admin(member)


def check_may_join(user_id: str, *, removed: Collection[str], blocked: bool) -> None:
    """Raises ApiError `FORBIDDEN` unless an invite lets the user in.

    `removed` are those that an admin put out, `blocked` tells of a block between user and inviter.
    """
    if user_id in removed or blocked:
        raise _forbidden("This invite does not let you in.")


def check_may_revoke(member: Member, created_by: str) -> None:
    """Raises ApiError `FORBIDDEN` unless the member may end an invite: admins any, others their own."""
    check_may_invite(member)
    if created_by != member.user_id:
        check_admin(member)


def check_room_for_invite(live: int) -> None:
    """Raises ApiError `LIMIT_REACHED` when there are as many live invites as allowed."""
    if live >= LIVE_INVITES:
        raise ApiError(ErrorCode.LIMIT_REACHED, f"At most {LIVE_INVITES} invites at a time.")


def check_may_remove(actor: Member, target: Member) -> None:
    """Raises ApiError `FORBIDDEN` unless `actor` may put `target` out."""
    if actor.type == "direct":
        raise _forbidden("Nobody can be removed from a direct conversation.")
    check_admin(actor)
    if target.is_owner:
        raise _forbidden("Nobody removes the owner.")
    if target.is_admin:
        check_owner(actor)


def check_may_set_role(actor: Member, target: Member, role: Role) -> None:
    """Raises ApiError `FORBIDDEN` unless `actor` may give `target` this role."""
    if actor.type == "direct":
        raise _forbidden("Both sides of a direct conversation are admins.")
    check_admin(actor)
    if role in {"admin", target.role}:
        return
    if target.is_owner:
        raise _forbidden("The owner stays admin.")
    if target.user_id != actor.user_id:
        check_owner(actor)


def check_may_leave(member: Member) -> bool:
    """Whether the group ends with this member's leave.

    Raises:
        ApiError: `CONFLICT` for a direct conversation, `OWNERSHIP_TRANSFER_REQUIRED` for an owner of others.
    """
    check_group(member.type)
    if not member.is_owner:
        return False
    if member.member_count > 1:
        raise ApiError(
            ErrorCode.OWNERSHIP_TRANSFER_REQUIRED, "Give the group to somebody else first, or delete it."
        )
    return True


def check_may_own(*, is_bot: bool) -> None:
    """Raises ApiError `VALIDATION_ERROR` for a user that cannot own a group."""
    if is_bot:
        raise invalid("user_id", "a bot cannot own a conversation")


def check_mute(until: int | None, now: int) -> None:
    """Raises ApiError `VALIDATION_ERROR` for a mute that is over before it begins."""
    if until is not None and until <= now:
        raise invalid("until", "must lie in the future")


def check_settings(wanted: Mapping[str, Any], within: str = "") -> None:
    """Raises ApiError `VALIDATION_ERROR` for what types cannot say; `within` leads to the field."""
    if 0 < wanted.get("message_ttl_seconds", 0) < 5:
        raise invalid(f"{within}message_ttl_seconds", "0, or at least 5")


def check_picture(wanted: Mapping[str, Any], *, allow_http: bool) -> None:
    """Raises ApiError `VALIDATION_ERROR` for a picture elsewhere that is not an absolute https URL, or that
    is given next to one made of a file."""
    url = wanted.get("avatar_url")
    if url is not None and not is_web_url(url, allow_http=allow_http):
        raise invalid("avatar_url", "must be an absolute https URL")
    if "avatar_url" in wanted and "avatar_file_id" in wanted:
        raise invalid("avatar_file_id", "not together with avatar_url")


def picture_url(conversation_id: str, file_id: str | None) -> str | None:
    """Where members find the picture made of a file; a new one has an address that no cache knows."""
    return f"/v1/conversations/{conversation_id}/avatar?v={file_id[-12:]}" if file_id is not None else None


def change_settings(
    settings: ConversationSettings, wanted: Mapping[str, Any], now: str
) -> tuple[ConversationSettings, dict[str, Any]]:
    """The settings with `wanted` fields, and those of them that are different now."""
    changed = {name: value for name, value in wanted.items() if getattr(settings, name) != value}
    if not changed:
        return settings, changed
    return msgspec.structs.replace(settings, **changed, updated_at=now), changed
