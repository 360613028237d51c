"""The embedded bus: handlers are called at once, in the order of publishing."""

from secureconnect.infra.bus.base import Handler, Unsubscribe
from secureconnect.infra.telemetry.log import get_logger
from secureconnect.kit.hints import Hint

__all__ = ["MemoryBus"]

log = get_logger()


class MemoryBus:
    """A bus for one process. Nothing is ever lost or reordered."""

    __slots__ = ("_handlers",)

    def __init__(self) -> None:
        self._handlers: dict[str, tuple[Handler, ...]] = {}

    def publish(self, channel: str, hint: Hint) -> None:
        for handler in self._handlers.get(channel, ()):
            try:
                handler(hint)
            except Exception:
                log.exception("bus handler failed", channel=channel.partition(":")[0])

    async def subscribe(self, channel: str, handler: Handler) -> Unsubscribe:
        # Tuples are replaced whole, so a handler may unsubscribe while its channel is being served.
        self._handlers[channel] = (*self._handlers.get(channel, ()), handler)

        def unsubscribe() -> None:
            left = list(self._handlers.get(channel, ()))
            if handler in left:
                left.remove(handler)
            if left:
                self._handlers[channel] = tuple(left)
            else:
                self._handlers.pop(channel, None)

        return unsubscribe

    async def close(self) -> None:
        self._handlers.clear()
