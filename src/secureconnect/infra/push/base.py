"""The push port: hands one push to the provider of one device (docs/reference/rules.md §11)."""

from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, Protocol, get_args

import msgspec
from msgspec import Struct

__all__ = [
    "PROVIDERS",
    "Provider",
    "Push",
    "PushDelayed",
    "PushGone",
    "PushRefused",
    "PushTransport",
    "Target",
    "TargetFault",
    "fitted",
    "masked",
]

Provider = Literal["fcm", "apns", "webpush"]
PROVIDERS: Final[tuple[Provider, ...]] = get_args(Provider)

_SHOWN = 8


class Target(Struct, frozen=True):
    """One device. `token` is what its provider knows it by, for Web Push the URL of the subscription, which
    also has `p256dh` (a point on P-256, 65 bytes) and `auth` (16 bytes)."""

    provider: Provider
    token: str
    token_id: str
    user_id: str
    platform: str | None = None
    p256dh: bytes = b""
    auth: bytes = b""

    def __repr__(self) -> str:
        return f"Target({self.provider!r}, {masked(self.token)!r})"


class Push(Struct, frozen=True, kw_only=True):
    """One push to one device.

    Args:
        push_id: the same however often it is handed over, so that the device can tell a repeat.
        data: ids, for the app.
        urgent: it has to arrive now, whatever the device does: calls.
        quiet: the app rings or shows something by itself; nothing is shown for it.
        badge: what the app's icon shows.
        topic: a later push of the same topic replaces this one where it was not delivered yet.
        expires_at: when (ms) it is of no use any more.
        repeat: it may have been handed over before.
    """

    push_id: str
    kind: str
    title: str
    body: str
    data: Mapping[str, str]
    badge: int
    written_at: int
    expires_at: int
    urgent: bool = False
    quiet: bool = False
    topic: str | None = None
    repeat: bool = False


class PushGone(Exception):
    """The provider does not know the device any more. `reason` is for its user, without the token.

    `since` is from when (ms) on that is so, where the provider says it.
    """

    def __init__(self, reason: str, since: int | None = None) -> None:
        self.reason = reason
        self.since = since
        super().__init__(reason)


class PushRefused(Exception):
    """This push will never be taken. `reason` is for its user, without the token."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class PushDelayed(Exception):
    """Not now. `after` is how many seconds the provider asks for; `unreachable` says that it takes nothing
    at all from us, be it away or not content with our credentials. `host` is the one that does not answer, of
    a provider that has many."""

    def __init__(
        self,
        reason: str,
        after: float | None = None,
        *,
        unreachable: bool = False,
        host: str | None = None,
    ) -> None:
        self.reason = reason
        self.after = after
        self.unreachable = unreachable
        self.host = host
        super().__init__(reason)


class TargetFault(Exception):
    """What was given to reach a device cannot be used. `field` names the faulty part."""

    def __init__(self, field: Literal["token", "keys.p256dh", "keys.auth"], message: str) -> None:
        self.field = field
        self.message = message
        super().__init__(f"{field} {message}")


class PushTransport(Protocol):
    """One provider. At least once: an answer that was lost on the way leads to the same push again."""

    async def check(self, target: Target) -> None:
        """Look at what somebody registers.

        Raises:
            TargetFault: nothing could ever be sent there.
        """

    async def send(self, target: Target, push: Push) -> None:
        """Hand the push over; returning means that the provider took it.

        Raises:
            PushGone, PushRefused, PushDelayed.
        """

    async def close(self) -> None:
        """End connections."""


def masked(token: str) -> str:
    """What is shown of a token: its first and last eight characters, less of a short one."""
    shown = _SHOWN if len(token) > 2 * _SHOWN else len(token) // 4
    return f"{token[:shown]}…{token[len(token) - shown :]}"


def fitted(push: Push, render: Callable[[Push], Mapping[str, Any]], limit: int) -> bytes:
    """`render(push)` as JSON of at most `limit` bytes; first the body, then the title is cut for that.

    Raises:
        PushRefused: it does not fit without both.
    """
    while len(encoded := msgspec.json.encode(render(push))) > limit:
        if push.body:
            push = msgspec.structs.replace(push, body=_shorter(push.body))
        elif push.title:
            push = msgspec.structs.replace(push, title=_shorter(push.title))
        else:
            raise PushRefused("too large")
    return encoded


def _shorter(text: str) -> str:
    kept = text.removesuffix("…")
    return f"{kept[: len(kept) * 4 // 5]}…" if len(kept) > 1 else ""
