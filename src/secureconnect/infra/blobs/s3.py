"""Objects in a bucket of S3 or of a store that speaks S3; bytes of clients never pass through this process.

First wins: a single PUT is signed with `If-None-Match: *`, and the id of a multipart upload ends with it. The
size is bound by a signed `Content-Length`; a store that checks it not has its objects checked by `stat`.
"""

import asyncio
import base64
import binascii
import hashlib
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx
import obstore
from obstore.exceptions import BaseError, NotFoundError
from obstore.store import S3Store

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
from secureconnect.infra.blobs.disposition import attachment
from secureconnect.infra.blobs.measuring import Measuring
from secureconnect.infra.blobs.s3_bucket import Bucket, S3Bucket
from secureconnect.infra.blobs.s3_client import Address, Refused
from secureconnect.infra.blobs.s3_multipart import S3Multipart
from secureconnect.infra.blobs.s3_way import Way
from secureconnect.infra.resilience.breaker import Breaker
from secureconnect.kit.clock import Clock

__all__ = ["S3Blobs", "S3Bucket"]

_MAX_PARTS = 10_000
_PIECE = 1 << 20
_UPLOAD_CHUNK = 8 << 20  # each has `timeout` seconds; 10,000 of them are 78 GiB
_UPLOADS_AT_ONCE = 2


class S3Blobs:
    """The Blobs port on S3. Asks nothing before it is used; makes the bucket when there is none.

    Args:
        breaker: keeps requests from a store that does not answer.
        limit: requests at the same time.
    """

    def __init__(
        self,
        bucket: S3Bucket,
        clock: Clock,
        metrics: BlobMetrics | None = None,
        *,
        breaker: Breaker | None = None,
        limit: int = 64,
    ) -> None:
        self._clock = clock
        self._timeout = bucket.timeout
        self._public = Address(bucket.public_endpoint, bucket.bucket, path_style=bucket.path_style)
        self._bucket = Bucket(bucket, clock)
        self._multipart = S3Multipart(self._bucket)
        self._store = _store(bucket, self._bucket.address, timedelta(seconds=bucket.timeout))
        # Reading an object may take long; silence meanwhile is bounded where it is read.
        self._patient = _store(bucket, self._bucket.address, timedelta(days=1))
        measuring = Measuring(metrics, (httpx.HTTPError, Refused, BaseError, TimeoutError, OSError))
        self._way = Way(self._bucket.find, measuring, breaker, limit)

    # Signed requests.

    async def presign_put(self, key: str, *, size: int, content_type: str, expires_in: int) -> SignedRequest:
        headers = {"Content-Type": check_type(content_type), "If-None-Match": "*"}
        return await self._signed("PUT", key, {}, headers, expires_in, length=size)

    async def presign_part(
        self, key: str, upload_id: str, number: int, *, size: int, expires_in: int
    ) -> SignedRequest:
        query = {"partNumber": str(number), "uploadId": upload_id}
        return await self._signed("PUT", key, query, {}, expires_in, length=size)

    async def presign_get(
        self, key: str, *, file_name: str, content_type: str, expires_in: int
    ) -> SignedRequest:
        query = {
            "response-content-disposition": attachment(file_name),
            "response-content-type": check_type(content_type),
        }
        return await self._signed("GET", key, query, {}, expires_in, length=None)

    async def _signed(
        self,
        method: str,
        key: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        expires_in: int,
        *,
        length: int | None,
    ) -> SignedRequest:
        place = self._public.place(check_key(key))
        bound = dict(headers)
        if length is not None:
            if length < 1:
                raise ValueError("a size is at least 1")
            bound["Content-Length"] = str(length)
        async with self._way.operation("sign"):
            await self._bucket.answering()
        # The store counts from the whole second in the signature.
        expires_at = self._clock.now() // 1000 * 1000 + expires_in * 1000
        url = self._bucket.signer.url(method, place, query, bound, expires_in)
        return SignedRequest(method, url, headers, expires_at)

    # Multipart uploads.

    async def begin_multipart(self, key: str, *, size: int, part_size: int, content_type: str) -> str:
        check_type(content_type)
        if part_size < 1 or not 1 <= -(-size // part_size) <= _MAX_PARTS:
            raise ValueError("an upload has 1 to 10,000 parts")
        async with self._way.operation("multipart_begin"):
            return await self._multipart.begin(check_key(key), content_type)

    async def parts(self, key: str, upload_id: str) -> list[Part]:
        async with self._way.operation("multipart_parts"):
            return await self._multipart.parts(check_key(key), upload_id)

    async def complete_multipart(self, key: str, upload_id: str, parts: Sequence[Part]) -> ObjectStat:
        async with self._way.operation("multipart_complete"):
            missing: UploadMissing | None = None
            try:
                await self._multipart.complete(check_key(key), upload_id, parts)
            except UploadMissing as over:
                missing = over
            found = await self._stat(key)
            if found is None:
                raise missing or UploadMissing()
            return found

    async def abort_multipart(self, key: str, upload_id: str) -> None:
        async with self._way.operation("multipart_abort"):
            await self._multipart.abort(check_key(key), upload_id)

    async def forget_unfinished(self, before: int) -> int:
        async with self._way.operation("list"):
            found = [upload async for upload in self._multipart.unfinished()]
        old = [(key, upload_id) for key, upload_id, begun in found if begun < before]
        for key, upload_id in old:
            async with self._way.operation("multipart_abort"):
                await self._multipart.abort(key, upload_id)
        return len(old)

    # Objects.

    async def stat(self, key: str) -> ObjectStat | None:
        async with self._way.operation("head"):
            return await self._stat(check_key(key))

    async def _stat(self, key: str) -> ObjectStat | None:
        try:
            answer = await self._bucket.ask("HEAD", key, headers={"x-amz-checksum-mode": "ENABLED"})
        except Refused as refused:
            if refused.status == 404:
                return None
            raise
        headers = answer.headers
        return ObjectStat(
            int(headers["content-length"]),
            headers["etag"].strip('"'),
            headers.get("content-type"),
            _attested(headers),
            int(parsedate_to_datetime(headers["last-modified"]).timestamp() * 1000),
        )

    async def sha256(self, key: str) -> str:
        digest = hashlib.sha256()
        async for chunk in self.chunks(key):
            await asyncio.to_thread(digest.update, chunk)
        return digest.hexdigest()

    async def chunks(self, key: str) -> AsyncIterator[bytes]:
        async with self._way.operation("get"):
            async with asyncio.timeout(self._timeout):
                result = await self._get(key)
            chunks = aiter(result.stream(min_chunk_size=_PIECE))
            while True:
                async with asyncio.timeout(self._timeout):
                    chunk = await anext(chunks, None)
                if chunk is None:
                    return
                yield bytes(chunk)

    async def read(self, key: str, *, at_most: int) -> bytes:
        async with self._way.operation("get"):
            async with asyncio.timeout(self._timeout):
                result = await self._get(key)
                if result.meta["size"] > at_most:
                    raise ObjectTooLarge
                return bytes(await result.bytes_async())

    async def _get(self, key: str) -> Any:
        try:
            return await obstore.get_async(self._patient, check_key(key))
        except (NotFoundError, FileNotFoundError):
            raise ObjectMissing from None

    async def put(self, key: str, data: bytes, *, content_type: str) -> None:
        async with self._way.operation("put"):
            async with asyncio.timeout(self._timeout):
                await self._put(key, data, content_type)

    async def put_file(self, key: str, path: str, *, content_type: str) -> None:
        async with self._way.operation("put"):
            await self._put(key, Path(path), content_type)

    async def _put(self, key: str, source: bytes | Path, content_type: str) -> None:
        attributes: dict[Any, str] = {"Content-Type": check_type(content_type)}
        await self._bucket.exists()
        await obstore.put_async(
            self._store,
            check_key(key),
            source,
            attributes=attributes,
            chunk_size=_UPLOAD_CHUNK,
            max_concurrency=_UPLOADS_AT_ONCE,
        )

    async def delete(self, keys: Sequence[str]) -> None:
        async with self._way.operation("delete"):
            await self._bucket.exists()
            for start in range(0, len(keys), 1000):
                async with asyncio.timeout(self._timeout):
                    batch = [check_key(key) for key in keys[start : start + 1000]]
                    with suppress(NotFoundError, FileNotFoundError):
                        await obstore.delete_async(self._store, batch)

    async def entries(self, prefix: str) -> AsyncIterator[ObjectEntry]:
        folder = check_key(prefix.rstrip("/")) if prefix.rstrip("/") else None
        listing = aiter(obstore.list(self._store, folder))
        while True:
            async with self._way.operation("list"):
                await self._bucket.exists()
                async with asyncio.timeout(self._timeout):
                    batch = await anext(listing, None)
            if batch is None:
                return
            for found in batch:
                modified = int(found["last_modified"].timestamp() * 1000)
                yield ObjectEntry(found["path"], found["size"], modified)

    async def ping(self) -> float:
        started = time.perf_counter()
        await self._way.ping()
        return time.perf_counter() - started

    async def close(self) -> None:
        await self._way.close()
        await self._bucket.close()


def _store(bucket: S3Bucket, address: Address, whole: timedelta) -> S3Store:
    """`whole` bounds one request with its body."""
    limit = timedelta(seconds=bucket.timeout)
    return S3Store(
        bucket.bucket,
        endpoint=address.origin,
        region=bucket.region,
        access_key_id=bucket.access_key,
        secret_access_key=bucket.secret_key,
        virtual_hosted_style_request=not bucket.path_style,
        client_options={
            "allow_http": True,
            "connect_timeout": limit,
            "timeout": whole,
        },
        retry_config={"max_retries": 2, "retry_timeout": limit},
    )


def _attested(headers: Mapping[str, str]) -> str | None:
    """The SHA-256 of the whole object as the store computed it; that of parts says nothing of the whole."""
    given = headers.get("x-amz-checksum-sha256", "")
    if headers.get("x-amz-checksum-type", "FULL_OBJECT") != "FULL_OBJECT":
        return None
    try:
        digest = base64.b64decode(given, validate=True)
    except binascii.Error:  # `…-3`: a hash of the hashes of three parts
        return None
    return digest.hex() if len(digest) == 32 else None
