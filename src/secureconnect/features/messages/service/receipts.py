"""Receipts: telling others how far a user has read or received (docs/reference/realtime.md §5).

Ephemeral hints: at most one per second per user and conversation, the latest wins.
"""

from typing import Literal, NamedTuple

from secureconnect.edge.realtime.frames import json_frame
from secureconnect.edge.realtime.timers import Timers
from secureconnect.infra.bus.base import Bus
from secureconnect.kit.clock import rfc3339
from secureconnect.kit.hints import ConversationFrame, UserFrame, conversation_channel, user_channel

__all__ = ["Receipt", "ReceiptKind", "Receipts"]

_INTERVAL = 1.0

ReceiptKind = Literal["read", "delivered"]


class Receipt(NamedTuple):
    """One move of a mark. `at` in milliseconds since the epoch; `connection_id` is the acting socket."""

    kind: ReceiptKind
    conversation_id: str
    user_id: str
    seq: int
    at: int
    connection_id: str | None


class _Pace:
    """The receipts of one user in one conversation: the last second, and what waits for its end."""

    __slots__ = ("_receipts", "due_tick", "key", "waiting")

    def __init__(self, receipts: "Receipts", key: tuple[str, str]) -> None:
        self._receipts = receipts
        self.key = key
        self.due_tick = -1
        self.waiting: dict[ReceiptKind, Receipt] = {}

    def due(self) -> None:
        self._receipts.due(self)


class Receipts:
    """Publishes receipts, not too many of them."""

    def __init__(self, bus: Bus, timers: Timers) -> None:
        self._bus = bus
        self._timers = timers
        self._paces: dict[tuple[str, str], _Pace] = {}

    def tell(self, receipt: Receipt) -> None:
        """Publish `receipt` now or within a second, unless a later one of its kind replaces it."""
        key = (receipt.user_id, receipt.conversation_id)
        pace = self._paces.get(key)
        if pace is not None:
            pace.waiting[receipt.kind] = receipt
            return
        pace = self._paces[key] = _Pace(self, key)
        self._timers.wake(pace, _INTERVAL)
        self._publish(receipt)

    def due(self, pace: _Pace) -> None:
        """A second has passed since the last receipt."""
        if not pace.waiting:
            del self._paces[pace.key]
            return
        # The two kinds take turns: a `delivered` must not cost others the `read` before it.
        kind: ReceiptKind = "read" if "read" in pace.waiting else "delivered"
        self._timers.wake(pace, _INTERVAL)
        self._publish(pace.waiting.pop(kind))

    def _publish(self, receipt: Receipt) -> None:
        frame = json_frame(
            {
                "type": "receipt",
                "kind": receipt.kind,
                "conversation_id": receipt.conversation_id,
                "user_id": receipt.user_id,
                "seq": receipt.seq,
                "at": rfc3339(receipt.at),
            }
        )
        self._bus.publish(
            conversation_channel(receipt.conversation_id),
            ConversationFrame(receipt.conversation_id, frame, except_user=receipt.user_id),
        )
        # The user's own other devices hear of it too, the acting one does not.
        self._bus.publish(
            user_channel(receipt.user_id),
            UserFrame(receipt.user_id, frame, except_connection=receipt.connection_id),
        )
