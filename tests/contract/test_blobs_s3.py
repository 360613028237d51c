"""What only S3 has: an independent client on the other side, a bucket, and a network in between."""

import asyncio
import contextlib
import hashlib
import os
import socket
import time
from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest

from secureconnect.infra.blobs.s3 import S3Blobs
from secureconnect.infra.blobs.s3_bucket import S3Bucket
from secureconnect.kit.clock import SystemClock
from secureconnect.kit.errors import ApiError
from stack.seaweed import Seaweed, seaweed

from .blob_worlds import BLOBS, BlobWorld, bucket_of

MIB = 1 << 20
BUCKET = "secureconnect"


@pytest.fixture
async def world(s3_server: Callable[[], Seaweed], tmp_path: Any) -> AsyncIterator[BlobWorld]:
    async with BLOBS["s3"](tmp_path, s3_server) as opened:
        yield opened


@pytest.fixture
def boto3(s3_server: Callable[[], Seaweed]) -> Any:
    """Calls boto3 off the loop, which serves nobody else here."""
    return s3_server().boto3()


@contextlib.asynccontextmanager
async def opened(bucket: S3Bucket) -> AsyncIterator[S3Blobs]:
    blobs = S3Blobs(bucket, SystemClock())
    try:
        yield blobs
    finally:
        await blobs.close()


async def unavailable(attempt: Any) -> None:
    with pytest.raises(ApiError) as refused:
        await attempt
    assert (refused.value.code.name, refused.value.retry_after) == ("STORAGE_UNAVAILABLE", 5)


async def test_what_a_url_uploads_another_client_reads(world: BlobWorld, boto3: Any) -> None:
    data = os.urandom(100_000)
    await world.upload("object", data, "image/webp")
    got = await asyncio.to_thread(boto3.get_object, Bucket=BUCKET, Key=world.key())
    assert (got["ContentType"], got["ContentLength"]) == ("image/webp", 100_000)
    assert await asyncio.to_thread(got["Body"].read) == data


async def test_what_another_client_stores_a_url_brings(world: BlobWorld, boto3: Any) -> None:
    data = os.urandom(100_000)
    await asyncio.to_thread(
        boto3.put_object, Bucket=BUCKET, Key=world.key(), Body=data, ContentType="image/webp"
    )
    answer = await world.download(world.key())
    assert answer.content == data
    assert await world.blobs.sha256(world.key()) == hashlib.sha256(data).hexdigest()
    stat = await world.blobs.stat(world.key())
    assert stat is not None
    assert (stat.content_type, stat.size) == ("image/webp", 100_000)
    assert [entry.key async for entry in world.blobs.entries(world.folder)] == [world.key()]


async def test_parts_go_both_ways(world: BlobWorld, boto3: Any) -> None:
    """Ours sees the parts of the other's upload, and the other completes ours."""
    data = os.urandom(6 * MIB)
    place = {"Bucket": BUCKET, "Key": world.key("theirs")}
    theirs = (await asyncio.to_thread(boto3.create_multipart_upload, **place))["UploadId"]
    sent = await asyncio.to_thread(
        boto3.upload_part, **place, UploadId=theirs, PartNumber=1, Body=data[: 5 * MIB]
    )
    await world.upload_part(world.key("theirs"), theirs, 2, data[5 * MIB :])
    parts = await world.blobs.parts(world.key("theirs"), theirs)
    assert [(part.number, part.size) for part in parts] == [(1, 5 * MIB), (2, MIB)]
    assert parts[0].etag == sent["ETag"].strip('"')
    await world.blobs.complete_multipart(world.key("theirs"), theirs, parts)
    got = await asyncio.to_thread(boto3.get_object, **place)
    assert await asyncio.to_thread(got["Body"].read) == data

    ours = await world.blobs.begin_multipart(
        world.key("ours"), size=6 * MIB, part_size=5 * MIB, content_type="video/mp4"
    )
    for number, piece in ((1, data[: 5 * MIB]), (2, data[5 * MIB :])):
        await world.upload_part(world.key("ours"), ours, number, piece)
    listed = await asyncio.to_thread(boto3.list_parts, Bucket=BUCKET, Key=world.key("ours"), UploadId=ours)
    assert [part["Size"] for part in listed["Parts"]] == [5 * MIB, MIB]
    await world.blobs.abort_multipart(world.key("ours"), ours)
    with pytest.raises(boto3.exceptions.NoSuchUpload):
        await asyncio.to_thread(boto3.list_parts, Bucket=BUCKET, Key=world.key("ours"), UploadId=ours)


async def test_more_than_one_page_of_keys(world: BlobWorld) -> None:
    names = [f"n{number:04}" for number in range(1_050)]
    for start in range(0, len(names), 50):
        await asyncio.gather(
            *(
                world.blobs.put(world.key(name), b"x", content_type="text/plain")
                for name in names[start : start + 50]
            )
        )
    found = {entry.key async for entry in world.blobs.entries(world.folder)}
    assert found == {world.key(name) for name in names}
    await world.blobs.delete(sorted(found))
    assert [entry async for entry in world.blobs.entries(world.folder)] == []


async def test_a_hash_is_believed_when_the_store_computed_it(world: BlobWorld, boto3: Any) -> None:
    data = b"attested"
    await asyncio.to_thread(
        boto3.put_object, Bucket=BUCKET, Key=world.key(), Body=data, ChecksumAlgorithm="SHA256"
    )
    stat = await world.blobs.stat(world.key())
    assert stat is not None
    assert stat.sha256 == hashlib.sha256(data).hexdigest()


async def test_the_bucket_is_made_when_there_is_none(s3_server: Callable[[], Seaweed], boto3: Any) -> None:
    name = f"fresh-{os.urandom(4).hex()}"
    async with opened(bucket_of(s3_server(), name)) as first, opened(bucket_of(s3_server(), name)) as second:
        await asyncio.gather(first.ping(), second.put("a", b"x", content_type="a/b"))
        assert await first.read("a", at_most=1) == b"x"
        assert await first.forget_unfinished(SystemClock().now()) == 0
        assert [entry.key async for entry in first.entries("")] == ["a"]
    buckets = (await asyncio.to_thread(boto3.list_buckets))["Buckets"]
    assert name in {bucket["Name"] for bucket in buckets}


async def test_clients_get_the_public_address(world: BlobWorld, s3_server: Callable[[], Seaweed]) -> None:
    """Behind a proxy that passes the Host header on, as the documented one does."""
    bucket = msgspec.structs.replace(bucket_of(s3_server()), public_endpoint="https://files.example.test")
    await world.upload("object", b"x")
    async with opened(bucket) as blobs:
        requests = [
            await blobs.presign_put("a", size=1, content_type="a/b", expires_in=9),
            await blobs.presign_part("a", "id", 1, size=1, expires_in=9),
            await blobs.presign_get(world.key(), file_name="a", content_type="a/b", expires_in=9),
        ]
    for request in requests:
        assert request.url.startswith("https://files.example.test/secureconnect/")
        assert urlsplit(s3_server().endpoint).netloc not in request.url
    parts = urlsplit(requests[2].url)
    inside = f"{s3_server().endpoint}{parts.path}?{parts.query}"
    answer = await world.client.get(inside, headers={"host": "files.example.test"})
    assert (answer.status_code, answer.content) == (200, b"x")
    assert (await world.client.get(inside)).status_code == 403  # signed for the other name


@pytest.mark.parametrize("field", ["access_key", "secret_key"])
async def test_wrong_keys_are_a_store_that_refuses(s3_server: Callable[[], Seaweed], field: str) -> None:
    bucket = msgspec.structs.replace(bucket_of(s3_server()), **{field: "wrong-wrong-wrong"})
    assert "wrong" not in repr(bucket)
    async with opened(bucket) as blobs:
        await unavailable(blobs.ping())
        await unavailable(blobs.presign_put("a", size=1, content_type="a/b", expires_in=1))
        await unavailable(blobs.put("a", b"x", content_type="a/b"))


async def every_operation(blobs: S3Blobs, path: str) -> None:
    """Each of them says that the store is away."""
    await unavailable(blobs.ping())
    await unavailable(blobs.presign_put("a", size=1, content_type="a/b", expires_in=1))
    await unavailable(blobs.presign_get("a", file_name="a", content_type="a/b", expires_in=1))
    await unavailable(blobs.presign_part("a", "id", 1, size=1, expires_in=1))
    await unavailable(blobs.begin_multipart("a", size=1, part_size=1, content_type="a/b"))
    await unavailable(blobs.parts("a", "id"))
    await unavailable(blobs.complete_multipart("a", "id", []))
    await unavailable(blobs.abort_multipart("a", "id"))
    await unavailable(blobs.stat("a"))
    await unavailable(blobs.sha256("a"))
    await unavailable(blobs.read("a", at_most=1))
    await unavailable(blobs.put("a", b"x", content_type="a/b"))
    await unavailable(blobs.put_file("a", path, content_type="a/b"))
    await unavailable(blobs.delete(["a"]))
    await unavailable(anext(blobs.entries("")))
    await unavailable(blobs.forget_unfinished(0))


async def test_a_store_that_is_away_is_told_so_and_found_again(tmp_path: Any) -> None:
    """An own server, stopped and started on its data and ports; nothing of ours is restarted."""
    path = str(tmp_path / "file")
    with open(path, "wb") as file:  # noqa: ASYNC230, PTH123 - a fixture
        file.write(b"x")
    with seaweed(tmp_path / "s3") as server:
        async with opened(bucket_of(server, timeout=5)) as blobs:
            await blobs.put("a", b"kept", content_type="a/b")
            request = await blobs.presign_get("a", file_name="a", content_type="a/b", expires_in=60)
            assert request.url
            server.stop()
            await every_operation(blobs, path)
            began = time.monotonic()
            for _ in range(20):
                await unavailable(blobs.presign_get("a", file_name="a", content_type="a/b", expires_in=1))
            assert time.monotonic() - began < 10  # not asked anew each time
            await asyncio.to_thread(server.start)
            async with asyncio.timeout(20):
                while True:
                    # It answers before all of its parts have found each other: 500 for what it holds.
                    with contextlib.suppress(ApiError):
                        await blobs.presign_get("a", file_name="a", content_type="a/b", expires_in=1)
                        assert await blobs.read("a", at_most=4) == b"kept"
                        break
                    await asyncio.sleep(0.05)


async def test_a_store_that_hangs_costs_its_timeout_and_no_more(tmp_path: Any) -> None:
    """Connections are taken and never answered."""
    path = str(tmp_path / "file")
    with open(path, "wb") as file:  # noqa: ASYNC230, PTH123 - a fixture
        file.write(b"x")
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}"
        bucket = S3Bucket(address, address, "us-east-1", BUCKET, "k", "s", path_style=True, timeout=0.3)
        async with opened(bucket) as blobs:
            began = time.monotonic()
            await every_operation(blobs, path)
            assert time.monotonic() - began < 16 * 1.0
