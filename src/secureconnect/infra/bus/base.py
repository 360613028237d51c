"""The Bus port: fire-and-forget hints by channel."""

from collections.abc import Callable
from typing import Protocol

from secureconnect.kit.hints import Hint

__all__ = ["Bus", "Handler", "Unsubscribe"]

#: Runs on the event loop and returns quickly; what it raises is logged and stops nobody else.
Handler = Callable[[Hint], None]
Unsubscribe = Callable[[], None]


class Bus(Protocol):
    """Publish and subscribe among all processes of one installation, the publisher's own included.

    Guarantees: at most once; hints of one publisher arrive in order per channel; a hint published after
    `subscribe` returned is delivered while the bus is healthy. Not guaranteed: delivery, history. Whoever
    needs more reads the store (gap repair).
    """

    def publish(self, channel: str, hint: Hint) -> None:
        """Tell every subscriber of `channel`. Never blocks, never raises."""

    def listened(self, channel: str) -> bool:
        """False when surely nobody subscribes to `channel`: then there is no need to make a hint."""

    async def subscribe(self, channel: str, handler: Handler) -> Unsubscribe:
        """Call `handler` for every hint on `channel` until the returned function is called."""

    async def close(self) -> None:
        """Drop all subscriptions."""
