"""The Blobs port: objects in parts, resumed, completed once, and then as firm as any other."""

import asyncio
import hashlib
import os

import pytest

from secureconnect.infra.blobs.base import Part, PartsRefused, UploadMissing
from secureconnect.kit.clock import SystemClock

from .blob_worlds import BlobWorld

MIB = 1 << 20
PART = 5 * MIB
SIZE = 11 * MIB
PIECES = (PART, PART, MIB)


@pytest.fixture(scope="module")
def data() -> bytes:
    return os.urandom(SIZE)


def piece(data: bytes, number: int) -> bytes:
    return data[(number - 1) * PART : number * PART]


async def begin(world: BlobWorld, name: str = "object") -> str:
    return await world.blobs.begin_multipart(
        world.key(name), size=SIZE, part_size=PART, content_type="video/mp4"
    )


async def everything(world: BlobWorld, upload_id: str, data: bytes) -> list[Part]:
    return [await world.upload_part(world.key(), upload_id, n, piece(data, n)) for n in (1, 2, 3)]


async def test_parts_in_any_order_become_the_object(blob_world: BlobWorld, data: bytes) -> None:
    world, key = blob_world, blob_world.key()
    upload_id = await begin(world)
    assert 1 <= len(upload_id) <= 512
    assert await world.blobs.parts(key, upload_id) == []
    sent = await asyncio.gather(
        *(world.upload_part(key, upload_id, number, piece(data, number)) for number in (3, 1))
    )
    assert await world.blobs.parts(key, upload_id) == sorted(sent, key=lambda part: part.number)
    assert await world.blobs.stat(key) is None
    # Another process goes on where this one was.
    again = world.reopen()
    sent.append(await world.upload_part(key, upload_id, 2, piece(data, 2)))
    parts = await again.parts(key, upload_id)
    assert [part.size for part in parts] == [PART, PART, MIB]
    await again.close()
    found = await world.blobs.complete_multipart(key, upload_id, parts)
    assert found == await world.blobs.stat(key)
    assert (found.size, found.sha256) == (SIZE, None)
    assert found.content_type in {None, "video/mp4"}
    assert await world.blobs.sha256(key) == hashlib.sha256(data).hexdigest()
    answer = await world.download(key, range=f"bytes={PART - 5}-{PART + 4}")
    assert answer.content == data[PART - 5 : PART + 5]


async def test_completing_again_answers_the_same(blob_world: BlobWorld, data: bytes) -> None:
    world, key = blob_world, blob_world.key()
    upload_id = await begin(world)
    parts = await everything(world, upload_id, data)
    first, second = await asyncio.gather(
        world.blobs.complete_multipart(key, upload_id, parts),
        world.blobs.complete_multipart(key, upload_id, parts),
    )
    third = await world.blobs.complete_multipart(key, upload_id, parts)
    assert first == third
    assert second == third
    assert await world.blobs.forget_unfinished(SystemClock().now() + 60_000) == 0
    assert await world.blobs.stat(key) == third


async def test_no_part_is_taken_once_the_object_is_complete(blob_world: BlobWorld, data: bytes) -> None:
    world, key = blob_world, blob_world.key()
    upload_id = await begin(world)
    live = await world.blobs.presign_part(key, upload_id, 3, size=MIB, expires_in=60)
    parts = await everything(world, upload_id, data)
    await world.blobs.complete_multipart(key, upload_id, parts)
    single = await world.blobs.presign_put(key, size=MIB, content_type="video/mp4", expires_in=60)
    for request in (live, single):
        assert (await world.send(request, bytes(MIB))).status_code in {403, 404, 412}
    assert await world.blobs.sha256(key) == hashlib.sha256(data).hexdigest()


async def test_a_part_has_the_signed_size(blob_world: BlobWorld, data: bytes) -> None:
    world, key = blob_world, blob_world.key()
    upload_id = await begin(world)
    request = await world.blobs.presign_part(key, upload_id, 3, size=MIB, expires_in=60)
    for body in (data[:100], data[: MIB + 1], b""):
        assert (await world.send(request, body)).status_code == 403
    assert await world.blobs.parts(key, upload_id) == []
    assert (await world.send(request, piece(data, 3))).status_code == 200


async def test_a_part_that_is_sent_again_is_one_part(blob_world: BlobWorld, data: bytes) -> None:
    world, key = blob_world, blob_world.key()
    upload_id = await begin(world)
    await world.upload_part(key, upload_id, 1, piece(data, 1))  # whose answer was lost
    parts = await everything(world, upload_id, data)
    assert await world.blobs.parts(key, upload_id) == parts
    await world.blobs.complete_multipart(key, upload_id, parts)
    assert await world.blobs.sha256(key) == hashlib.sha256(data).hexdigest()


async def test_parts_that_do_not_lie_there_make_no_object(blob_world: BlobWorld, data: bytes) -> None:
    world, key = blob_world, blob_world.key()
    upload_id = await begin(world)
    first = await world.upload_part(key, upload_id, 1, piece(data, 1))
    second = Part(2, PART, "0" * 32)
    with pytest.raises(PartsRefused):
        await world.blobs.complete_multipart(key, upload_id, [first, second])
    assert await world.blobs.parts(key, upload_id) == [first]


async def test_aborting_drops_everything(blob_world: BlobWorld, data: bytes) -> None:
    world, key = blob_world, blob_world.key()
    upload_id = await begin(world)
    parts = await everything(world, upload_id, data)
    request = await world.blobs.presign_part(key, upload_id, 3, size=MIB, expires_in=60)
    await world.blobs.abort_multipart(key, upload_id)
    await world.blobs.abort_multipart(key, upload_id)
    assert (await world.send(request, piece(data, 3))).status_code in {403, 404}
    with pytest.raises(UploadMissing):
        await world.blobs.parts(key, upload_id)
    with pytest.raises(UploadMissing):
        await world.blobs.complete_multipart(key, upload_id, parts)
    assert await world.blobs.stat(key) is None


async def test_uploads_that_never_were(blob_world: BlobWorld) -> None:
    world, key = blob_world, blob_world.key()
    upload_id = await begin(world)
    for name, id_ in (("object", "f" * 32), ("other", upload_id)):
        with pytest.raises(UploadMissing):
            await world.blobs.parts(world.key(name), id_)
        await world.blobs.abort_multipart(world.key(name), id_)
    assert await world.blobs.parts(key, upload_id) == []


async def test_what_nobody_finished_is_forgotten(blob_world: BlobWorld, data: bytes) -> None:
    world, key = blob_world, blob_world.key()
    upload_id = await begin(world)
    await world.upload_part(key, upload_id, 3, piece(data, 3))
    now = SystemClock().now()
    assert await world.blobs.forget_unfinished(now - 60_000) == 0
    assert [part.number for part in await world.blobs.parts(key, upload_id)] == [3]
    assert await world.blobs.forget_unfinished(now + 60_000) >= 1
    with pytest.raises(UploadMissing):
        await world.blobs.parts(key, upload_id)


async def test_an_upload_has_one_to_ten_thousand_parts(blob_world: BlobWorld) -> None:
    for size, part_size in ((0, 1), (10_001, 1), (1, 0), (-1, 1)):
        with pytest.raises(ValueError, match=r"parts|size"):
            await blob_world.blobs.begin_multipart(
                blob_world.key(), size=size, part_size=part_size, content_type="a/b"
            )
