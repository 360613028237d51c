"""The adapters of the Blobs port, each behind an address that HTTP clients reach."""

import contextlib
import secrets
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from secureconnect.infra.blobs.base import Blobs, ObjectStat, Part, SignedRequest
from secureconnect.infra.blobs.local import LocalBlobs
from secureconnect.infra.blobs.local_urls import UrlSigner
from secureconnect.infra.blobs.s3 import S3Blobs, S3Bucket
from secureconnect.kit.clock import SystemClock
from stack.seaweed import Seaweed

from .object_server import serving_objects

__all__ = ["BLOBS", "BlobWorld", "Measured", "bucket_of"]

MIB = 1 << 20


class Measured:
    """Remembers operations."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, bool]] = []

    def object_store(self, operation: str, *, ok: bool, seconds: float) -> None:
        assert seconds >= 0
        self.seen.append((operation, ok))


@dataclass
class BlobWorld:
    """A store and somebody who uses its URLs. `reopen` is the same store as a new process sees it."""

    blobs: Blobs
    client: httpx.AsyncClient
    measured: Measured
    reopen: Callable[[], Blobs]
    folder: str = field(default_factory=lambda: f"users/{secrets.token_hex(4)}")

    def key(self, name: str = "object") -> str:
        return f"{self.folder}/{name}"

    async def send(
        self, request: SignedRequest, data: bytes = b"", url: str | None = None, **headers: str
    ) -> httpx.Response:
        """Send what was signed, with some headers changed (underscores for dashes)."""
        given = {name.lower(): value for name, value in request.headers.items()}
        given.update({name.replace("_", "-"): value for name, value in headers.items()})
        content = data if request.method == "PUT" else None
        return await self.client.request(request.method, url or request.url, content=content, headers=given)

    async def upload(self, name: str, data: bytes, content_type: str = "image/png") -> ObjectStat:
        """One object through a signed URL."""
        request = await self.blobs.presign_put(
            self.key(name), size=len(data), content_type=content_type, expires_in=60
        )
        answer = await self.send(request, data)
        assert answer.status_code == 200, answer.text
        found = await self.blobs.stat(self.key(name))
        assert found is not None
        return found

    async def upload_part(self, key: str, upload_id: str, number: int, data: bytes) -> Part:
        request = await self.blobs.presign_part(key, upload_id, number, size=len(data), expires_in=60)
        answer = await self.send(request, data)
        assert answer.status_code == 200, answer.text
        return Part(number, len(data), answer.headers["etag"].strip('"'))

    async def download(self, key: str, **headers: str) -> httpx.Response:
        request = await self.blobs.presign_get(
            key, file_name="x.bin", content_type="application/octet-stream", expires_in=60
        )
        return await self.send(request, b"", None, **headers)


OpenWorld = Callable[[Path, Callable[[], Seaweed]], AbstractAsyncContextManager[BlobWorld]]


@contextlib.asynccontextmanager
async def _local(directory: Path, _: Callable[[], Seaweed]) -> AsyncIterator[BlobWorld]:
    measured = Measured()
    urls: list[UrlSigner] = []

    def make(address: str) -> LocalBlobs:
        urls.append(UrlSigner(bytes(32), address, SystemClock()))
        return LocalBlobs(directory, urls[0], measured)

    async with serving_objects(make) as (blobs, _server, _app), httpx.AsyncClient(timeout=30) as client:
        yield BlobWorld(blobs, client, measured, lambda: LocalBlobs(directory, urls[0]))


def bucket_of(server: Seaweed, name: str = "secureconnect", *, timeout: float = 10) -> S3Bucket:
    """A bucket of this server, by path."""
    return S3Bucket(
        endpoint=server.endpoint,
        public_endpoint=server.endpoint,
        region="us-east-1",
        bucket=name,
        access_key=server.access_key,
        secret_key=server.secret_key,
        path_style=True,
        timeout=timeout,
    )


@contextlib.asynccontextmanager
async def _s3(_: Path, server: Callable[[], Seaweed]) -> AsyncIterator[BlobWorld]:
    measured = Measured()
    bucket = bucket_of(server())
    blobs = S3Blobs(bucket, SystemClock(), measured)
    async with httpx.AsyncClient(timeout=30, trust_env=False) as client:
        yield BlobWorld(blobs, client, measured, lambda: S3Blobs(bucket, SystemClock()))
    await blobs.close()


BLOBS: dict[str, OpenWorld] = {"local": _local, "s3": _s3}
