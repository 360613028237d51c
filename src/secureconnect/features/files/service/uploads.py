"""Beginning an upload, looking at it, and new URLs for its parts."""

from collections.abc import Sequence

from msgspec import Struct

from secureconnect.features.files import rules, store
from secureconnect.features.files.api import FileRecord
from secureconnect.features.files.rules import FileLimits, Plan, Wanted
from secureconnect.features.files.service.journal import Caller, Journal
from secureconnect.features.files.service.ledger import Ledger
from secureconnect.features.files.store import NewFile
from secureconnect.infra.blobs.base import Blobs, Part, SignedRequest, UploadMissing
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.ids import new_time_id

__all__ = ["Begun", "PartUrl", "Uploads"]

# URLs that the first answer carries; more are given on request.
_FIRST = 1000


class PartUrl(Struct, frozen=True):
    """Where to PUT one part."""

    part_number: int
    url: str


class Begun(Struct, frozen=True):
    """An upload that was admitted: either one `request`, or `plan` and the URLs of the first parts."""

    file: FileRecord
    request: SignedRequest | None = None
    plan: Plan | None = None
    parts: Sequence[PartUrl] = ()


class Uploads:
    """Files before they are completed."""

    def __init__(
        self,
        database: Database,
        blobs: Blobs,
        clock: Clock,
        ledger: Ledger,
        journal: Journal,
        limits: FileLimits,
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._clock = clock
        self._ledger = ledger
        self._journal = journal
        self._limits = limits

    async def begin(self, caller: Caller, wanted: Wanted) -> Begun:
        """Admit an upload to the quota and say where its bytes go.

        Raises:
            ApiError: `VALIDATION_ERROR`, `LIMIT_REACHED`, `QUOTA_EXCEEDED`, `STORAGE_UNAVAILABLE`.
        """
        try:
            checked, plan = rules.check_wanted(self._limits, wanted)
            new = self._new(caller.user_id, checked, plan)
            file = await self._database.write(lambda tx: self._ledger.admit_in(tx, caller, new))
        except ApiError as error:
            self._journal.rejected(error)
            raise
        try:
            return await self._open(file, plan)
        except ApiError:
            await self._give_up(caller, file)
            raise

    async def show(self, caller: Caller, file_id: str) -> tuple[FileRecord, list[Part]]:
        """An upload of the caller's, and the parts that lie in the store.

        Raises:
            ApiError: `NOT_FOUND`, `STORAGE_UNAVAILABLE`.
        """
        file = await self._journal.owned(caller, file_id)
        if file.status != "uploading" or file.upload_id is None:
            return file, []
        try:
            return file, await self._blobs.parts(file.object_key, file.upload_id)
        except UploadMissing:
            return file, []

    async def renew(
        self, caller: Caller, file_id: str, part_numbers: Sequence[int]
    ) -> tuple[list[PartUrl], int]:
        """New URLs for parts, and when they end (ms); the upload goes on at least until then.

        Raises:
            ApiError: `NOT_FOUND`; `CONFLICT` unless a multipart upload runs; `VALIDATION_ERROR`.
        """
        await self._journal.owned(caller, file_id)
        now = self._clock.now()

        def work(tx: WriteTx) -> FileRecord:
            file = store.find(tx.conn, file_id)
            if (
                file is None
                or file.expires_at is None
                or file.upload_id is None
                or file.status != "uploading"
            ):
                raise ApiError(ErrorCode.CONFLICT, "This is no running multipart upload.")
            last = file.created_at + self._limits.multipart_ttl * 1000
            until = min(now + self._limits.upload_ttl * 1000, last)
            if min(file.expires_at, until) <= now:
                raise ApiError(ErrorCode.CONFLICT, "The upload has expired.")
            rules.check_part_numbers(file, part_numbers)
            if until > file.expires_at:
                store.extend(tx, file_id, until, now)
            found = store.find(tx.conn, file_id)
            assert found is not None
            return found

        file = await self._database.write(work)
        assert file.part_size is not None
        assert file.expires_at is not None
        sizes = rules.part_sizes(file.file_size, file.part_size)
        return await self._part_urls(file, sizes, part_numbers), file.expires_at

    def _new(self, owner_id: str, wanted: Wanted, plan: Plan | None) -> NewFile:
        file_id, now = new_time_id(), self._clock.now()
        return NewFile(
            file_id,
            owner_id,
            wanted.file_name,
            wanted.file_size,
            wanted.content_type,
            rules.object_key(owner_id, file_id),
            wanted.is_encrypted,
            wanted.sha256,
            plan.part_size if plan is not None else None,
            now + self._limits.upload_ttl * 1000,
            now,
        )

    async def _open(self, file: FileRecord, plan: Plan | None) -> Begun:
        if plan is None:
            request = await self._blobs.presign_put(
                file.object_key,
                size=file.file_size,
                content_type=file.content_type,
                expires_in=self._limits.upload_ttl,
            )
            return Begun(file, request)
        upload_id = await self._blobs.begin_multipart(
            file.object_key,
            size=file.file_size,
            part_size=plan.part_size,
            content_type=file.content_type,
        )

        def work(tx: WriteTx) -> FileRecord:
            store.begin_parts(tx, file.file_id, upload_id)
            found = store.find(tx.conn, file.file_id)
            assert found is not None
            return found

        begun = await self._database.write(work)
        sizes = rules.part_sizes(file.file_size, plan.part_size)
        first = range(1, min(len(sizes), _FIRST) + 1)
        return Begun(begun, None, plan, await self._part_urls(begun, sizes, first))

    async def _part_urls(
        self, file: FileRecord, sizes: Sequence[int], part_numbers: Sequence[int]
    ) -> list[PartUrl]:
        assert file.upload_id is not None
        assert file.expires_at is not None
        left = max(1, (file.expires_at - self._clock.now()) // 1000)
        urls = []
        for number in part_numbers:
            request = await self._blobs.presign_part(
                file.object_key, file.upload_id, number, size=sizes[number - 1], expires_in=left
            )
            urls.append(PartUrl(number, request.url))
        return urls

    async def _give_up(self, caller: Caller, file: FileRecord) -> None:
        """The store did not take the upload: its quota is free at once."""
        now = self._clock.now()

        def work(tx: WriteTx) -> None:
            current = store.find(tx.conn, file.file_id)
            if current is not None and current.status == "uploading":
                self._ledger.fail_in(tx, caller, current, "storage unavailable", now)

        await self._database.write(work)
