"""Files (HTTP reference §13)."""

import asyncio
import hashlib
import mimetypes
import os
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from secureconnect.client.api.request import Nothing, given, path
from secureconnect.client.errors import ApiFailure, ConnectionLost
from secureconnect.client.http import Http, Json, part
from secureconnect.client.models.base import Page
from secureconnect.client.models.files import (
    Download,
    DownloadAnswer,
    File,
    NewUpload,
    Quota,
    RenewedParts,
    SentFile,
    UploadState,
)
from secureconnect.client.retry import RetryPolicy
from secureconnect.client.transfer import Transfer
from secureconnect.client.uploading import Uploader
from secureconnect.kit.ids import new_id

__all__ = ["FilesApi"]


class FilesApi:
    """`client.files`. Bytes travel between this machine and the object store, without credentials."""

    def __init__(
        self, http: Http, transfer: Transfer, retry: RetryPolicy, sleep: Callable[[float], Awaitable[None]]
    ) -> None:
        self._http = http
        self._transfer = transfer
        self._uploader = Uploader(self, transfer, retry, sleep)

    async def upload(
        self,
        source: str | Path,
        *,
        file_name: str | None = None,
        content_type: str | None = None,
        is_encrypted: bool = False,
        hashed: bool = False,
    ) -> File:
        """Upload a file of this machine, in parts when it is large; broken connections are resumed.

        Args:
            file_name: how others see it; the name of `source` by default.
            content_type: guessed from the name by default.
            hashed: let the server verify the SHA-256 of what arrived.

        Raises:
            ApiFailure: refused (`QUOTA_EXCEEDED`, `VALIDATION_ERROR`, `UPLOAD_MISMATCH`, …).
            ConnectionLost: the connection broke again and again; `resume` goes on later.
        """
        source = Path(source)
        name = file_name or source.name
        size = (await asyncio.to_thread(os.stat, source)).st_size
        sha256 = await asyncio.to_thread(_hash, source) if hashed else None
        kind = content_type or mimetypes.guess_type(name)[0] or "application/octet-stream"
        new = await self.begin(name, size, kind, is_encrypted=is_encrypted, sha256=sha256)
        return await self._uploader.send(new, source, size)

    async def resume(self, file_id: str, source: str | Path) -> File:
        """Go on with an upload that broke off, from the same file; what arrived is not sent again.

        Raises:
            Conflict: the upload has failed or expired, or was in one piece that did not arrive: begin anew.
        """
        state = await self.state(file_id)
        if state.part_size is None or state.file.status != "uploading":
            return await self.complete(file_id)
        return await self._uploader.go_on(state, Path(source))

    async def download(self, file_id: str, target: str | Path, *, variant: str = "original") -> File:
        """Download a file, or its `thumbnail`, to `target`, which appears when it is complete.

        Broken connections are resumed. What lay at `target` before is replaced.
        """
        target = Path(target)
        partial = target.with_name(f".{target.name}.{new_id()}")
        attempt = 0
        try:
            while True:
                found = await self.url(file_id, variant=variant)
                size = found.file.file_size if variant == "original" else None
                try:
                    await self._transfer.get(found.download_url, partial, size)
                    break
                except (ConnectionLost, ApiFailure) as error:
                    attempt = await self._uploader.pause(error, attempt)
            await asyncio.to_thread(os.replace, partial, target)
        finally:
            await asyncio.to_thread(partial.unlink, missing_ok=True)
        return found.file

    async def begin(
        self,
        file_name: str,
        file_size: int,
        content_type: str,
        *,
        is_encrypted: bool = False,
        sha256: str | None = None,
    ) -> NewUpload:
        """Ask where the bytes of a file go; `upload` does all of it."""
        body = given(
            file_name=file_name,
            file_size=file_size,
            content_type=content_type,
            is_encrypted=is_encrypted,
            sha256=sha256,
        )
        return await self._http.call("POST", "/v1/storage/upload-url", NewUpload, json=body, once=True)

    async def state(self, file_id: str) -> UploadState:
        """How far an upload of one's own is."""
        return await self._http.call("GET", path("/v1/storage/uploads/{}", file_id), UploadState)

    async def renew_parts(self, file_id: str, part_numbers: Sequence[int]) -> RenewedParts:
        """New URLs for parts; the upload may go on until they end."""
        body = {"file_id": file_id, "part_numbers": list(part_numbers)}
        route = "/v1/storage/upload-parts"
        return await self._http.call("POST", route, RenewedParts, json=body, repeatable=True)

    async def complete(self, file_id: str, *, sha256: str | None = None) -> File:
        """Say that every byte was sent; the server looks for itself. A repeat gives the same file."""
        body = {"file_id": file_id, "sha256": sha256}
        return await self._http.call("POST", "/v1/storage/upload-complete", File, json=body, repeatable=True)

    async def url(self, file_id: str, *, variant: str = "original") -> Download:
        """Where to GET a file that one may read; `variant` is `original` or `thumbnail`."""
        route = path("/v1/storage/download-url/{}", file_id)
        return await self._http.call("GET", route, Download, query={"variant": variant})

    async def urls(self, file_ids: Sequence[str], *, variant: str = "original") -> Sequence[DownloadAnswer]:
        """The same for up to 50 files; what is refused says why."""
        body = {"file_ids": list(file_ids), "variant": variant}
        route = "/v1/storage/download-urls"
        data = await self._http.call("POST", route, Json, json=body, repeatable=True)
        return part(data, "files", list[DownloadAnswer])

    async def list(
        self,
        *,
        status: str = "completed",
        content_type: str | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> Page[File]:
        """One's own files, newest first; `content_type` is a prefix such as `image/`."""
        query = {"status": status, "content_type": content_type}
        return await self._http.page(
            "/v1/storage/files", "files", File, cursor=cursor, limit=limit, query=query
        )

    async def of_conversation(
        self,
        conversation_id: str,
        *,
        content_type: str | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> Page[SentFile]:
        """Files that messages of a conversation carry, newest first."""
        route = path("/v1/conversations/{}/files", conversation_id)
        query = {"content_type": content_type}
        return await self._http.page(route, "files", SentFile, cursor=cursor, limit=limit, query=query)

    async def delete(self, file_id: str) -> None:
        """Delete a file for everybody, or give up an upload."""
        await self._http.call("DELETE", path("/v1/storage/files/{}", file_id), Nothing)

    async def quota(self) -> Quota:
        """What one's files take."""
        return await self._http.call("GET", "/v1/storage/quota", Quota)


def _hash(source: Path) -> str:
    with source.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()
