"""message_edit, message_delete, reaction_add, reaction_remove (docs/reference/realtime.md §4)."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from secureconnect.edge.realtime.session.commands import Command, CommandContext
from secureconnect.edge.validation import Uuid
from secureconnect.features.messages.service import (
    DeleteService,
    EditRequest,
    EditService,
    ReactService,
)
from secureconnect.kit.clock import rfc3339
from secureconnect.kit.objects import Id, Time

__all__ = ["commands"]


class MessageEdit(EditRequest, kw_only=True):
    """The fields of `message_edit`: those of the HTTP request, and the message."""

    message_id: Uuid


class MessageDelete(Struct):
    """The fields of `message_delete`."""

    message_id: Uuid
    scope: Literal["everyone", "me"] = "everyone"


class ReactionCommand(Struct):
    """The fields of `reaction_add` and `reaction_remove`."""

    message_id: Uuid
    emoji: Annotated[str, Meta(min_length=1, max_length=64)]


class EditAck(Struct, frozen=True):
    """The `ack` of `message_edit`; `seq` is that of the edit's event."""

    message_id: Id
    seq: int
    edited_at: Time
    edit_count: int


class ChangeAck(Struct, frozen=True):
    """The `ack` of the other three; `seq` is that of the event, null when there is none."""

    message_id: Id
    seq: int | None


def commands(editing: EditService, deleting: DeleteService, reacting: ReactService) -> list[Command]:
    """These commands."""

    async def message_edit(context: CommandContext, body: MessageEdit) -> EditAck:
        message, seq = await editing.edit(context.principal, body.message_id, body)
        assert message.edited_at is not None
        return EditAck(message.message_id, seq, rfc3339(message.edited_at), message.edit_count)

    async def message_delete(context: CommandContext, body: MessageDelete) -> ChangeAck:
        if body.scope == "me":
            deleted = await deleting.for_me(context.principal, body.message_id)
        else:
            deleted = await deleting.for_everyone(context.principal, body.message_id, context.request)
        return ChangeAck(deleted.message_id, deleted.seq)

    async def reaction_add(context: CommandContext, body: ReactionCommand) -> ChangeAck:
        reactions = await reacting.add(context.principal, body.message_id, body.emoji)
        return ChangeAck(reactions.message_id, reactions.seq)

    async def reaction_remove(context: CommandContext, body: ReactionCommand) -> ChangeAck:
        reactions = await reacting.remove(context.principal, body.message_id, body.emoji)
        return ChangeAck(reactions.message_id, reactions.seq)

    return [
        Command(
            "message_edit",
            MessageEdit,
            message_edit,
            rate_row="messages",
            conversation_of=_unknown,
            scope="messages:write",
            ack=EditAck,
        ),
        Command(
            "message_delete",
            MessageDelete,
            message_delete,
            rate_row="messages",
            conversation_of=_unknown,
            scope="messages:write",
            ack=ChangeAck,
        ),
        Command(
            "reaction_add",
            ReactionCommand,
            reaction_add,
            rate_row="messages",
            conversation_of=_unknown,
            scope="reactions:write",
            ack=ChangeAck,
        ),
        Command(
            "reaction_remove",
            ReactionCommand,
            reaction_remove,
            rate_row="messages",
            conversation_of=_unknown,
            scope="reactions:write",
            ack=ChangeAck,
        ),
    ]


def _unknown(body: object) -> str | None:  # noqa: ARG001 - a message id alone names no conversation
    return None
