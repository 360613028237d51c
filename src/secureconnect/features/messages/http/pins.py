"""Pins of a conversation."""

from msgspec import Struct

from secureconnect.edge.http.paging import Cursor, Limit
from secureconnect.edge.http.routing import Call, Done, Reply, Route, done
from secureconnect.edge.validation import Uuid
from secureconnect.features.messages.service import MessagesPage, PinService
from secureconnect.kit.errors import ErrorCode

__all__ = ["routes"]


class PinsQuery(Struct):
    """A page of pins."""

    cursor: Cursor | None = None
    limit: Limit = 50


class PinMessage(Struct):
    """The message to pin."""

    message_id: Uuid


def routes(pinning: PinService) -> list[Route]:
    """These routes."""

    async def pins(call: Call[None, PinsQuery]) -> Reply:
        query = call.query
        return Reply(await pinning.pins(call.caller, call.path["id"], cursor=query.cursor, limit=query.limit))

    async def pin(call: Call[PinMessage, None]) -> Reply:
        if await pinning.pin(call.caller, call.path["id"], call.body.message_id):
            return done("The message is pinned.", 201)
        return done("The message was pinned already.")

    async def unpin(call: Call[None, None]) -> Reply:
        await pinning.unpin(call.caller, call.path["id"], call.path["message_id"])
        return done("The message is not pinned any more.")

    members_only = (ErrorCode.NOT_FOUND, ErrorCode.FORBIDDEN, ErrorCode.TIMELINE_UNAVAILABLE)
    return [
        Route(
            method="GET",
            path="/v1/conversations/{id}/pins",
            handler=pins,
            summary="Pinned messages, newest pin first",
            tag="messages",
            row="conversation",
            scope="messages:read",
            query=PinsQuery,
            returns={200: MessagesPage},
            errors=members_only,
        ),
        Route(
            method="POST",
            path="/v1/conversations/{id}/pins",
            handler=pin,
            summary="Pin a message; 200 when it was pinned already",
            tag="messages",
            row="conversation",
            body=PinMessage,
            returns={201: Done, 200: Done},
            errors=(*members_only, ErrorCode.LIMIT_REACHED),
        ),
        Route(
            method="DELETE",
            path="/v1/conversations/{id}/pins/{message_id}",
            handler=unpin,
            summary="Take a pin away",
            tag="messages",
            row="conversation",
            returns={200: Done},
            errors=members_only,
        ),
    ]
