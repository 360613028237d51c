"""What several devices make together."""

import pytest

from secureconnect.features.presence.rules import Device, View, effective, view_of
from secureconnect.features.users.api import Status


def device(status: Status, text: str | None = None, at: int = 0) -> Device:
    return Device(status, text, at, socket=True)


@pytest.mark.parametrize(
    ("statuses", "together"),
    [
        ([], "offline"),
        (["offline"], "offline"),
        (["away", "offline"], "away"),
        (["away", "online"], "online"),
        (["away", "busy", "online", "offline"], "busy"),
    ],
)
def test_the_strongest_status_counts(statuses: list[Status], together: Status) -> None:
    assert effective(map(device, statuses)) == together
    assert effective(map(device, reversed(statuses))) == together


def test_the_last_text_counts() -> None:
    devices = [device("away", "old", 1), device("online", "new", 2), device("busy", None, 3)]
    assert view_of(devices, "profile", None).status_text == "new"
    assert view_of([device("online")], "profile", None).status_text == "profile"


def test_an_invisible_device_looks_like_none() -> None:
    seen = 1_700_000_059_999
    hidden = view_of([device("offline", "secret", 9)], "profile", seen)
    assert hidden == view_of([], "profile", seen) == View("offline", "profile", 1_700_000_040_000)


def test_who_is_here_was_not_last_seen() -> None:
    assert view_of([device("away")], None, 1_700_000_000_000).last_seen_at is None
    assert view_of([], None, None).last_seen_at is None
