"""Objects in a directory of this machine, reached by clients through URLs signed by us.

<root>/
    <key>           an object
    .incoming/      objects on their way in
    .uploads/       a file for each single PUT that may still happen, named after its key
    .multipart/     see `local_multipart`
"""

import asyncio
import hashlib
import os
import secrets
import shutil
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from msgspec import Struct

from secureconnect.infra.blobs.base import (
    BlobMetrics,
    ObjectEntry,
    ObjectMissing,
    ObjectStat,
    ObjectTooLarge,
    Part,
    SignedRequest,
    UploadMissing,
    check_key,
    check_type,
)
from secureconnect.infra.blobs.local_files import (
    Disk,
    Opened,
    Pouring,
    UploadEnded,
    make_directory,
    sync_directory,
)
from secureconnect.infra.blobs.local_multipart import MAX_PARTS, LocalMultipart
from secureconnect.infra.blobs.local_urls import DownloadGrant, PartGrant, PutGrant, UrlSigner
from secureconnect.infra.blobs.measuring import Measuring

__all__ = ["LocalBlobs", "OpenObject"]

_HASHED_AT_ONCE = 16 << 20
_PIECE = 1 << 20


class OpenObject(Struct, frozen=True):
    """An object that is being read; it stays readable when it is deleted meanwhile."""

    size: int
    etag: str
    descriptor: int

    def close(self) -> None:
        """Let go of it."""
        os.close(self.descriptor)


class LocalBlobs:
    """The Blobs port on a directory that this process alone uses; `receive` and `open` are what URLs lead to.

    Args:
        root: an existing directory.
        urls: makes the signed requests.
        metrics: told of every operation.
        alone: no other process uses the directory: what is on its way in is left by one that was killed.
    """

    def __init__(
        self, root: Path, urls: UrlSigner, metrics: BlobMetrics | None = None, *, alone: bool = True
    ) -> None:
        self.urls = urls
        self._root = root
        self._disk = Disk()
        self._incoming, self._tickets = root / ".incoming", root / ".uploads"
        for directory in (self._incoming, self._tickets, root / ".multipart"):
            directory.mkdir(mode=0o700, exist_ok=True)
        for rest in self._incoming.iterdir() if alone else ():
            rest.unlink()
        self._multipart = LocalMultipart(root / ".multipart", self._disk)
        self._measuring = Measuring(metrics, (OSError,))

    # Signed requests.

    async def presign_put(self, key: str, *, size: int, content_type: str, expires_in: int) -> SignedRequest:
        grant = PutGrant(check_key(key), _positive(size), check_type(content_type))
        with self._measuring.operation("sign"):
            await self._disk.run(self._ticket(key).touch, 0o600)
        return self.urls.put(grant, expires_in)

    async def presign_part(
        self, key: str, upload_id: str, number: int, *, size: int, expires_in: int
    ) -> SignedRequest:
        return self.urls.part(PartGrant(key, _positive(size), upload_id, number), expires_in)

    async def presign_get(
        self, key: str, *, file_name: str, content_type: str, expires_in: int
    ) -> SignedRequest:
        return self.urls.download(DownloadGrant(key, content_type, file_name), expires_in)

    # What signed requests do.

    async def receive(self, grant: PutGrant | PartGrant, chunks: AsyncIterator[bytes]) -> str:
        """Store what a signed PUT brings; returns the ETag once it is durable.

        Raises:
            UploadEnded: nothing may be uploaded there any more, or the size is another; nothing is stored.
        """
        with self._measuring.operation("upload"):
            if isinstance(grant, PartGrant):
                return await self._multipart.receive(grant, chunks)
            place, fresh = self._place(grant.key), self._incoming / secrets.token_hex(16)
            file = Opened()
            try:
                await self._disk.run(self._open_incoming, file, grant.key, place, fresh)
                await self._disk.pour(Pouring(), file.descriptor, 0, grant.size, chunks)
                return await self._disk.run(self._admit, grant.key, file.descriptor, fresh, place)
            finally:
                file.close()
                await self._disk.run(partial(fresh.unlink, missing_ok=True))

    async def open(self, key: str) -> OpenObject:
        """The object, to be read piece by piece and closed.

        Raises:
            ObjectMissing: there is none.
        """
        file = Opened()
        with self._measuring.operation("get"):
            try:
                status = await self._disk.run(self._open, file, key)
            except BaseException:
                file.close()
                raise
        return OpenObject(status.st_size, _etag(status), file.descriptor)

    async def piece(self, opened: OpenObject, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset` on."""
        with self._measuring.faults("get"):
            return await self._disk.run(os.pread, opened.descriptor, length, offset)

    # Multipart uploads.

    async def begin_multipart(self, key: str, *, size: int, part_size: int, content_type: str) -> str:
        check_type(content_type)
        if not 1 <= -(-_positive(size) // _positive(part_size)) <= MAX_PARTS:
            raise ValueError("an upload has 1 to 10,000 parts")
        with self._measuring.operation("multipart_begin"):
            return await self._disk.run(self._multipart.begin, check_key(key), size, part_size)

    async def parts(self, key: str, upload_id: str) -> list[Part]:
        with self._measuring.operation("multipart_parts"):
            return await self._disk.run(self._multipart.parts, key, upload_id)

    async def complete_multipart(self, key: str, upload_id: str, parts: Sequence[Part]) -> ObjectStat:
        place = self._place(key)
        with self._measuring.operation("multipart_complete"):
            try:
                await self._disk.run(make_directory, place.parent, self._root)
                await self._multipart.complete(key, upload_id, parts, place)
            except UploadMissing:
                found = await self._disk.run(self._stat, place)
                if found is None:
                    raise
                return found
            found = await self._disk.run(self._stat, place)
        if found is None:  # deleted in this very moment
            raise UploadMissing
        return found

    async def abort_multipart(self, key: str, upload_id: str) -> None:
        with self._measuring.operation("multipart_abort"):
            await self._multipart.abort(key, upload_id)

    async def forget_unfinished(self, before: int) -> int:
        with self._measuring.operation("multipart_abort"):
            dropped = await self._multipart.forget(before / 1000)
            return dropped + await self._disk.run(self._forget_tickets, before / 1000)

    # Objects.

    async def stat(self, key: str) -> ObjectStat | None:
        with self._measuring.operation("head"):
            return await self._disk.run(self._stat, self._place(key))

    async def sha256(self, key: str) -> str:
        opened = await self.open(key)
        digest = hashlib.sha256()
        try:
            for offset in range(0, opened.size, _HASHED_AT_ONCE):
                end = min(offset + _HASHED_AT_ONCE, opened.size)
                with self._measuring.faults("get"):
                    await self._disk.run(_hash, digest, opened.descriptor, offset, end)
        finally:
            opened.close()
        return digest.hexdigest()

    async def read(self, key: str, *, at_most: int) -> bytes:
        opened = await self.open(key)
        try:
            if opened.size > at_most:
                raise ObjectTooLarge
            return await self.piece(opened, 0, opened.size)
        finally:
            opened.close()

    async def chunks(self, key: str) -> AsyncIterator[bytes]:
        opened = await self.open(key)
        try:
            for offset in range(0, opened.size, _PIECE):
                yield await self.piece(opened, offset, min(_PIECE, opened.size - offset))
        finally:
            opened.close()

    async def put(self, key: str, data: bytes, *, content_type: str) -> None:
        check_type(content_type)
        await self._replace(key, lambda fresh: fresh.write_bytes(data))

    async def put_file(self, key: str, path: str, *, content_type: str) -> None:
        check_type(content_type)
        await self._replace(key, lambda fresh: shutil.copyfile(path, fresh))

    async def delete(self, keys: Sequence[str]) -> None:
        places = [(self._place(key), self._ticket(key)) for key in keys]
        with self._measuring.operation("delete"):
            await self._disk.run(_delete, places)

    async def entries(self, prefix: str) -> AsyncIterator[ObjectEntry]:
        start = self._place(prefix.rstrip("/")) if prefix.rstrip("/") else self._root
        waiting = [start]
        while waiting:
            with self._measuring.operation("list"):
                folders, found = await self._disk.run(self._scan, waiting.pop())
            waiting += folders
            for entry in found:
                yield entry

    async def ping(self) -> float:
        started = time.perf_counter()
        with self._measuring.operation("ping"):
            await self._disk.run(_usable, self._root)
        return time.perf_counter() - started

    async def close(self) -> None:
        await asyncio.get_running_loop().run_in_executor(None, self._disk.close)

    # Ours; all of these block.

    def _place(self, key: str) -> Path:
        return self._root / check_key(key)

    def _ticket(self, key: str) -> Path:
        return self._tickets / hashlib.sha256(check_key(key).encode()).hexdigest()

    def _open_incoming(self, file: Opened, key: str, place: Path, fresh: Path) -> None:
        if not self._ticket(key).exists() or place.exists():
            raise UploadEnded("The URL was used already, or its upload is over.")
        file.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL)

    def _admit(self, key: str, descriptor: int, fresh: Path, place: Path) -> str:
        os.fsync(descriptor)
        make_directory(place.parent, self._root)
        try:
            self._ticket(key).unlink()  # one of two at the same time gets through
            os.link(fresh, place)
        except (FileNotFoundError, FileExistsError):
            raise UploadEnded("The URL was used already, or its upload is over.") from None
        sync_directory(place.parent)
        return _etag(os.fstat(descriptor))

    def _open(self, file: Opened, key: str) -> os.stat_result:
        try:
            file.open(self._place(key), os.O_RDONLY)
        except (FileNotFoundError, NotADirectoryError):
            raise ObjectMissing from None
        return os.fstat(file.descriptor)

    def _stat(self, place: Path) -> ObjectStat | None:
        try:
            status = place.stat()
        except (FileNotFoundError, NotADirectoryError):
            return None
        return ObjectStat(status.st_size, _etag(status), None, None, status.st_mtime_ns // 1_000_000)

    async def _replace(self, key: str, write: Callable[[Path], object]) -> None:
        place, fresh = self._place(key), self._incoming / secrets.token_hex(16)

        def work() -> None:
            try:
                make_directory(place.parent, self._root)
                fresh.touch(mode=0o600)
                write(fresh)
                with fresh.open("rb") as file:
                    os.fsync(file.fileno())
                fresh.replace(place)
                sync_directory(place.parent)
            finally:
                fresh.unlink(missing_ok=True)

        with self._measuring.operation("put"):
            await self._disk.run(work)

    def _forget_tickets(self, before: float) -> int:
        found = [entry.path for entry in os.scandir(self._tickets) if entry.stat().st_mtime < before]
        for path in found:
            Path(path).unlink(missing_ok=True)
        return len(found)

    def _scan(self, folder: Path) -> tuple[list[Path], list[ObjectEntry]]:
        folders, found = [], []
        with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    folders.append(Path(entry.path))
                    continue
                with suppress(FileNotFoundError):
                    status = entry.stat()
                    key = Path(entry.path).relative_to(self._root).as_posix()
                    found.append(ObjectEntry(key, status.st_size, status.st_mtime_ns // 1_000_000))
        return folders, found


def _etag(status: os.stat_result) -> str:
    return f"{status.st_mtime_ns:x}-{status.st_size:x}"


def _positive(number: int) -> int:
    if number < 1:
        raise ValueError("a size is at least 1")
    return number


def _hash(digest: "hashlib._Hash", descriptor: int, offset: int, end: int) -> None:
    while offset < end:
        piece = os.pread(descriptor, min(_PIECE, end - offset), offset)
        if not piece:
            raise OSError("an object became shorter while it was read")
        digest.update(piece)
        offset += len(piece)


def _delete(places: Sequence[tuple[Path, Path]]) -> None:
    for place, ticket in places:
        ticket.unlink(missing_ok=True)
        with suppress(FileNotFoundError, NotADirectoryError):
            place.unlink()
    for folder in {place.parent for place, _ in places}:
        with suppress(FileNotFoundError, NotADirectoryError):
            sync_directory(folder)


def _usable(root: Path) -> None:
    os.statvfs(root)
    if not os.access(root, os.R_OK | os.W_OK | os.X_OK):
        raise PermissionError(root)
