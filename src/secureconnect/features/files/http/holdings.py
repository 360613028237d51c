"""One's own files, the quota, and the files of a conversation (docs/reference/http.md)."""

from secureconnect.edge.http.paging import Paging
from secureconnect.edge.http.routing import Call, Done, Reply, Route, done
from secureconnect.features.files.api import render_file
from secureconnect.features.files.http.caller import caller_of
from secureconnect.features.files.http.objects import (
    AttachedFile,
    AttachedPage,
    AttachedQuery,
    FilePage,
    FileQuery,
    Quota,
)
from secureconnect.features.files.service import AttachedFiles, Filter, Holdings
from secureconnect.kit.clock import rfc3339
from secureconnect.kit.errors import ErrorCode

__all__ = ["attached_routes", "routes"]

_OWN = "files"
_ATTACHED = "conversation files"
_ONE = "/v1/storage/files/{file_id}"


def routes(holdings: Holdings, paging: Paging) -> list[Route]:
    """The routes of what a user has uploaded."""

    async def listed(call: Call[None, FileQuery]) -> Reply:
        query = call.query
        content_type = query.content_type.lower() if query.content_type is not None else None
        place = (_OWN, query.status, content_type or "")
        after = paging.after(call, *place)
        page = await holdings.listed(
            call.caller.user_id,
            Filter(query.status, content_type),
            before=after[0] if after else None,
            limit=query.limit,
        )
        files = [render_file(file) for file in page.items]
        return Reply(FilePage(files=files, **paging.end(call, page, *place)))

    async def delete(call: Call[None, None]) -> Reply:
        await holdings.delete(caller_of(call), call.path["file_id"])
        return done("The file is gone.")

    async def quota(call: Call[None, None]) -> Reply:
        usage = await holdings.usage(call.caller.user_id)
        percentage = 100 * usage.used / usage.total if usage.total else 100.0
        return Reply(
            Quota(
                used=usage.used,
                pending=usage.pending,
                total=usage.total,
                available=max(0, usage.total - usage.used),
                usage_percentage=min(100.0, round(percentage, 2)),
            )
        )

    return [
        Route(
            method="GET",
            path="/v1/storage/files",
            handler=listed,
            summary="One's own files",
            tag="storage",
            row="files",
            query=FileQuery,
            returns={200: FilePage},
        ),
        Route(
            method="DELETE",
            path=_ONE,
            handler=delete,
            summary="Delete a file for everybody, or give up an upload",
            tag="storage",
            row="files",
            returns={200: Done},
            errors=(ErrorCode.NOT_FOUND,),
        ),
        Route(
            method="GET",
            path="/v1/storage/quota",
            handler=quota,
            summary="What one's files take",
            tag="storage",
            row="files",
            returns={200: Quota},
        ),
    ]


def attached_routes(attached: AttachedFiles, paging: Paging) -> list[Route]:
    """The route of the files of a conversation."""

    async def listed(call: Call[None, AttachedQuery]) -> Reply:
        query, conversation_id = call.query, call.path["id"]
        content_type = query.content_type.lower() if query.content_type is not None else None
        place = (_ATTACHED, conversation_id, content_type or "")
        after = paging.after(call, *place)
        page = await attached.listed(
            call.caller.user_id,
            conversation_id,
            content_type,
            before=(after[0], after[1]) if after else None,
            limit=query.limit,
        )
        files = [
            AttachedFile(
                file=render_file(one.file),
                message_id=one.message_id,
                sender_id=one.sender_id,
                sent_at=rfc3339(one.sent_at),
            )
            for one in page.items
        ]
        return Reply(AttachedPage(files=files, **paging.end(call, page, *place)))

    return [
        Route(
            method="GET",
            path="/v1/conversations/{id}/files",
            handler=listed,
            summary="Files that messages of a conversation carry",
            tag="conversations",
            row="conversation",
            query=AttachedQuery,
            returns={200: AttachedPage},
            errors=(ErrorCode.NOT_FOUND, ErrorCode.FORBIDDEN, ErrorCode.TIMELINE_UNAVAILABLE),
        )
    ]
