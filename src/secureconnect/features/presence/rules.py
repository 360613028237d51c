"""What several devices make together, and what others see of it (docs/reference/rules.md §7)."""

from collections.abc import Iterable
from typing import Final

from msgspec import Struct

from secureconnect.features.users.api import Status

__all__ = ["Device", "PresenceTimes", "View", "effective", "here_for", "view_of"]

_MINUTE_MS: Final = 60_000
_RANK: Final[dict[Status, int]] = {"offline": 0, "away": 1, "online": 2, "busy": 3}


class PresenceTimes(Struct, frozen=True):
    """The `presence.*` settings, in seconds."""

    ttl: float = 300
    offline_grace: float = 10
    min_interval: float = 5


class Device(Struct, frozen=True):
    """What one device says. `offline` means invisible. `socket`: it says so while it has a socket.

    `at` is when it was said, in milliseconds since the epoch.
    """

    status: Status
    text: str | None
    at: int
    socket: bool


class View(Struct, frozen=True):
    """What those who may see a user's presence see. `last_seen_at` is a whole minute, in milliseconds."""

    status: Status
    status_text: str | None
    last_seen_at: int | None


def effective(devices: Iterable[Device]) -> Status:
    """Busy if any device is, else online, else away, else offline."""
    return max((device.status for device in devices), key=_RANK.__getitem__, default="offline")


def view_of(devices: Iterable[Device], profile_text: str | None, seen_at: int | None) -> View:
    """What others see. An invisible device says nothing at all, not even its text.

    The text is what a device said last, else that of the profile. Only users who are offline were last seen
    at a time.
    """
    visible = [device for device in devices if device.status != "offline"]
    said = [device for device in visible if device.text is not None]
    text = max(said, key=lambda device: device.at).text if said else profile_text
    seen = None if visible or seen_at is None else seen_at - seen_at % _MINUTE_MS
    return View(effective(visible), text, seen)


def here_for(devices: Iterable[Device], now: int, times: PresenceTimes, socket_ttl: float) -> float:
    """For how many seconds from `now` (ms) somebody is visibly here if no device says anything more."""
    return max(
        (
            socket_ttl if device.socket else device.at / 1000 + times.ttl - now / 1000
            for device in devices
            if device.status != "offline"
        ),
        default=0.0,
    )
