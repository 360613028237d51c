"""What bots and webhooks may be (docs/reference/rules.md §2, §6). Pure: facts in, a decision out."""

from collections.abc import Mapping
from typing import Final, Literal

from msgspec import Struct

from secureconnect.features.conversations.api import Member
from secureconnect.kit.errors import ApiError, ErrorCode, invalid
from secureconnect.kit.text import fold

__all__ = [
    "CLOSE_COME_BACK",
    "CLOSE_REVOKED",
    "TOKEN_PREFIX",
    "WEBHOOKS",
    "BotLimits",
    "Scope",
    "check_admin",
    "check_bot_name",
    "check_enabled",
    "check_hook_text",
    "check_not_encrypted",
    "check_room_for_bot",
    "check_room_for_webhook",
    "no_bot",
    "no_webhook",
]

Scope = Literal[
    "conversations:read",
    "conversations:write",
    "members:read",
    "members:write",
    "messages:read",
    "messages:write",
    "reactions:write",
    "polls:write",
    "files:read",
    "files:write",
    "presence:read",
    "users:read",
]

#: Tells bot tokens from access tokens.
TOKEN_PREFIX: Final = "scb_"  # noqa: S105 - how tokens begin, not one

#: How a bot's sockets close when its token ends, and when it goes on otherwise than before.
CLOSE_REVOKED: Final = 4003
CLOSE_COME_BACK: Final = 4500

#: Live webhooks of one conversation.
WEBHOOKS: Final = 20


class BotLimits(Struct, frozen=True):
    """The `bots.*` settings."""

    enabled: bool = True
    max_per_user: int = 20


def no_bot() -> ApiError:
    """The same refusal for a bot that is not there and for somebody else's."""
    return ApiError(ErrorCode.NOT_FOUND, "There is no such bot.")


def no_webhook() -> ApiError:
    """The same refusal for an unknown id, a wrong secret and a deleted webhook."""
    return ApiError(ErrorCode.NOT_FOUND, "There is no such webhook.")


def check_enabled(limits: BotLimits) -> None:
    """Raises ApiError `FEATURE_DISABLED` on a server without bots."""
    if not limits.enabled:
        raise ApiError(ErrorCode.FEATURE_DISABLED, "Bots are switched off on this server.")


def check_bot_name(username: str) -> None:
    """Raises ApiError `VALIDATION_ERROR` for a well-formed username that does not look like a bot's."""
    if not fold(username).endswith("_bot"):
        raise invalid("username", "must end in _bot")


def check_room_for_bot(bots: int, limits: BotLimits) -> None:
    """Raises ApiError `LIMIT_REACHED` for an owner of as many bots as allowed."""
    if bots >= limits.max_per_user:
        raise ApiError(ErrorCode.LIMIT_REACHED, f"At most {limits.max_per_user} bots per user.")


def check_admin(member: Member) -> None:
    """Raises ApiError `FORBIDDEN` unless the member administrates the conversation."""
    if not member.is_admin:
        raise ApiError(ErrorCode.FORBIDDEN, "Only admins of the conversation may do this.")


def check_not_encrypted(*, is_e2ee_enabled: bool) -> None:
    """Raises ApiError `E2EE_BLOCKED` where the server may not read what is said, so may not say anything."""
    if is_e2ee_enabled:
        raise ApiError(ErrorCode.E2EE_BLOCKED, "This conversation is encrypted: webhooks are suspended.")


def check_room_for_webhook(live: int) -> None:
    """Raises ApiError `LIMIT_REACHED` in a conversation with as many webhooks as allowed."""
    if live >= WEBHOOKS:
        raise ApiError(ErrorCode.LIMIT_REACHED, f"At most {WEBHOOKS} webhooks per conversation.")


def check_hook_text(fields: Mapping[str, str | None], longest: int) -> str:
    """The text of a post: the first of `fields` that was given; later ones are not looked at.

    Raises:
        ApiError: `VALIDATION_ERROR` without any, for a blank one, and for more than `longest` code points.
    """
    for name, value in fields.items():
        if value is None:
            continue
        if not value or value.isspace():
            raise invalid(name, "at least one character that is not blank is needed")
        if len(value) > longest:
            raise invalid(name, f"at most {longest} characters")
        return value
    raise invalid(next(iter(fields)), "is required")
