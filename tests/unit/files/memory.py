"""An object store in memory, and somebody who uses its URLs."""

import hashlib
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from secureconnect.infra.blobs.base import (
    ObjectEntry,
    ObjectMissing,
    ObjectStat,
    ObjectTooLarge,
    Part,
    PartsRefused,
    SignedRequest,
    UploadMissing,
    check_key,
    check_type,
)
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ApiError, ErrorCode

__all__ = ["MemoryBlobs"]


@dataclass
class _Object:
    data: bytes
    content_type: str
    modified_at: int


@dataclass
class _Upload:
    key: str
    content_type: str
    parts: dict[int, bytes] = field(default_factory=dict)


class MemoryBlobs:
    """Keeps the promises of the port. `down` makes it unavailable; `attested` makes it tell hashes."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.objects: dict[str, _Object] = {}
        self.uploads: dict[str, _Upload] = {}
        self.begun = 0
        self.down = False
        self.attested = False
        self.hashed: list[str] = []
        self.forgotten: list[int] = []

    def upload(self, request: SignedRequest, data: bytes) -> None:
        """PUT what was signed: exactly that size, and only once."""
        key, size = request.url.split("?size=")
        assert len(data) == int(size), "refused: another size than signed"
        content_type = request.headers["Content-Type"]
        self.objects.setdefault(key, _Object(data, content_type, self.clock.now()))

    def upload_part(self, url: str, data: bytes) -> None:
        """PUT a part."""
        upload_id, number, size = url.split("/")
        assert len(data) == int(size), "refused: another size than signed"
        self.uploads[upload_id].parts[int(number)] = data

    def _answer(self) -> None:
        if self.down:
            raise ApiError(ErrorCode.STORAGE_UNAVAILABLE, retry_after=5)

    def _signed(self, method: str, url: str, expires_in: int, **headers: str) -> SignedRequest:
        self._answer()
        return SignedRequest(method, url, headers, self.clock.now() + expires_in * 1000)

    async def presign_put(self, key: str, *, size: int, content_type: str, expires_in: int) -> SignedRequest:
        check_type(content_type)
        signed = self._signed("PUT", f"{check_key(key)}?size={size}", expires_in)
        return SignedRequest(signed.method, signed.url, {"Content-Type": content_type}, signed.expires_at)

    async def begin_multipart(self, key: str, *, size: int, part_size: int, content_type: str) -> str:
        self._answer()
        self.begun += 1
        upload_id = f"upload{self.begun}"
        self.uploads[upload_id] = _Upload(check_key(key), content_type)
        return upload_id

    async def presign_part(
        self, key: str, upload_id: str, number: int, *, size: int, expires_in: int
    ) -> SignedRequest:
        return self._signed("PUT", f"{upload_id}/{number}/{size}", expires_in)

    async def parts(self, key: str, upload_id: str) -> list[Part]:
        self._answer()
        upload = self.uploads.get(upload_id)
        if upload is None:
            raise UploadMissing
        return [Part(number, len(data), _etag(data)) for number, data in sorted(upload.parts.items())]

    async def complete_multipart(self, key: str, upload_id: str, parts: Sequence[Part]) -> ObjectStat:
        if await self.parts(key, upload_id) != list(parts):
            raise PartsRefused
        upload = self.uploads.pop(upload_id)
        data = b"".join(upload.parts[part.number] for part in parts)
        self.objects.setdefault(key, _Object(data, upload.content_type, self.clock.now()))
        found = await self.stat(key)
        assert found is not None
        return found

    async def abort_multipart(self, key: str, upload_id: str) -> None:
        self._answer()
        self.uploads.pop(upload_id, None)

    async def stat(self, key: str) -> ObjectStat | None:
        self._answer()
        found = self.objects.get(key)
        if found is None:
            return None
        sha256 = hashlib.sha256(found.data).hexdigest() if self.attested else None
        return ObjectStat(len(found.data), _etag(found.data), found.content_type, sha256, found.modified_at)

    async def sha256(self, key: str) -> str:
        self._answer()
        self.hashed.append(key)
        if key not in self.objects:
            raise ObjectMissing
        return hashlib.sha256(self.objects[key].data).hexdigest()

    async def presign_get(
        self, key: str, *, file_name: str, content_type: str, expires_in: int
    ) -> SignedRequest:
        return self._signed("GET", f"{check_key(key)}?{content_type}&{file_name}", expires_in)

    async def read(self, key: str, *, at_most: int) -> bytes:
        self._answer()
        if key not in self.objects:
            raise ObjectMissing
        if len(self.objects[key].data) > at_most:
            raise ObjectTooLarge
        return self.objects[key].data

    async def chunks(self, key: str) -> AsyncIterator[bytes]:
        yield await self.read(key, at_most=sys.maxsize)

    async def put(self, key: str, data: bytes, *, content_type: str) -> None:
        self._answer()
        self.objects[check_key(key)] = _Object(data, content_type, self.clock.now())

    async def put_file(self, key: str, path: str, *, content_type: str) -> None:
        raise NotImplementedError

    async def delete(self, keys: Sequence[str]) -> None:
        self._answer()
        for key in keys:
            self.objects.pop(check_key(key), None)

    async def entries(self, prefix: str) -> AsyncIterator[ObjectEntry]:
        self._answer()
        for key, found in list(self.objects.items()):
            if key.startswith(prefix):
                yield ObjectEntry(key, len(found.data), found.modified_at)

    async def forget_unfinished(self, before: int) -> int:
        self.forgotten.append(before)
        return 0

    async def ping(self) -> float:
        return 0

    async def close(self) -> None:
        pass


def _etag(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()
