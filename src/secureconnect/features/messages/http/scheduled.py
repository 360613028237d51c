"""Routes of messages that are sent later."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from secureconnect.edge.http.routing import Call, Reply, Route
from secureconnect.edge.validation import Opaque, Uuid
from secureconnect.features.messages.service.scheduling import (
    ScheduleChange,
    Scheduled,
    ScheduledPage,
    ScheduleRequest,
    ScheduleService,
)
from secureconnect.kit.errors import ErrorCode

__all__ = ["routes"]


class ScheduledQuery(Struct):
    """Which of the caller's scheduled messages."""

    conversation_id: Uuid | None = None
    status: Literal["pending", "sent", "failed", "cancelled"] = "pending"
    cursor: Annotated[Opaque, Meta(min_length=1, max_length=512)] | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 20


def routes(service: ScheduleService) -> list[Route]:
    """These routes."""

    async def schedule(call: Call[ScheduleRequest, None]) -> Reply:
        return Reply(await service.schedule(call.caller, call.body), 201)

    async def scheduled(call: Call[None, ScheduledQuery]) -> Reply:
        query = call.query
        page = await service.list(
            call.caller,
            conversation_id=query.conversation_id,
            status=query.status,
            cursor=query.cursor,
            limit=query.limit,
        )
        return Reply(page)

    async def change(call: Call[ScheduleChange, None]) -> Reply:
        return Reply(await service.change(call.caller, call.path["scheduled_id"], call.body))

    async def cancel(call: Call[None, None]) -> Reply:
        return Reply(await service.cancel(call.caller, call.path["scheduled_id"]))

    as_sends = (
        ErrorCode.NOT_FOUND,
        ErrorCode.FORBIDDEN,
        ErrorCode.E2EE_REQUIRED,
        ErrorCode.FILE_NOT_READY,
        ErrorCode.TIMELINE_UNAVAILABLE,
    )
    one = "/v1/messages/scheduled/{scheduled_id}"
    return [
        Route(
            method="POST",
            path="/v1/messages/scheduled",
            handler=schedule,
            summary="Send a message later",
            tag="messages",
            row="messages",
            body=ScheduleRequest,
            returns={201: Scheduled},
            errors=(*as_sends, ErrorCode.LIMIT_REACHED),
        ),
        Route(
            method="GET",
            path="/v1/messages/scheduled",
            handler=scheduled,
            summary="The caller's scheduled messages, the next to go first",
            tag="messages",
            row="messages",
            query=ScheduledQuery,
            returns={200: ScheduledPage},
            errors=(ErrorCode.NOT_FOUND, ErrorCode.FORBIDDEN),
        ),
        Route(
            method="PATCH",
            path=one,
            handler=change,
            summary="Change a message that waits",
            tag="messages",
            row="messages",
            body=ScheduleChange,
            returns={200: Scheduled},
            errors=(*as_sends, ErrorCode.CONFLICT),
        ),
        Route(
            method="DELETE",
            path=one,
            handler=cancel,
            summary="Do not send a message that waits",
            tag="messages",
            row="messages",
            returns={200: Scheduled},
            errors=(ErrorCode.NOT_FOUND, ErrorCode.CONFLICT),
        ),
    ]
