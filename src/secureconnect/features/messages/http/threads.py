"""Routes of threads, forwards and receipts."""

from typing import Annotated

from msgspec import Meta, Struct

from secureconnect.edge.http.routing import Call, Reply, Route
from secureconnect.edge.validation import Opaque
from secureconnect.features.messages.service.forwarding import ForwardRequest, ForwardService
from secureconnect.features.messages.service.receivers import ReceiptsPage, ReceiverService
from secureconnect.features.messages.service.threading import ThreadPage, ThreadService, ThreadState
from secureconnect.kit.errors import ErrorCode
from secureconnect.kit.objects import Message

__all__ = ["routes"]

_Cursor = Annotated[Opaque, Meta(min_length=1, max_length=512)]


class ThreadQuery(Struct):
    """A page of replies."""

    cursor: _Cursor | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 50


class ReceiptsQuery(Struct):
    """A page of receipts."""

    cursor: _Cursor | None = None
    limit: Annotated[int, Meta(ge=1, le=200)] = 50


class ThreadChange(Struct):
    """The caller's place in a thread; what is absent stays."""

    following: bool | None = None
    last_read_seq: Annotated[int, Meta(ge=0, le=2**53 - 1)] | None = None


def routes(threads: ThreadService, forwarding: ForwardService, receivers: ReceiverService) -> list[Route]:
    """These routes."""

    async def thread(call: Call[None, ThreadQuery]) -> Reply:
        query = call.query
        return Reply(
            await threads.thread(call.caller, call.path["id"], cursor=query.cursor, limit=query.limit)
        )

    async def update(call: Call[ThreadChange, None]) -> Reply:
        body = call.body
        return Reply(
            await threads.update(
                call.caller, call.path["id"], following=body.following, last_read_seq=body.last_read_seq
            )
        )

    async def forward(call: Call[ForwardRequest, None]) -> Reply:
        sent = await forwarding.forward(call.caller, call.body)
        return Reply(sent.message, 200 if sent.duplicate else 201)

    async def receipts(call: Call[None, ReceiptsQuery]) -> Reply:
        query = call.query
        return Reply(
            await receivers.receipts(call.caller, call.path["id"], cursor=query.cursor, limit=query.limit)
        )

    members_only = (ErrorCode.NOT_FOUND, ErrorCode.FORBIDDEN, ErrorCode.TIMELINE_UNAVAILABLE)
    return [
        Route(
            method="GET",
            path="/v1/messages/{id}/thread",
            handler=thread,
            summary="A thread, oldest reply first",
            tag="messages",
            row="messages",
            scope="messages:read",
            query=ThreadQuery,
            returns={200: ThreadPage},
            errors=members_only,
        ),
        Route(
            method="PUT",
            path="/v1/messages/{id}/thread",
            handler=update,
            summary="Follow a thread or not, and move its read mark",
            tag="messages",
            row="messages",
            body=ThreadChange,
            returns={200: ThreadState},
            errors=members_only,
        ),
        Route(
            method="POST",
            path="/v1/messages/forward",
            handler=forward,
            critical=True,
            summary="Say in another conversation what a message says",
            tag="messages",
            row="messages",
            body=ForwardRequest,
            returns={201: Message, 200: Message},
            errors=(
                *members_only,
                ErrorCode.E2EE_BLOCKED,
                ErrorCode.E2EE_REQUIRED,
                ErrorCode.CONFLICT,
            ),
            replayable=False,
        ),
        Route(
            method="GET",
            path="/v1/messages/{id}/receipts",
            handler=receipts,
            summary="Who received and read a message",
            tag="messages",
            row="messages",
            query=ReceiptsQuery,
            returns={200: ReceiptsPage},
            errors=members_only,
        ),
    ]
