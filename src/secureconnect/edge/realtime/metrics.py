"""What the realtime edge counts; implemented where the process keeps its metrics."""

from typing import Literal, Protocol

__all__ = ["RealtimeMetrics", "Refused"]

Refused = Literal["unauthorized", "forbidden", "limit", "other"]


class RealtimeMetrics(Protocol):
    """Called on the event loop; must neither block nor raise. `kind` is `chat` or `signaling`."""

    def opened(self, kind: str) -> None:
        """A socket was accepted."""

    def closed(self, kind: str, code: int) -> None:
        """An accepted socket is gone."""

    def refused(self, kind: str, result: Refused) -> None:
        """An upgrade was refused."""

    def command(self, type_: str, *, ok: bool) -> None:
        """A command was answered. `type_` is a registered name, or `unknown`."""

    def resumed(self, *, recovered: bool) -> None:
        """One listed conversation of a `hello` was answered."""

    def overflow(self) -> None:
        """A socket was closed because its outgoing buffer was full."""

    def delivered(self, seconds: float) -> None:
        """An event was written to the sockets of this process so long after its commit."""

    def caught_up(self, events: int) -> None:
        """Events that no hint brought were read from the store."""

    def messages(self, kind: str, direction: Literal["in", "out"], count: int) -> None:
        """Frames received or handed to sockets."""
