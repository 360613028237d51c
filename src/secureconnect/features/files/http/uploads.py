"""Uploads (docs/reference/http.md, storage)."""

from collections.abc import Sequence

from secureconnect.edge.http.routing import Call, Reply, Route
from secureconnect.features.files.api import File, render_file
from secureconnect.features.files.http.caller import caller_of
from secureconnect.features.files.http.objects import (
    BeginUpload,
    CompleteUpload,
    Multipart,
    PartUrlList,
    RenewParts,
    StoredPart,
    Upload,
    UploadPart,
    UploadState,
)
from secureconnect.features.files.rules import Wanted
from secureconnect.features.files.service import Begun, Completion, GivenPart, PartUrl, Uploads
from secureconnect.kit.clock import rfc3339
from secureconnect.kit.errors import ErrorCode

__all__ = ["routes"]

_BEGIN = "/v1/storage/upload-url"
_SHOW = "/v1/storage/uploads/{file_id}"
_RENEW = "/v1/storage/upload-parts"
_COMPLETE = "/v1/storage/upload-complete"


def routes(uploads: Uploads, completion: Completion) -> list[Route]:
    """The routes of uploads."""

    async def begin(call: Call[BeginUpload, None]) -> Reply:
        body = call.body
        wanted = Wanted(body.file_name, body.file_size, body.content_type, body.is_encrypted, body.sha256)
        return Reply(_upload(await uploads.begin(caller_of(call), wanted)))

    async def show(call: Call[None, None]) -> Reply:
        file, parts = await uploads.show(caller_of(call), call.path["file_id"])
        return Reply(
            UploadState(
                file=render_file(file),
                expires_at=rfc3339(file.expires_at or file.created_at),
                part_size=file.part_size,
                uploaded_parts=[StoredPart(part.number, part.size) for part in parts],
            )
        )

    async def renew(call: Call[RenewParts, None]) -> Reply:
        body = call.body
        caller = caller_of(call)
        parts, expires_at = await uploads.renew(caller, body.file_id, body.part_numbers)
        return Reply(PartUrlList(parts=_part_urls(parts), expires_at=rfc3339(expires_at)))

    async def complete(call: Call[CompleteUpload, None]) -> Reply:
        body = call.body
        parts = None
        if body.parts is not None:
            parts = [GivenPart(part.part_number, part.etag) for part in body.parts]
        caller = caller_of(call)
        return Reply(render_file(await completion.complete(caller, body.file_id, parts, body.sha256)))

    return [
        Route(
            method="POST",
            path=_BEGIN,
            handler=begin,
            summary="Begin an upload: where the bytes go, in one piece or in parts",
            tag="storage",
            row="upload_url",
            scope="files:write",
            body=BeginUpload,
            returns={200: Upload},
            errors=(ErrorCode.QUOTA_EXCEEDED, ErrorCode.LIMIT_REACHED, ErrorCode.STORAGE_UNAVAILABLE),
        ),
        Route(
            method="GET",
            path=_SHOW,
            handler=show,
            summary="How far an upload is",
            tag="storage",
            row="files",
            scope="files:write",
            returns={200: UploadState},
            errors=(ErrorCode.NOT_FOUND, ErrorCode.STORAGE_UNAVAILABLE),
        ),
        Route(
            method="POST",
            path=_RENEW,
            handler=renew,
            summary="New URLs for parts; the upload may go on",
            tag="storage",
            row="upload_url",
            scope="files:write",
            body=RenewParts,
            returns={200: PartUrlList},
            errors=(ErrorCode.NOT_FOUND, ErrorCode.CONFLICT, ErrorCode.STORAGE_UNAVAILABLE),
        ),
        Route(
            method="POST",
            path=_COMPLETE,
            handler=complete,
            summary="Complete an upload: what lies in the store is verified",
            tag="storage",
            row="upload_url",
            scope="files:write",
            body=CompleteUpload,
            returns={200: File},
            errors=(
                ErrorCode.NOT_FOUND,
                ErrorCode.UPLOAD_INCOMPLETE,
                ErrorCode.UPLOAD_MISMATCH,
                ErrorCode.CONFLICT,
                ErrorCode.STORAGE_UNAVAILABLE,
            ),
        ),
    ]


def _upload(begun: Begun) -> Upload:
    request, plan = begun.request, begun.plan
    multipart = None
    if plan is not None:
        multipart = Multipart(
            part_size=plan.part_size, part_count=plan.part_count, parts=_part_urls(begun.parts)
        )
    assert begun.file.expires_at is not None
    return Upload(
        file_id=begun.file.file_id,
        upload_url=request.url if request is not None else None,
        headers=dict(request.headers) if request is not None else {},
        expires_at=rfc3339(begun.file.expires_at),
        multipart=multipart,
    )


def _part_urls(parts: Sequence[PartUrl]) -> list[UploadPart]:
    return [UploadPart(part.part_number, part.url) for part in parts]
