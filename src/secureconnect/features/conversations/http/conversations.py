"""Conversations themselves (docs/reference/http.md, conversations)."""

from typing import Any

from secureconnect.edge.http.paging import Paging
from secureconnect.edge.http.routing import Call, Done, Reply, Route, done
from secureconnect.features.conversations.api import Conversation
from secureconnect.features.conversations.http.objects import (
    ConversationPage,
    ConversationQuery,
    CreateConversation,
    EditConversation,
    EditSettings,
    given,
)
from secureconnect.features.conversations.service import (
    Caller,
    Creation,
    Editing,
    Endings,
    Filter,
    Listing,
    Wanted,
)
from secureconnect.kit.errors import ErrorCode
from secureconnect.kit.objects import ConversationSettings

__all__ = ["caller_of", "routes"]

_LIST = "conversations"
_ACCESS = (ErrorCode.NOT_FOUND, ErrorCode.FORBIDDEN)


def caller_of(call: Call[Any, Any]) -> Caller:
    """Who acts, and from where."""
    return Caller(call.caller, call.context)


def routes(
    creation: Creation, listing: Listing, editing: Editing, endings: Endings, paging: Paging
) -> list[Route]:
    """The routes of whole conversations."""

    async def create(call: Call[CreateConversation, None]) -> Reply:
        body = call.body
        settings = given(body.settings)
        if body.is_e2ee_enabled:  # said in one place or the other: nobody who asks for it goes without
            settings["is_e2ee_enabled"] = True
        wanted = Wanted(body.type, body.participant_ids, body.title, body.description, settings)
        conversation, new = await creation.create(caller_of(call), wanted)
        return Reply(conversation, 201 if new else 200)

    async def listed(call: Call[None, ConversationQuery]) -> Reply:
        query = call.query
        place = (_LIST, query.archived, query.type or "", query.q or "")
        after = paging.after(call, *place)
        page = await listing.listed(
            call.caller.user_id,
            Filter(query.archived, query.type, query.q),
            after=(after[0], after[1]) if after else None,
            offset=query.offset or 0,
            limit=query.limit,
        )
        return Reply(ConversationPage(conversations=page.items, **paging.end(call, page, *place)))

    async def show(call: Call[None, None]) -> Reply:
        return Reply(await listing.one(call.caller.user_id, call.path["id"]))

    async def edit(call: Call[EditConversation, None]) -> Reply:
        return Reply(await editing.edit(caller_of(call), call.path["id"], given(call.body)))

    async def set_settings(call: Call[EditSettings, None]) -> Reply:
        return Reply(await editing.set_settings(caller_of(call), call.path["id"], given(call.body)))

    async def delete(call: Call[None, None]) -> Reply:
        await endings.delete(caller_of(call), call.path["id"])
        return done("The conversation is gone.")

    return [
        Route(
            method="POST",
            path="/v1/conversations",
            handler=create,
            summary="Begin a conversation; the direct one of a pair exists once",
            tag="conversations",
            row="conversations",
            scope="conversations:write",
            body=CreateConversation,
            returns={200: Conversation, 201: Conversation},
            errors=(*_ACCESS, ErrorCode.LIMIT_REACHED),
        ),
        Route(
            method="GET",
            path="/v1/conversations",
            handler=listed,
            summary="One's conversations",
            tag="conversations",
            row="conversations",
            scope="conversations:read",
            query=ConversationQuery,
            returns={200: ConversationPage},
        ),
        Route(
            method="GET",
            path="/v1/conversations/{id}",
            handler=show,
            summary="One conversation",
            tag="conversations",
            row="conversation",
            scope="conversations:read",
            returns={200: Conversation},
            errors=_ACCESS,
        ),
        Route(
            method="PATCH",
            path="/v1/conversations/{id}",
            handler=edit,
            summary="Change title, description or picture of a group",
            tag="conversations",
            row="conversation",
            body=EditConversation,
            returns={200: Conversation},
            errors=(*_ACCESS, ErrorCode.STORAGE_UNAVAILABLE),
        ),
        Route(
            method="DELETE",
            path="/v1/conversations/{id}",
            handler=delete,
            summary="Delete a group for everybody, or clear a direct conversation for oneself",
            tag="conversations",
            row="conversation",
            returns={200: Done},
            errors=_ACCESS,
        ),
        Route(
            method="PUT",
            path="/v1/conversations/{id}/settings",
            handler=set_settings,
            summary="Change settings",
            tag="conversations",
            row="conversation",
            body=EditSettings,
            returns={200: ConversationSettings},
            errors=_ACCESS,
        ),
    ]
