"""The embedded bus: handlers are called at once, in the order of publishing."""

from collections import deque

from secureconnect.infra.bus.base import Doubt, Handler, Unsubscribe
from secureconnect.infra.telemetry.log import get_logger
from secureconnect.kit.hints import Hint

__all__ = ["MemoryBus"]

log = get_logger()


class _Subscription:
    """One `subscribe`. Told apart by identity: a handler may be subscribed more than once."""

    __slots__ = ("handler", "live")

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.live = True


class MemoryBus:
    """A bus for one process. Nothing is ever lost or reordered."""

    __slots__ = ("_delivering", "_pending", "_subscriptions")

    def __init__(self) -> None:
        self._subscriptions: dict[str, tuple[_Subscription, ...]] = {}
        self._pending: deque[tuple[str, Hint]] = deque()
        self._delivering = False

    @property
    def embedded(self) -> bool:
        return True

    def publish(self, channel: str, hint: Hint) -> None:
        if channel not in self._subscriptions:
            return
        # What a handler publishes waits until everybody has heard the hint before it.
        self._pending.append((channel, hint))
        if self._delivering:
            return
        self._delivering = True
        try:
            while self._pending:
                self._deliver(*self._pending.popleft())
        finally:
            self._delivering = False

    def listened(self, channel: str) -> bool:
        return channel in self._subscriptions

    async def subscribe(self, channel: str, handler: Handler) -> Unsubscribe:
        subscription = _Subscription(handler)
        # Tuples are replaced whole, so a handler may subscribe and leave while its channel is being served.
        self._subscriptions[channel] = (*self._subscriptions.get(channel, ()), subscription)

        def unsubscribe() -> None:
            if not subscription.live:
                return
            subscription.live = False
            left = tuple(other for other in self._subscriptions.get(channel, ()) if other is not subscription)
            if left:
                self._subscriptions[channel] = left
            else:
                self._subscriptions.pop(channel, None)

        return unsubscribe

    def on_doubt(self, doubt: Doubt) -> None:
        pass  # nothing is ever missed

    async def close(self) -> None:
        for subscriptions in self._subscriptions.values():
            for subscription in subscriptions:
                subscription.live = False
        self._subscriptions.clear()
        self._pending.clear()

    def _deliver(self, channel: str, hint: Hint) -> None:
        for subscription in self._subscriptions.get(channel, ()):
            if not subscription.live:
                continue
            try:
                subscription.handler(hint)
            except Exception:
                # One subscriber's defect must not silence the others.
                log.exception("bus handler failed", channel=channel.partition(":")[0])
