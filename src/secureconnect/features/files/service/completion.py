"""Completing an upload: what lies in the store is looked at, not what the client says of it."""

import asyncio
from collections.abc import Sequence
from typing import Final

from msgspec import Struct

from secureconnect.edge.realtime.background import Background
from secureconnect.features.files import rules, store
from secureconnect.features.files.api import FileRecord
from secureconnect.features.files.service.journal import Caller, Journal
from secureconnect.features.files.service.ledger import Ledger
from secureconnect.features.files.service.objects import Objects
from secureconnect.infra.blobs.base import (
    Blobs,
    ObjectMissing,
    ObjectStat,
    Part,
    PartsRefused,
    UploadMissing,
)
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ApiError, Detail, ErrorCode

__all__ = ["Completion", "GivenPart"]

# Reading a large object may take long; the sweeper leaves the upload alone meanwhile. Milliseconds.
_READING: Final = 600_000
# Faults that one answer names.
_NAMED: Final = 100


class GivenPart(Struct, frozen=True):
    """A part as its uploader remembers it."""

    part_number: int
    etag: str


class Completion:
    """Verifies uploads. A verification goes on when the request that wanted it is gone."""

    def __init__(
        self,
        database: Database,
        blobs: Blobs,
        clock: Clock,
        background: Background,
        ledger: Ledger,
        objects: Objects,
        journal: Journal,
    ) -> None:
        self._database = database
        self._blobs = blobs
        self._clock = clock
        self._background = background
        self._ledger = ledger
        self._objects = objects
        self._journal = journal
        self._running: dict[tuple[str, str | None], asyncio.Task[FileRecord]] = {}

    async def complete(
        self, caller: Caller, file_id: str, parts: Sequence[GivenPart] | None, sha256: str | None
    ) -> FileRecord:
        """Verify size and, when one was given, hash of an upload. A repeat gives the same file.

        Raises:
            ApiError: `NOT_FOUND`, `UPLOAD_INCOMPLETE`, `UPLOAD_MISMATCH` (the upload has failed then),
                `CONFLICT` (it had before, or it expired), `STORAGE_UNAVAILABLE`.
        """
        file = await self._journal.owned(caller, file_id)
        if file.status == "completed":
            return file
        _check_running(file, self._clock.now())
        key = (file_id, sha256)
        task = self._running.get(key)
        if task is None:
            task = self._background.start(self._verify(caller, file, parts, sha256))
            self._running[key] = task
            task.add_done_callback(lambda _: self._running.pop(key, None))
        return await asyncio.shield(task)

    async def _verify(
        self, caller: Caller, file: FileRecord, parts: Sequence[GivenPart] | None, sha256: str | None
    ) -> FileRecord:
        hashes = {one.lower() for one in (file.sha256, sha256) if one is not None}
        if hashes and (file.expires_at or 0) - self._clock.now() < _READING:
            file = await self._database.write(lambda tx: self._postpone(tx, file.file_id))
        try:
            stat = await self._object(file, parts)
            right = await self._matches(file, stat, hashes)
        except ObjectMissing:
            raise _incomplete() from None
        if not right:
            failed = await self._database.write(lambda tx: self._fail(tx, caller, file.file_id))
            await self._objects.discard(failed)
            raise ApiError(
                ErrorCode.UPLOAD_MISMATCH, "The stored object has another size or hash than announced."
            )
        return await self._database.write(
            lambda tx: self._finish(tx, caller, file.file_id, next(iter(hashes), None))
        )

    async def _object(self, file: FileRecord, given: Sequence[GivenPart] | None) -> ObjectStat:
        """What lies in the store, made of its parts first where there are some."""
        if file.upload_id is not None:
            try:
                parts = await self._blobs.parts(file.object_key, file.upload_id)
                _check_parts(file, parts, given)
                return await self._blobs.complete_multipart(file.object_key, file.upload_id, parts)
            except UploadMissing:
                pass  # the object may be there: somebody died right after making it
            except PartsRefused:
                raise _incomplete() from None
        stat = await self._blobs.stat(file.object_key)
        if stat is None:
            raise _incomplete()
        return stat

    async def _matches(self, file: FileRecord, stat: ObjectStat, hashes: set[str]) -> bool:
        """Whether size and hash are the announced ones; the object is read only where nothing else says."""
        if stat.size != file.file_size or len(hashes) > 1:
            return False
        return not hashes or hashes == {stat.sha256 or await self._blobs.sha256(file.object_key)}

    def _postpone(self, tx: WriteTx, file_id: str) -> FileRecord:
        now = self._clock.now()
        file = store.find(tx.conn, file_id)
        if file is None:
            raise rules.not_found()
        _check_running(file, now)
        store.extend(tx, file_id, max(file.expires_at or 0, now + _READING), now)
        return file

    def _finish(self, tx: WriteTx, caller: Caller, file_id: str, sha256: str | None) -> FileRecord:
        file = store.find(tx.conn, file_id)
        if file is None:
            raise rules.not_found()
        if file.status == "completed":  # a repeat was faster
            return file
        _check_uploading(file)
        return self._ledger.complete_in(tx, caller, file, sha256, self._clock.now())

    def _fail(self, tx: WriteTx, caller: Caller, file_id: str) -> FileRecord:
        file = store.find(tx.conn, file_id)
        if file is None:
            raise rules.not_found()
        _check_uploading(file)
        self._ledger.fail_in(tx, caller, file, "size or hash", self._clock.now())
        return file


def _check_uploading(file: FileRecord) -> None:
    if file.status != "uploading":
        raise ApiError(ErrorCode.CONFLICT, "The upload has failed or expired; begin a new one.")


def _check_running(file: FileRecord, now: int) -> None:
    _check_uploading(file)
    if file.expires_at is not None and file.expires_at <= now:
        raise ApiError(ErrorCode.CONFLICT, "The upload has expired; begin a new one.")


def _check_parts(file: FileRecord, parts: Sequence[Part], given: Sequence[GivenPart] | None) -> None:
    """Raises ApiError `UPLOAD_INCOMPLETE` unless all parts are there, as their uploader remembers them."""
    assert file.part_size is not None
    there = {part.number: part for part in parts}
    wanted = enumerate(rules.part_sizes(file.file_size, file.part_size), 1)
    missing = [number for number, size in wanted if number not in there or there[number].size != size]
    details = [Detail("parts", f"part {number} is missing") for number in missing[:_NAMED]]
    for place, part in enumerate(given or ()):
        stored = there.get(part.part_number)
        if stored is None or stored.etag != part.etag.strip('"'):
            details.append(Detail(f"parts[{place}]", "is not what lies in the store"))
    if details:
        raise _incomplete(details[:_NAMED])


def _incomplete(details: Sequence[Detail] = ()) -> ApiError:
    return ApiError(
        ErrorCode.UPLOAD_INCOMPLETE, "Nothing was uploaded, or parts are missing.", details=details
    )
