"""Who is told of what (docs/reference/rules.md §11)."""

from datetime import datetime
from typing import Annotated, Final
from zoneinfo import ZoneInfo

from msgspec import Meta, Struct

from secureconnect.features.notifications.api import NoticeType
from secureconnect.kit.clock import rfc3339
from secureconnect.kit.objects import Time

__all__ = [
    "DEFAULTS",
    "Preferences",
    "PreferencesObject",
    "QuietHours",
    "is_quiet",
    "may_push",
    "show_preferences",
    "wants",
]

_HOUR = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"


class QuietHours(Struct, frozen=True, rename={"from_": "from"}):
    """Every day from one local time to another; they may lie on both sides of midnight."""

    from_: Annotated[str, Meta(pattern=_HOUR)]
    to: Annotated[str, Meta(pattern=_HOUR)]
    timezone: Annotated[str, Meta(min_length=1, max_length=64)]


class Preferences(Struct, frozen=True, kw_only=True):
    """What a user wants to be told, and how."""

    email_enabled: bool = True
    push_enabled: bool = True
    message_enabled: bool = True
    mention_enabled: bool = True
    reaction_enabled: bool = True
    call_enabled: bool = True
    friend_request_enabled: bool = True
    conversation_enabled: bool = True
    poll_enabled: bool = True
    system_enabled: bool = True
    message_preview: bool = False
    quiet_hours: QuietHours | None = None


class PreferencesObject(Preferences, frozen=True, kw_only=True):
    """Preferences as their owner sees them."""

    updated_at: Time


DEFAULTS: Final = Preferences()

_SWITCHES = {
    "message": "message_enabled",
    "mention": "mention_enabled",
    "reaction": "reaction_enabled",
    "call": "call_enabled",
    "friend_request": "friend_request_enabled",
    "conversation": "conversation_enabled",
    "poll": "poll_enabled",
    "system": "system_enabled",
}
#: What is pushed at any hour.
_ALWAYS = frozenset({"call", "security"})
#: What is pushed only while the user is not there to see it.
_WHEN_AWAY = frozenset({"message", "mention", "reaction"})


def wants(preferences: Preferences, type_: NoticeType) -> bool:
    """Whether the user wants entries of this type; `security` cannot be switched off."""
    switch = _SWITCHES.get(type_)
    return switch is None or bool(getattr(preferences, switch))


def may_push(preferences: Preferences, type_: NoticeType, now: int, *, online: bool) -> bool:
    """Whether an entry may be pushed now. `online`: the user is there, and pushes are held back for that."""
    if not preferences.push_enabled and type_ != "security":
        return False
    if online and type_ in _WHEN_AWAY:
        return False
    return type_ in _ALWAYS or not is_quiet(preferences.quiet_hours, now)


def is_quiet(hours: QuietHours | None, now: int) -> bool:
    """Whether `now` (ms) lies in the quiet hours."""
    if hours is None or hours.from_ == hours.to:
        return False
    local = datetime.fromtimestamp(now / 1000, ZoneInfo(hours.timezone)).strftime("%H:%M")
    if hours.from_ < hours.to:
        return hours.from_ <= local < hours.to
    return local >= hours.from_ or local < hours.to


def show_preferences(preferences: Preferences, updated_at: int) -> PreferencesObject:
    """Preferences as their owner sees them."""
    fields = {name: getattr(preferences, name) for name in Preferences.__struct_fields__}
    return PreferencesObject(**fields, updated_at=rfc3339(updated_at))
