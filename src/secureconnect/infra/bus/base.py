"""The Bus port: fire-and-forget hints by channel."""

from collections.abc import Callable
from typing import Protocol

from secureconnect.kit.hints import Hint

__all__ = ["Bus", "Distress", "Doubt", "Handler", "Unsubscribe"]

#: Runs on the event loop and returns quickly; what it raises is logged and stops nobody else.
Handler = Callable[[Hint], None]
Unsubscribe = Callable[[], None]
#: Told that hints may have been missed. False: and more may be, this is said again every second; True: until
#: now, the bus works again. Runs on the event loop and returns quickly.
Doubt = Callable[[bool], None]


class Bus(Protocol):
    """Publish and subscribe among all processes of one installation, the publisher's own included.

    Guarantees: at most once; hints of one publisher arrive in order per channel; a hint published after
    `subscribe` returned is delivered while the bus is healthy; hints of the own process arrive always, and at
    once; when some of another process may not have arrived, `on_doubt` says so. Not guaranteed: delivery,
    history. Whoever needs more reads the store (gap repair).
    """

    @property
    def embedded(self) -> bool:
        """True when there is only this process: then `subscribe` never waits."""

    def publish(self, channel: str, hint: Hint) -> None:
        """Tell every subscriber of `channel`. Never blocks, never raises."""

    def listened(self, channel: str) -> bool:
        """False when surely nobody subscribes to `channel`: then there is no need to make a hint."""

    async def subscribe(self, channel: str, handler: Handler) -> Unsubscribe:
        """Call `handler` for every hint on `channel` until the returned function is called."""

    def on_doubt(self, doubt: Doubt) -> None:
        """Call `doubt` when what was built from hints may be stale. Never within one process."""

    async def close(self) -> None:
        """Drop all subscriptions."""


class Distress(Protocol):
    """How processes tell each other without the bus that hints of one of them do not arrive."""

    async def call(self) -> None:
        """Say so of this process, for some seconds. Raises ApiError when nobody can be told."""

    async def heard(self) -> bool:
        """Whether another process says so now. Raises ApiError when that cannot be known."""
