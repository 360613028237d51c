"""What pushes offer, and what they need from others.

Notices come through `notifications.api.Pushes`, which this feature implements.
"""

from collections.abc import Mapping
from typing import Literal, Protocol

from msgspec import Struct

from secureconnect.infra.database.base import WriteTx
from secureconnect.infra.push.base import Provider

__all__ = ["Badges", "Platform", "Provider", "PushKind", "Ring", "RingingPushes"]

Platform = Literal["ios", "android", "web", "desktop"]

PushKind = Literal[
    "message",
    "mention",
    "reaction",
    "call",
    "missed_call",
    "friend_request",
    "conversation",
    "poll",
    "system",
    "security",
    "test",
]


class Ring(Struct, frozen=True, kw_only=True):
    """A call that rings for a user. `data` holds ids; `text` may name who calls."""

    user_id: str
    call_id: str
    text: str
    data: Mapping[str, str]


class RingingPushes(Protocol):
    """Lets devices ring that have no socket open."""

    def ring_in(self, tx: WriteTx, ring: Ring) -> bool:
        """Queue a push of kind `call`, of use for 45 s; False when the user has no device for it.

        At any hour and whoever is online; whether the user wants calls is the caller's business.
        """

    def hush_in(self, tx: WriteTx, ring: Ring) -> bool:
        """Queue the push that makes devices stop ringing; it takes the place of a ring that still waits.

        `ring.data` says why. False when the user has no device.
        """


class Badges(Protocol):
    """How much somebody has not read; offered by `conversations`."""

    async def unread(self, user_id: str) -> int:
        """The `unread_count` of all the user's conversations together."""
