"""URLs to read files."""

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct
from sqlalchemy import Connection

from secureconnect.features.files import rules, store
from secureconnect.features.files.api import FileRecord
from secureconnect.features.files.rules import FileLimits
from secureconnect.features.files.service.journal import Caller, Journal
from secureconnect.features.files.service.readers import Readers
from secureconnect.infra.blobs.base import Blobs, SignedRequest
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.kit.errors import ApiError, ErrorCode

__all__ = ["Download", "Downloads", "Link", "Variant"]

Variant = Literal["original", "thumbnail"]
#: Where to GET something, and until when.
Link = SignedRequest

# What the record of a refusal names.
_SEVERAL = "POST /v1/storage/download-urls"


class Download(Struct, frozen=True):
    """What is said of one file, or why nothing is."""

    file_id: str
    file: FileRecord | None
    refused: ApiError | None = None


class Downloads:
    """Decides who may read what, at the moment of asking; a URL lasts as long as it lasts."""

    def __init__(
        self, database: Database, blobs: Blobs, readers: Readers, journal: Journal, limits: FileLimits
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._readers = readers
        self._journal = journal
        self._limits = limits

    async def url(self, caller: Caller, file_id: str, variant: Variant) -> tuple[FileRecord, SignedRequest]:
        """Where to GET a file or its thumbnail.

        Raises:
            ApiError: `NOT_FOUND`; `FILE_NOT_READY` to its owner; `E2EE_BLOCKED`; `STORAGE_UNAVAILABLE`.
        """
        (one,) = await self._decide(caller, [file_id], variant)
        if one.refused is not None or one.file is None:
            raise one.refused or rules.not_found()
        return one.file, await self._sign(one.file, variant)

    async def urls(
        self, caller: Caller, file_ids: Sequence[str], variant: Variant
    ) -> list[tuple[str, SignedRequest | ApiError]]:
        """The same for several; what is refused is said in its place.

        Raises:
            ApiError: `STORAGE_UNAVAILABLE`.
        """
        answers: list[tuple[str, SignedRequest | ApiError]] = []
        for one in await self._decide(caller, file_ids, variant):
            if one.refused is not None or one.file is None:
                refused = one.refused or rules.not_found()
                answers.append((one.file_id, refused))
                if refused.denial:
                    self._journal.denied(caller, one.file_id, _SEVERAL)
            else:
                answers.append((one.file_id, await self._sign(one.file, variant)))
        return answers

    async def _decide(self, caller: Caller, file_ids: Sequence[str], variant: Variant) -> list[Download]:
        def work(tx: WriteTx) -> list[Download]:
            decided = self._judge(tx.conn, caller.user_id, file_ids, variant)
            for one in decided:
                if one.file is not None and one.refused is None:
                    self._journal.record_in(tx, "file_download_url", caller, one.file)
            return decided

        return await self._database.write(work)

    def _judge(
        self, conn: Connection, user_id: str, file_ids: Sequence[str], variant: Variant
    ) -> list[Download]:
        records = store.find_many(conn, file_ids)
        readable = {file.file_id for file in self._readers.readable_in(conn, user_id, file_ids)}
        decided = []
        for file_id in file_ids:
            file = records.get(file_id)
            if file is None or file_id in readable:
                decided.append(Download(file_id, file, _fault(file, variant)))
            elif file.owner_id == user_id and file.status == "uploading":
                decided.append(Download(file_id, file, ApiError(ErrorCode.FILE_NOT_READY)))
            else:
                foreign = file.owner_id != user_id and file.status in {"uploading", "completed"}
                decided.append(Download(file_id, None, rules.not_found(file_id if foreign else None)))
        return decided

    async def _sign(self, file: FileRecord, variant: Variant) -> SignedRequest:
        if variant == "original":
            key, name, content_type = file.object_key, file.file_name, file.content_type
        else:
            key, name, content_type = (
                rules.thumbnail_key(file.file_id),
                f"{file.file_name.rpartition('.')[0] or file.file_name}.webp",
                "image/webp",
            )
        return await self._blobs.presign_get(
            key, file_name=name, content_type=content_type, expires_in=self._limits.download_ttl
        )


def _fault(file: FileRecord | None, variant: Variant) -> ApiError | None:
    if file is None:
        return rules.not_found()
    if variant == "original":
        return None
    if file.is_encrypted:
        return ApiError(ErrorCode.E2EE_BLOCKED, "The server cannot see what an encrypted file shows.")
    return None if file.has_thumbnail else ApiError(ErrorCode.NOT_FOUND, "The file has no thumbnail.")
