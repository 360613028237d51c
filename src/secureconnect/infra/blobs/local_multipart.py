"""Multipart uploads of the local store: every part is written where it belongs in the future object.

<directory>/<upload id>/
    upload.json             key, size, part size
    bytes                   as long as the object from the start, with holes
    <number>.<etag>         empty: this part lies in `bytes`, synced

Completing is a rename, however large the object.
"""

import asyncio
import os
import re
import secrets
import shutil
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from pathlib import Path
from weakref import WeakValueDictionary

import msgspec
from msgspec import Struct

from secureconnect.infra.blobs.base import Part, PartsRefused, UploadMissing
from secureconnect.infra.blobs.local_files import Disk, Opened, Pouring, UploadEnded, sync_directory
from secureconnect.infra.blobs.local_urls import PartGrant

__all__ = ["MAX_PARTS", "LocalMultipart"]

MAX_PARTS = 10_000

_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)
_MARK = re.compile(r"(\d{5})\.([0-9a-f]{32})", re.ASCII)
_PLAN, _BYTES = "upload.json", "bytes"


class _Plan(Struct, frozen=True):
    key: str
    size: int
    part_size: int

    @property
    def count(self) -> int:
        return -(-self.size // self.part_size)

    def length(self, number: int) -> int:
        """Bytes of part `number`."""
        return min(self.part_size, self.size - (number - 1) * self.part_size)


class _Upload:
    """What this process is doing with one upload; the lock orders starts, ends and completion of parts."""

    __slots__ = ("__weakref__", "lock", "pouring")

    def __init__(self) -> None:
        self.lock = asyncio.Lock()
        self.pouring: dict[int, Pouring] = {}


class LocalMultipart:
    """The uploads below one directory, which this process alone uses."""

    def __init__(self, directory: Path, disk: Disk) -> None:
        self._directory = directory
        self._disk = disk
        for rest in directory.glob(".*"):  # of a process that was killed
            shutil.rmtree(rest)
        self._uploads: WeakValueDictionary[str, _Upload] = WeakValueDictionary()

    def begin(self, key: str, size: int, part_size: int) -> str:
        """Make an upload; returns its id. Blocks."""
        upload_id = secrets.token_hex(16)
        fresh = self._directory / f".{upload_id}"
        fresh.mkdir(mode=0o700)
        (fresh / _PLAN).write_bytes(msgspec.json.encode(_Plan(key, size, part_size)))
        with (fresh / _BYTES).open("wb") as file:
            file.truncate(size)
            os.fsync(file.fileno())
        sync_directory(fresh)
        fresh.rename(self._directory / upload_id)
        sync_directory(self._directory)
        return upload_id

    async def receive(self, grant: PartGrant, chunks: AsyncIterator[bytes]) -> str:
        """Write one part; returns its ETag. A part that lies there is gone from the start.

        Raises:
            UploadEnded: the upload is over, or the same part was begun anew meanwhile.
        """
        upload, pouring, file = self._upload(grant.upload_id), Pouring(), Opened()
        try:
            async with upload.lock:
                former = upload.pouring.get(grant.number)
                if former is not None:
                    await former.stop()
                offset = await self._disk.run(self._open_part, file, grant)
                upload.pouring[grant.number] = pouring
            await self._disk.pour(pouring, file.descriptor, offset, grant.size, chunks)
            await self._disk.run(os.fdatasync, file.descriptor)
            async with upload.lock:
                if pouring.stopped:
                    raise UploadEnded("The same part is being uploaded anew.")
                return await self._disk.run(self._mark, grant)
        finally:
            if upload.pouring.get(grant.number) is pouring:
                del upload.pouring[grant.number]
            file.close()

    def parts(self, key: str, upload_id: str) -> list[Part]:
        """The parts that lie there, by number. Blocks.

        Raises:
            UploadMissing: no such upload.
        """
        directory, plan = self._plan(key, upload_id)
        try:
            names = [path.name for path in directory.iterdir()]
        except FileNotFoundError:
            raise UploadMissing from None
        marks = sorted(match.groups() for name in names if (match := _MARK.fullmatch(name)))
        return [Part(int(number), plan.length(int(number)), etag) for number, etag in marks]

    async def complete(self, key: str, upload_id: str, parts: Sequence[Part], place: Path) -> None:
        """Make `place` of the upload, unless something is there already; the upload is gone then.

        Raises:
            UploadMissing: no such upload.
            PartsRefused: not all parts, or others than `parts`, lie there.
        """
        upload = self._upload(upload_id)
        async with upload.lock:
            # A part that is being written has no mark: nobody writes once all of them are there.
            await self._disk.run(self._complete, key, upload_id, list(parts), place)

    async def abort(self, key: str, upload_id: str) -> None:
        """Drop the upload, if there is one."""
        upload = self._upload(upload_id)
        async with upload.lock:
            for pouring in upload.pouring.values():
                await pouring.stop()
            with suppress(UploadMissing):
                directory, _ = await self._disk.run(self._plan, key, upload_id)
                await self._disk.run(_drop, directory)

    async def forget(self, before: float) -> int:
        """Abort every upload begun before this Unix time; returns how many."""
        found = await self._disk.run(self._begun_before, before)
        for key, upload_id in found:
            await self.abort(key, upload_id)
        return len(found)

    def _upload(self, upload_id: str) -> _Upload:
        return self._uploads.setdefault(upload_id, _Upload())

    def _plan(self, key: str, upload_id: str) -> tuple[Path, _Plan]:
        if not _ID.fullmatch(upload_id):
            raise UploadMissing
        directory = self._directory / upload_id
        try:
            plan = msgspec.json.decode((directory / _PLAN).read_bytes(), type=_Plan)
        except FileNotFoundError:
            raise UploadMissing from None
        if plan.key != key:
            raise UploadMissing
        return directory, plan

    def _open_part(self, file: Opened, grant: PartGrant) -> int:
        """Open the bytes for writing; returns where the part begins."""
        try:
            directory, plan = self._plan(grant.key, grant.upload_id)
        except UploadMissing:
            raise UploadEnded("The upload is over.") from None
        if not 1 <= grant.number <= plan.count or grant.size != plan.length(grant.number):
            raise UploadEnded("The upload has no such part.")
        for mark in directory.glob(f"{grant.number:05}.*"):
            mark.unlink()
        # Whatever happens now, the part does not count before it was written anew.
        sync_directory(directory)
        file.open(directory / _BYTES, os.O_WRONLY)
        return (grant.number - 1) * plan.part_size

    def _mark(self, grant: PartGrant) -> str:
        directory = self._directory / grant.upload_id
        etag = secrets.token_hex(16)
        try:
            (directory / f"{grant.number:05}.{etag}").touch(mode=0o600, exist_ok=False)
        except FileNotFoundError:
            raise UploadEnded("The upload is over.") from None
        sync_directory(directory)
        return etag

    def _complete(self, key: str, upload_id: str, parts: list[Part], place: Path) -> None:
        directory, plan = self._plan(key, upload_id)
        present = self.parts(key, upload_id)
        if len(present) != plan.count or sorted(parts, key=lambda part: part.number) != present:
            raise PartsRefused
        with suppress(FileExistsError):  # first wins; also what a crash before the next line left
            os.link(directory / _BYTES, place)
        sync_directory(place.parent)
        _drop(directory)

    def _begun_before(self, before: float) -> list[tuple[str, str]]:
        found = []
        for directory in self._directory.iterdir():
            with suppress(FileNotFoundError):
                begun = (directory / _PLAN).stat().st_mtime
                if begun < before and _ID.fullmatch(directory.name):
                    plan = msgspec.json.decode((directory / _PLAN).read_bytes(), type=_Plan)
                    found.append((plan.key, directory.name))
        return found


def _drop(directory: Path) -> None:
    """Remove an upload: it is gone at once, whenever its files are."""
    rest = directory.with_name(f".{directory.name}")
    directory.rename(rest)
    shutil.rmtree(rest)
