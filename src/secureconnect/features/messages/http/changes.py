"""Changing messages: editing, deleting, reacting; and what became of them."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from secureconnect.edge.http.paging import Cursor, Limit
from secureconnect.edge.http.routing import Call, Reply, Route
from secureconnect.features.messages.service import (
    DeleteService,
    EditRequest,
    EditService,
    HistoryService,
    Reactions,
    ReactorsPage,
    ReactService,
    ReadService,
    VersionsPage,
)
from secureconnect.kit.clock import rfc3339
from secureconnect.kit.errors import ErrorCode, invalid
from secureconnect.kit.objects import Id, Message, Reaction, Time

__all__ = ["routes"]

_Emoji = Annotated[str, Meta(min_length=1, max_length=64)]


class Scope(Struct):
    """For whom a message is deleted."""

    scope: Literal["everyone", "me"] = "everyone"


class DeletedMessage(Struct, frozen=True):
    """When the message was deleted, by this call or before."""

    message_id: Id
    deleted_at: Time


class React(Struct):
    """Exactly one emoji sequence of at most 64 bytes."""

    emoji: _Emoji


class Unreact(Struct):
    """The emoji, here or in the other place where it may stand."""

    emoji: _Emoji | None = None


class MessageReactions(Struct, frozen=True):
    """The reactions of a message, the emoji used first first."""

    reactions: list[Reaction]


class HistoryQuery(Struct):
    """A page of versions."""

    cursor: Cursor | None = None
    limit: Limit = 20


class ReactionsQuery(Struct):
    """A page of reactions, with `emoji` of this one only."""

    emoji: _Emoji | None = None
    cursor: Cursor | None = None
    limit: Limit = 50


def routes(
    reading: ReadService,
    editing: EditService,
    deleting: DeleteService,
    reacting: ReactService,
    history: HistoryService,
) -> list[Route]:
    """These routes."""

    async def edit(call: Call[EditRequest, None]) -> Reply:
        edited = await editing.edit(call.caller, call.path["id"], call.body)
        return Reply(await reading.shown(call.caller.user_id, edited.message))

    async def delete(call: Call[None, Scope]) -> Reply:
        if call.query.scope == "me":
            deleted = await deleting.for_me(call.caller, call.path["id"])
        else:
            deleted = await deleting.for_everyone(call.caller, call.path["id"], call.context)
        return Reply(DeletedMessage(deleted.message_id, rfc3339(deleted.deleted_at)))

    async def versions(call: Call[None, HistoryQuery]) -> Reply:
        query = call.query
        return Reply(
            await history.versions(call.caller, call.path["id"], cursor=query.cursor, limit=query.limit)
        )

    async def react(call: Call[React, None]) -> Reply:
        reactions = await reacting.add(call.caller, call.path["id"], call.body.emoji)
        return Reply(_rendered(reactions), 200 if reactions.seq is None else 201)

    async def unreact(call: Call[Unreact, Unreact]) -> Reply:
        emoji = call.query.emoji or call.body.emoji
        if emoji is None:
            raise invalid("emoji", "is required")
        return Reply(_rendered(await reacting.remove(call.caller, call.path["id"], emoji)))

    async def reactors(call: Call[None, ReactionsQuery]) -> Reply:
        query = call.query
        page = await reacting.reactors(
            call.caller, call.path["id"], emoji=query.emoji, cursor=query.cursor, limit=query.limit
        )
        return Reply(page)

    members_only = (ErrorCode.NOT_FOUND, ErrorCode.FORBIDDEN, ErrorCode.TIMELINE_UNAVAILABLE)
    return [
        Route(
            method="PATCH",
            path="/v1/messages/{id}",
            handler=edit,
            summary="Edit a message of one's own; what it said is kept as a version",
            tag="messages",
            row="messages",
            scope="messages:write",
            body=EditRequest,
            returns={200: Message},
            errors=(
                *members_only,
                ErrorCode.EDIT_WINDOW_EXPIRED,
                ErrorCode.CONFLICT,
                ErrorCode.E2EE_REQUIRED,
                ErrorCode.FILE_NOT_READY,
                ErrorCode.LIMIT_REACHED,
            ),
        ),
        Route(
            method="DELETE",
            path="/v1/messages/{id}",
            handler=delete,
            summary="Delete a message for everyone, or for oneself",
            tag="messages",
            row="messages",
            scope="messages:write",
            query=Scope,
            returns={200: DeletedMessage},
            errors=(*members_only, ErrorCode.EDIT_WINDOW_EXPIRED),
        ),
        Route(
            method="GET",
            path="/v1/messages/{id}/history",
            handler=versions,
            summary="What a message said before its edits, oldest first",
            tag="messages",
            row="messages",
            query=HistoryQuery,
            returns={200: VersionsPage},
            errors=members_only,
        ),
        Route(
            method="POST",
            path="/v1/messages/{id}/react",
            handler=react,
            summary="React with one emoji; 200 when the caller did so before",
            tag="messages",
            row="messages",
            scope="reactions:write",
            body=React,
            returns={201: MessageReactions, 200: MessageReactions},
            errors=(*members_only, ErrorCode.LIMIT_REACHED),
        ),
        Route(
            method="DELETE",
            path="/v1/messages/{id}/react",
            handler=unreact,
            summary="Take a reaction back; the emoji stands in the query or in the body",
            tag="messages",
            row="messages",
            scope="reactions:write",
            query=Unreact,
            body=Unreact,
            returns={200: MessageReactions},
            errors=members_only,
        ),
        Route(
            method="GET",
            path="/v1/messages/{id}/reactions",
            handler=reactors,
            summary="Who reacted, earliest first",
            tag="messages",
            row="messages",
            query=ReactionsQuery,
            returns={200: ReactorsPage},
            errors=members_only,
        ),
    ]


def _rendered(reactions: Reactions) -> MessageReactions:
    return MessageReactions(
        [Reaction(one.emoji, one.count, one.mine, list(one.user_ids)) for one in reactions.reactions]
    )
