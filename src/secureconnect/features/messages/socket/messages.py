"""message_send, read, delivered, typing (docs/reference/realtime.md §4)."""

from typing import Annotated

from msgspec import Meta, Struct

from secureconnect.edge.realtime.session.commands import Command, CommandContext
from secureconnect.edge.validation import Uuid
from secureconnect.features.messages.service import MarkService, SendRequest, SendService
from secureconnect.features.messages.socket.typists import Typing
from secureconnect.kit.objects import Id, Time

__all__ = ["commands"]

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


def commands(sending: SendService, marking: MarkService, typing: Typing) -> list[Command]:
    """These commands."""

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
