"""Downloads (docs/reference/http.md, storage)."""

from typing import get_args

from secureconnect.edge.http.routing import Call, Reply, Route
from secureconnect.features.files.api import render_file
from secureconnect.features.files.http.caller import caller_of
from secureconnect.features.files.http.objects import (
    DownloadQuery,
    DownloadUrl,
    DownloadUrls,
    FileDownload,
    RefusalCode,
    WantDownloads,
)
from secureconnect.features.files.service import Downloads, Link
from secureconnect.kit.clock import rfc3339
from secureconnect.kit.errors import ApiError, ErrorCode

__all__ = ["routes"]

_ONE = "/v1/storage/download-url/{file_id}"
_SEVERAL = "/v1/storage/download-urls"


def routes(downloads: Downloads) -> list[Route]:
    """The routes of downloads."""

    async def one(call: Call[None, DownloadQuery]) -> Reply:
        caller = caller_of(call)
        file, request = await downloads.url(caller, call.path["file_id"], call.query.variant)
        return Reply(
            DownloadUrl(
                download_url=request.url, expires_at=rfc3339(request.expires_at), file=render_file(file)
            )
        )

    async def several(call: Call[WantDownloads, None]) -> Reply:
        file_ids = list(dict.fromkeys(call.body.file_ids))
        caller = caller_of(call)
        answers = await downloads.urls(caller, file_ids, call.body.variant)
        return Reply(DownloadUrls([_answer(file_id, answer) for file_id, answer in answers]))

    return [
        Route(
            method="GET",
            path=_ONE,
            handler=one,
            summary="Where to GET a file that one may read, or its thumbnail",
            tag="storage",
            row="download_url",
            scope="files:read",
            query=DownloadQuery,
            returns={200: DownloadUrl},
            errors=(
                ErrorCode.NOT_FOUND,
                ErrorCode.FILE_NOT_READY,
                ErrorCode.E2EE_BLOCKED,
                ErrorCode.STORAGE_UNAVAILABLE,
            ),
        ),
        Route(
            method="POST",
            path=_SEVERAL,
            handler=several,
            summary="The same for several files",
            tag="storage",
            row="download_url",
            scope="files:read",
            body=WantDownloads,
            returns={200: DownloadUrls},
            errors=(ErrorCode.STORAGE_UNAVAILABLE,),
        ),
    ]


def _answer(file_id: str, answer: Link | ApiError) -> FileDownload:
    if isinstance(answer, ApiError):
        code = next(name for name in get_args(RefusalCode) if name == answer.code.name)
        return FileDownload(file_id=file_id, download_url=None, error_code=code)
    return FileDownload(file_id=file_id, download_url=answer.url, error_code=None)
