"""The route of search (docs/reference/http.md, messages)."""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from secureconnect.edge.http.paging import Cursor
from secureconnect.edge.http.routing import Call, Reply, Route
from secureconnect.edge.validation import Timestamp, Uuid
from secureconnect.features.search.service import SearchPage, SearchRequest, SearchService
from secureconnect.kit.errors import ErrorCode
from secureconnect.kit.objects import Feature

__all__ = ["routes"]


class SearchQuery(Struct):
    """Words and filters.

    `query`: every word must begin a word of the message, whatever the case and diacritics. The filters
    `from:username`, `in:<conversation_id>`, `has:file|image|link|poll`, `before:` and `after:YYYY-MM-DD`
    (UTC; `after` includes the day) may stand in it. `from` and `to` include both ends.
    """

    query: Annotated[str, Meta(min_length=1, max_length=200)]
    conversation_id: Uuid | None = None
    sender_id: Uuid | None = None
    message_type: Literal["text", "image", "video", "audio", "file", "poll"] | None = None
    has: Feature | None = None
    since: Timestamp | None = field(default=None, name="from")
    until: Timestamp | None = field(default=None, name="to")
    cursor: Cursor | None = None
    limit: Annotated[int, Meta(ge=1, le=50)] = 20


def routes(service: SearchService) -> list[Route]:
    """Search."""

    async def search(call: Call[None, SearchQuery]) -> Reply:
        query = call.query
        request = SearchRequest(
            text=query.query,
            conversation_id=query.conversation_id,
            sender_id=query.sender_id,
            message_type=query.message_type,
            has=query.has,
            since=query.since,
            until=query.until,
        )
        return Reply(await service.search(call.caller, request, cursor=query.cursor, limit=query.limit))

    return [
        Route(
            method="GET",
            path="/v1/messages/search",
            handler=search,
            summary="Messages with these words, newest first",
            tag="messages",
            row="messages_search",
            query=SearchQuery,
            returns={200: SearchPage},
            errors=(
                ErrorCode.NOT_FOUND,
                ErrorCode.FORBIDDEN,
                ErrorCode.E2EE_BLOCKED,
                ErrorCode.TIMELINE_UNAVAILABLE,
                ErrorCode.SERVICE_UNAVAILABLE,
            ),
        )
    ]
