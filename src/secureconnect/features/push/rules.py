"""What a push says, and for how long it is of use (docs/reference/rules.md §11)."""

import base64
import binascii
from collections.abc import Mapping
from typing import Final

from msgspec import Struct

from secureconnect.features.notifications.api import Notice
from secureconnect.features.push.api import PushKind, Ring

__all__ = ["RING_SECONDS", "Content", "PushLimits", "key_bytes", "of_hush", "of_notice", "of_ring", "of_test"]

#: How long a call rings.
RING_SECONDS: Final = 45

#: Notices whose texts name the place where it happened, which is nobody's business on the way.
_NAMES_PLACE: Final = frozenset({"mention", "reaction", "conversation", "poll"})


class PushLimits(Struct, frozen=True):
    """Settings: active tokens of one user, seconds until a push is given up, days that tokens and deliveries
    stay."""

    max_tokens: int
    max_age: int
    token_days: int
    delivery_days: int


class Content(Struct, frozen=True, kw_only=True):
    """What a push says. `urgent` and `quiet` as in the port; `topic` too."""

    kind: PushKind
    title: str
    body: str
    data: Mapping[str, str]
    urgent: bool = False
    quiet: bool = False
    topic: str | None = None


def of_notice(notice: Notice, notification_id: str, preview: str | None) -> Content:
    """Ids and a generic text with the name of who did it. Only with `preview`, which is what a message says,
    it also names the conversation."""
    kind: PushKind = "missed_call" if notice.type == "call" else notice.type
    if preview is not None:
        title, body = notice.title, preview
    elif notice.type == "message":
        title, body = "New message", notice.body
    elif notice.type in _NAMES_PLACE:
        title, body = notice.title, ""
    else:
        title, body = notice.title, notice.body
    return Content(
        kind=kind,
        title=title,
        body=body,
        data={**notice.data, "notification_id": notification_id},
        urgent=notice.type == "security",
        topic=notification_id,
    )


def of_ring(ring: Ring) -> Content:
    """A call: the app rings by itself."""
    return Content(
        kind="call",
        title="Incoming call",
        body=ring.text,
        data={**ring.data, "call_id": ring.call_id},
        urgent=True,
        quiet=True,
        topic=ring.call_id,
    )


def of_hush(ring: Ring) -> Content:
    """The end of the ringing: nothing to show, but quick."""
    return Content(
        kind="call",
        title="Call ended",
        body="",
        data={**ring.data, "call_id": ring.call_id},
        urgent=True,
        quiet=True,
        topic=ring.call_id,
    )


def of_test(title: str, body: str) -> Content:
    """What its own reader wrote."""
    return Content(kind="test", title=title, body=body, data={})


def key_bytes(text: str) -> bytes:
    """What base64url (or base64) text stands for, with or without padding; nothing when it is none."""
    plain = text.rstrip("=").replace("+", "-").replace("/", "_")
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return b""
