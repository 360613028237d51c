"""Commands of the chat socket that concern messages (docs/reference/realtime.md §4, §5)."""

from typing import Annotated, Final

from msgspec import Meta, Struct

from secureconnect.edge.realtime.frames import json_frame
from secureconnect.edge.realtime.session.commands import Command, CommandContext
from secureconnect.edge.validation import Uuid
from secureconnect.features.conversations.api import Conversations
from secureconnect.features.messages.rules import check_member
from secureconnect.features.messages.service import MarkService, SendRequest, SendService
from secureconnect.infra.bus.base import Bus
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.hints import ConversationFrame, conversation_channel
from secureconnect.kit.objects import Id, Time
from secureconnect.kit.principal import Principal

__all__ = ["Typing", "commands"]

_SWEEP_AT: Final = 1024

_Seq = Annotated[int, Meta(ge=0, le=2**53 - 1)]


class Mark(Struct):
    """The fields of `read` and `delivered`."""

    conversation_id: Uuid
    seq: _Seq


class TypingState(Struct):
    """The fields of `typing`."""

    conversation_id: Uuid
    is_typing: bool


class SendAck(Struct, frozen=True):
    """The `ack` of `message_send`."""

    status: int
    message_id: Id
    conversation_id: Id
    seq: int
    sent_at: Time
    duplicate: bool


class ReadAck(Struct, frozen=True):
    """The `ack` of `read`."""

    last_read_seq: int
    unread_count: int


class DeliveredAck(Struct, frozen=True):
    """The `ack` of `delivered`."""

    last_delivered_seq: int


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


def commands(sending: SendService, marking: MarkService, typing: Typing) -> list[Command]:
    """message_send, read, delivered, typing."""

    async def message_send(context: CommandContext, body: SendRequest) -> SendAck:
        sent = await sending.send(context.principal, body)
        message = sent.message
        return SendAck(
            200 if sent.duplicate else 201,
            message.message_id,
            message.conversation_id,
            message.seq,
            message.sent_at,
            sent.duplicate,
        )

    async def read(context: CommandContext, body: Mark) -> ReadAck:
        state = await marking.read(
            context.principal, body.conversation_id, body.seq, connection_id=context.connection_id
        )
        return ReadAck(state.last_read_seq, state.unread_count)

    async def delivered(context: CommandContext, body: Mark) -> DeliveredAck:
        return DeliveredAck(
            await marking.delivered(
                context.principal, body.conversation_id, body.seq, connection_id=context.connection_id
            )
        )

    async def relay_typing(context: CommandContext, body: TypingState) -> None:
        await typing.relay(context.principal, body.conversation_id, is_typing=body.is_typing)

    return [
        Command(
            "message_send",
            SendRequest,
            message_send,
            rate_row="messages",
            conversation_of=_conversation,
            scope="messages:write",
            ack=SendAck,
        ),
        Command("read", Mark, read, rate_row="messages", conversation_of=_conversation, ack=ReadAck),
        Command("delivered", Mark, delivered, conversation_of=_conversation, ack=DeliveredAck),
        Command(
            "typing",
            TypingState,
            relay_typing,
            conversation_of=_conversation,
            scope="messages:write",
        ),
    ]


def _conversation(body: SendRequest | Mark | TypingState) -> str:
    return body.conversation_id
