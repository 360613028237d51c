"""Relaying that somebody types (docs/reference/realtime.md §5)."""

from typing import Final

from secureconnect.edge.realtime.frames import json_frame
from secureconnect.features.conversations.api import Conversations
from secureconnect.features.messages.rules import check_member
from secureconnect.infra.bus.base import Bus
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.hints import ConversationFrame, conversation_channel
from secureconnect.kit.principal import Principal

__all__ = ["Typing"]

_SWEEP_AT: Final = 1024


class Typing:
    """Relays that somebody types, at most once per user and conversation in `interval` seconds."""

    def __init__(self, conversations: Conversations, bus: Bus, clock: Clock, interval: float) -> None:
        self._conversations = conversations
        self._bus = bus
        self._clock = clock
        self._interval = interval
        self._last: dict[tuple[str, str], float] = {}
        self._sweep_at = _SWEEP_AT

    async def relay(self, caller: Principal, conversation_id: str, *, is_typing: bool) -> None:
        """Tell the other members, unless they were told just now.

        Raises:
            ApiError: `NOT_FOUND`, or `FORBIDDEN` for strangers and across a block in a direct conversation.
        """
        user_id = caller.user_id
        facts = check_member(await self._conversations.facts(conversation_id), user_id)
        if facts.blocked:
            raise ApiError(ErrorCode.FORBIDDEN, "Sending into this conversation is not allowed.")
        now = self._clock.monotonic()
        last = self._last.get((user_id, conversation_id))
        if last is not None and now - last < self._interval:
            return
        self._last[user_id, conversation_id] = now
        if len(self._last) >= self._sweep_at:
            self._sweep(now)
        frame = json_frame(
            {
                "type": "typing",
                "conversation_id": conversation_id,
                "user_id": user_id,
                "is_typing": is_typing,
            }
        )
        self._bus.publish(
            conversation_channel(conversation_id),
            ConversationFrame(conversation_id, frame, except_user=user_id),
        )

    def _sweep(self, now: float) -> None:
        """Forget who may type again. The next sweep comes once as many again have typed."""
        self._last = {key: at for key, at in self._last.items() if now - at < self._interval}
        self._sweep_at = max(_SWEEP_AT, 2 * len(self._last))
