"""push_ack (docs/reference/realtime.md §4)."""

from msgspec import Struct

from secureconnect.edge.realtime.session.commands import Command, CommandContext
from secureconnect.edge.validation import Uuid
from secureconnect.features.push.service import Receipts

__all__ = ["commands"]


class PushAck(Struct):
    """The fields of `push_ack`: what the push called `delivery_id`."""

    delivery_id: Uuid


def commands(receipts: Receipts) -> list[Command]:
    """The command by which a device says that a push arrived."""

    async def push_ack(context: CommandContext, body: PushAck) -> None:
        await receipts.acknowledge(context.principal, body.delivery_id)

    return [Command("push_ack", PushAck, push_ack)]
