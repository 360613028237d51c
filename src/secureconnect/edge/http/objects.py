"""The bytes of objects of the local store, for whoever holds a signed URL (docs/reference/http.md).

Nothing here knows files, owners or quotas: what a URL allows was decided when it was signed.
"""

import re
from collections.abc import AsyncGenerator
from typing import Annotated

from msgspec import Meta, Struct

from secureconnect.edge.http.envelope import Headers
from secureconnect.edge.http.streams import Flow, Intake, StreamReply, StreamRoute
from secureconnect.infra.blobs.base import ObjectMissing
from secureconnect.infra.blobs.disposition import attachment
from secureconnect.infra.blobs.local import LocalBlobs, OpenObject
from secureconnect.infra.blobs.local_files import UploadEnded
from secureconnect.infra.blobs.local_urls import (
    PATH,
    DownloadGrant,
    PartGrant,
    PutGrant,
    UrlRefused,
)
from secureconnect.kit.errors import ApiError, ErrorCode

__all__ = ["object_routes"]

# Small enough for many slow readers at once, large enough that a change of threads costs little.
_PIECE = 256 << 10

_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)


class StoredObject(Struct, frozen=True):
    """What was uploaded: the ETag without quotes, and the size in bytes."""

    etag: str
    size: int


class UploadQuery(Struct, frozen=True):
    """Parameters of an upload URL. None of them is chosen by clients."""

    signature: Annotated[str, Meta(min_length=64, max_length=64)]
    expires: int
    size: int
    type: str | None = None
    upload: str | None = None
    part: int | None = None


class DownloadQuery(Struct, frozen=True):
    """Parameters of a download URL. None of them is chosen by clients."""

    signature: Annotated[str, Meta(min_length=64, max_length=64)]
    expires: int
    type: str
    name: str


def object_routes(blobs: LocalBlobs) -> list[StreamRoute]:
    """PUT, GET and HEAD of `/v1/storage/objects/{key}`."""
    handlers = _Objects(blobs)
    return [
        StreamRoute(
            method="PUT",
            prefix=PATH,
            parameter="key",
            handler=handlers.upload,
            summary="Upload the bytes of an object or of a part, to a URL that the server signed",
            tag="storage",
            query=UploadQuery,
            returns={200: StoredObject},
            errors=(ErrorCode.URL_SIGNATURE_INVALID, ErrorCode.NOT_FOUND, ErrorCode.STORAGE_UNAVAILABLE),
        ),
        StreamRoute(
            method="GET",
            prefix=PATH,
            parameter="key",
            handler=handlers.download,
            summary="Download an object, or one range of it, from a URL that the server signed",
            tag="storage",
            query=DownloadQuery,
            returns={200: None, 206: None},
            errors=(
                ErrorCode.URL_SIGNATURE_INVALID,
                ErrorCode.NOT_FOUND,
                ErrorCode.RANGE_NOT_SATISFIABLE,
                ErrorCode.STORAGE_UNAVAILABLE,
            ),
        ),
    ]


class _Objects:
    def __init__(self, blobs: LocalBlobs) -> None:
        self._blobs = blobs

    async def upload(self, intake: Intake) -> StreamReply:
        """Everything that can be wrong with the head is found before a byte of the body is read."""
        grant = self._grant(intake)
        assert isinstance(grant, PutGrant | PartGrant)  # the method is part of the signature
        if intake.length != grant.size:
            raise _refused("The body has another size than the one that was signed.")
        if isinstance(grant, PutGrant) and not _same_type(intake, grant.content_type):
            raise _refused("The body has another Content-Type than the one that was signed.")
        try:
            etag = await self._blobs.receive(grant, intake.chunks)
        except UploadEnded as ended:
            raise _refused(str(ended)) from ended
        headers: Headers = [(b"etag", f'"{etag}"'.encode())]
        return StreamReply(headers=headers, data=StoredObject(etag, grant.size))

    async def download(self, intake: Intake) -> StreamReply:
        """The whole object, or one range; several ranges are answered with the whole (RFC 9110 §14.2)."""
        grant = self._grant(intake)
        assert isinstance(grant, DownloadGrant)
        try:
            opened = await self._blobs.open(grant.key)
        except ObjectMissing:
            raise ApiError(ErrorCode.NOT_FOUND, "There is no such object.") from None
        try:
            return self._answer(intake, grant, opened)
        except BaseException:
            opened.close()
            raise

    def _answer(self, intake: Intake, grant: DownloadGrant, opened: OpenObject) -> StreamReply:
        headers: Headers = [
            (b"etag", f'"{opened.etag}"'.encode()),
            (b"accept-ranges", b"bytes"),
            (b"content-disposition", attachment(grant.file_name).encode()),
        ]
        start, end, status = 0, opened.size, 200
        wanted = _range(intake, opened)
        if wanted is not None:
            start, end = wanted
            status = 206
            headers.append((b"content-range", f"bytes {start}-{end - 1}/{opened.size}".encode()))
        # HEAD announces the length and sends nothing.
        stop = start if intake.method == "HEAD" else end
        flow = Flow(end - start, self._pieces(opened, start, stop), opened.close)
        return StreamReply(status, headers, grant.content_type, flow)

    async def _pieces(self, opened: OpenObject, start: int, end: int) -> AsyncGenerator[bytes, None]:
        while start < end:
            piece = await self._blobs.piece(opened, start, min(_PIECE, end - start))
            if not piece:
                raise ApiError(ErrorCode.STORAGE_UNAVAILABLE, "The object became shorter.")
            yield piece
            start += len(piece)

    def _grant(self, intake: Intake) -> PutGrant | PartGrant | DownloadGrant:
        try:
            return self._blobs.urls.check(intake.method, intake.rest, intake.query)
        except UrlRefused as refused:
            raise _refused(str(refused)) from None


def _refused(message: str) -> ApiError:
    return ApiError(ErrorCode.URL_SIGNATURE_INVALID, message)


def _same_type(intake: Intake, content_type: str) -> bool:
    given = intake.headers.get(b"content-type", b"").decode("latin-1")
    return given.strip().lower() == content_type.lower()


def _range(intake: Intake, opened: OpenObject) -> tuple[int, int] | None:
    """Start and end of the wanted range, or None for the whole object.

    Raises:
        ApiError: `RANGE_NOT_SATISFIABLE`.
    """
    match = _RANGE.fullmatch(intake.headers.get(b"range", b"").decode("latin-1").replace(" ", ""))
    if match is None or match.groups() == ("", ""):
        return None
    condition = intake.headers.get(b"if-range")
    if condition is not None and condition.decode("latin-1").strip() != f'"{opened.etag}"':
        return None
    first, last = match.groups()
    if first and last and int(last) < int(first):
        return None  # not a range at all (RFC 9110 §14.1.2)
    if first:
        start, end = int(first), min(int(last) + 1, opened.size) if last else opened.size
    else:
        start, end = max(0, opened.size - int(last)), opened.size
    if start >= opened.size:
        raise ApiError(ErrorCode.RANGE_NOT_SATISFIABLE, f"The object has {opened.size} bytes.")
    return start, end
