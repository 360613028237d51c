"""Sync, events, messages and read marks."""

from typing import Annotated

from msgspec import Meta, Struct

from secureconnect.edge.http.routing import Call, Reply, Route
from secureconnect.edge.validation import Opaque, Uuid
from secureconnect.features.conversations.api import MyState
from secureconnect.features.messages.service import (
    EventsPage,
    MarkService,
    MessagesPage,
    ReadService,
    SendRequest,
    SendService,
    SyncPage,
    SyncService,
)
from secureconnect.kit.errors import ErrorCode
from secureconnect.kit.objects import Message

__all__ = ["routes"]

_MAX_SEQ = 2**53 - 1

_Cursor = Annotated[Opaque, Meta(min_length=1, max_length=512)]


class SyncQuery(Struct):
    """A page of conversations."""

    cursor: _Cursor | None = None
    limit: Annotated[int, Meta(ge=1, le=1000)] = 200


class EventsQuery(Struct):
    """An open interval of seqs."""

    after_seq: Annotated[int, Meta(ge=0, le=_MAX_SEQ)] | None = None
    before_seq: Annotated[int, Meta(ge=1, le=_MAX_SEQ)] | None = None
    limit: Annotated[int, Meta(ge=1, le=500)] = 100


class MessagesQuery(Struct):
    """Messages of one conversation; `around` is a message id and not used together with `cursor`."""

    conversation_id: Uuid
    cursor: _Cursor | None = None
    around: Uuid | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 20


class ReadMark(Struct):
    """A read mark by position; one beyond the head is cut to it."""

    seq: Annotated[int, Meta(ge=0, le=_MAX_SEQ)]


class ReadMessage(Struct):
    """A read mark by message."""

    conversation_id: Uuid
    last_message_id: Uuid


def routes(
    sending: SendService, reading: ReadService, syncing: SyncService, marking: MarkService
) -> list[Route]:
    """These routes."""

    async def sync(call: Call[None, SyncQuery]) -> Reply:
        return Reply(await syncing.sync(call.caller, cursor=call.query.cursor, limit=call.query.limit))

    async def events(call: Call[None, EventsQuery]) -> Reply:
        query = call.query
        page = await reading.events(
            call.caller,
            call.path["id"],
            after_seq=query.after_seq,
            before_seq=query.before_seq,
            limit=query.limit,
        )
        return Reply(page)

    async def send(call: Call[SendRequest, None]) -> Reply:
        sent = await sending.send(call.caller, call.body)
        return Reply(sent.message, 200 if sent.duplicate else 201)

    async def messages(call: Call[None, MessagesQuery]) -> Reply:
        query = call.query
        page = await reading.messages(
            call.caller,
            query.conversation_id,
            cursor=query.cursor,
            around=query.around,
            limit=query.limit,
        )
        return Reply(page)

    async def message(call: Call[None, None]) -> Reply:
        return Reply(await reading.message(call.caller, call.path["id"]))

    async def read(call: Call[ReadMark, None]) -> Reply:
        return Reply(await marking.read(call.caller, call.path["id"], call.body.seq))

    async def read_message(call: Call[ReadMessage, None]) -> Reply:
        body = call.body
        return Reply(await marking.read_message(call.caller, body.conversation_id, body.last_message_id))

    members_only = (ErrorCode.NOT_FOUND, ErrorCode.FORBIDDEN, ErrorCode.TIMELINE_UNAVAILABLE)
    return [
        Route(
            method="GET",
            path="/v1/sync",
            handler=sync,
            summary="Where each of the caller's conversations stands",
            tag="messages",
            row="sync",
            scope="messages:read",
            query=SyncQuery,
            returns={200: SyncPage},
            errors=(ErrorCode.TIMELINE_UNAVAILABLE,),
        ),
        Route(
            method="GET",
            path="/v1/conversations/{id}/events",
            handler=events,
            summary="Events of a conversation by seq",
            tag="messages",
            row="events",
            scope="messages:read",
            query=EventsQuery,
            returns={200: EventsPage},
            errors=members_only,
        ),
        Route(
            method="POST",
            path="/v1/messages",
            handler=send,
            critical=True,
            summary="Send a message; a repeat of its client_message_id gives the first result",
            tag="messages",
            row="messages",
            scope="messages:write",
            body=SendRequest,
            returns={201: Message, 200: Message},
            errors=(*members_only, ErrorCode.E2EE_REQUIRED),
            replayable=False,
        ),
        Route(
            method="GET",
            path="/v1/messages",
            handler=messages,
            summary="Messages of a conversation, highest seq first",
            tag="messages",
            row="messages",
            scope="messages:read",
            query=MessagesQuery,
            returns={200: MessagesPage},
            errors=members_only,
        ),
        Route(
            method="GET",
            path="/v1/messages/{id}",
            handler=message,
            summary="One message",
            tag="messages",
            row="messages",
            scope="messages:read",
            returns={200: Message},
            errors=members_only,
        ),
        Route(
            method="POST",
            path="/v1/messages/read",
            handler=read_message,
            critical=True,
            summary="Move the caller's read mark to a message",
            tag="messages",
            row="messages",
            body=ReadMessage,
            returns={200: MyState},
            errors=members_only,
        ),
        Route(
            method="POST",
            path="/v1/conversations/{id}/read",
            handler=read,
            critical=True,
            summary="Move the caller's read mark",
            tag="messages",
            row="messages",
            body=ReadMark,
            returns={200: MyState},
            errors=members_only,
        ),
    ]
