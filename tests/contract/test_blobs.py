"""The Blobs port: what was signed and nothing else, whole objects, first wins."""

import asyncio
import hashlib
import os
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import pytest

from secureconnect.infra.blobs.base import ObjectMissing, ObjectTooLarge

from .blob_worlds import BlobWorld

PNG = b"\x89PNG" + bytes(996)


def altered(url: str, name: str, value: str) -> str:
    """The URL with one query parameter changed."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    assert name in query
    return urlunsplit(parts._replace(query=urlencode({**query, name: value})))


async def test_what_a_signed_url_uploads_is_the_object(blob_world: BlobWorld) -> None:
    world = blob_world
    before = await world.blobs.stat(world.key())
    found = await world.upload("object", PNG)
    assert before is None
    assert found.size == 1000
    assert found.content_type in {None, "image/png"}
    assert found.sha256 in {None, hashlib.sha256(PNG).hexdigest()}
    assert await world.blobs.read(world.key(), at_most=1000) == PNG
    assert await world.blobs.sha256(world.key()) == hashlib.sha256(PNG).hexdigest()
    assert (await world.download(world.key())).content == PNG


async def test_an_upload_has_the_signed_size_and_type_or_leaves_nothing(blob_world: BlobWorld) -> None:
    world = blob_world
    request = await world.blobs.presign_put(world.key(), size=1000, content_type="image/png", expires_in=60)
    assert request.method == "PUT"
    assert request.headers["Content-Type"] == "image/png"
    for data, headers in (
        (PNG[:-1], {}),
        (PNG + b"x", {}),
        (b"", {}),
        (PNG, {"content_type": "text/html"}),
        (PNG, {"content_type": "image/png; charset=utf-8"}),
    ):
        answer = await world.send(request, data, **headers)
        assert answer.status_code == 403, answer.text
        assert await world.blobs.stat(world.key()) is None

    async def chunks() -> object:
        yield PNG

    answer = await world.client.put(request.url, content=chunks(), headers=dict(request.headers))  # type: ignore[arg-type]
    assert answer.status_code in {403, 411}
    assert await world.blobs.stat(world.key()) is None
    assert (await world.send(request, PNG)).status_code == 200


async def test_a_changed_url_is_refused(blob_world: BlobWorld) -> None:
    world = blob_world
    request = await world.blobs.presign_put(world.key(), size=1000, content_type="image/png", expires_in=60)
    parts = urlsplit(request.url)
    urls = [
        urlunsplit(parts._replace(path=parts.path + "2")),
        urlunsplit(parts._replace(path=parts.path.replace("users/", "avatars/"))),
        urlunsplit(parts._replace(query="")),
        *(altered(request.url, name, value + "1") for name, value in parse_qsl(parts.query)),
    ]
    for url in urls:
        assert (await world.send(request, PNG, url)).status_code in {400, 403}, url
    assert (await world.client.get(request.url)).status_code == 403
    assert [entry async for entry in world.blobs.entries(world.folder)] == []


async def test_a_url_ends(blob_world: BlobWorld) -> None:
    """The upload is signed first: once the download is refused, both are over."""
    world = blob_world
    await world.upload("object", PNG)
    late = await world.blobs.presign_put(world.key("late"), size=1000, content_type="image/png", expires_in=2)
    request = await world.blobs.presign_get(
        world.key(), file_name="a", content_type="image/png", expires_in=2
    )
    assert late.expires_at <= request.expires_at
    assert (await world.send(request)).status_code == 200
    async with asyncio.timeout(10):
        while True:
            answer = await world.send(request)
            if answer.status_code != 200:
                break
            await asyncio.sleep(0.05)
    assert answer.status_code == 403
    assert (await world.send(late, PNG)).status_code == 403
    assert await world.blobs.stat(world.key("late")) is None


async def test_the_first_upload_wins(blob_world: BlobWorld) -> None:
    world = blob_world
    request = await world.blobs.presign_put(world.key(), size=1000, content_type="image/png", expires_in=60)
    bodies = [bytes([number]) * 1000 for number in range(4)]
    answers = await asyncio.gather(*(world.send(request, body) for body in bodies))
    assert [answer.status_code for answer in answers].count(200) == 1
    winner = bodies[[answer.status_code for answer in answers].index(200)]
    stored = await world.blobs.stat(world.key())
    again = await world.blobs.presign_put(world.key(), size=1000, content_type="image/png", expires_in=60)
    for late in (request, again):
        assert (await world.send(late, PNG)).status_code in {403, 412}
    assert await world.blobs.read(world.key(), at_most=1000) == winner
    assert await world.blobs.stat(world.key()) == stored


async def test_downloads_name_and_type_what_they_bring(blob_world: BlobWorld) -> None:
    world = blob_world
    await world.upload("object", PNG)
    request = await world.blobs.presign_get(
        world.key(), file_name='a"\r\nX: y.html', content_type="text/html", expires_in=60
    )
    answer = await world.send(request)
    assert (answer.status_code, answer.content) == (200, PNG)
    assert answer.headers["content-type"] == "text/html"
    assert answer.headers["content-disposition"] == (
        "attachment; filename=\"a___X_ y.html\"; filename*=UTF-8''a%22%0D%0AX%3A%20y.html"
    )
    assert "x" not in answer.headers
    head = await world.client.head(request.url)
    if head.status_code == 200:  # S3 signs for one method
        assert head.headers["content-length"] == "1000"
        assert head.content == b""
    for name in ("name", "type", "response-content-disposition", "response-content-type"):
        if name in dict(parse_qsl(urlsplit(request.url).query)):
            assert (
                await world.send(request, url=altered(request.url, name, "text/plain"))
            ).status_code == 403


@pytest.mark.parametrize(
    ("wanted", "start", "end"),
    [("bytes=0-9", 0, 10), ("bytes=990-", 990, 1000), ("bytes=-10", 990, 1000), ("bytes=5-5000", 5, 1000)],
)
async def test_one_range_is_honoured(blob_world: BlobWorld, wanted: str, start: int, end: int) -> None:
    data = os.urandom(1000)
    await blob_world.upload("object", data)
    answer = await blob_world.download(blob_world.key(), range=wanted)
    assert (answer.status_code, answer.content) == (206, data[start:end])
    assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/1000"
    assert answer.headers["etag"]


async def test_ranges_outside_and_objects_that_are_not_there(blob_world: BlobWorld) -> None:
    await blob_world.upload("object", PNG)
    assert (await blob_world.download(blob_world.key(), range="bytes=1000-")).status_code == 416
    assert (await blob_world.download(blob_world.key("nothing"))).status_code == 404


async def test_the_server_writes_reads_and_removes(blob_world: BlobWorld, tmp_path: Path) -> None:
    blobs, key = blob_world.blobs, blob_world.key
    await blobs.put(key("thumb"), b"first", content_type="image/webp")
    await blobs.put(key("thumb"), b"second", content_type="image/webp")
    assert await blobs.read(key("thumb"), at_most=6) == b"second"
    with pytest.raises(ObjectTooLarge):
        await blobs.read(key("thumb"), at_most=5)
    archive = tmp_path / "export.zip"
    archive.write_bytes(os.urandom(17 << 20))
    await blobs.put_file(key("export.zip"), str(archive), content_type="application/zip")
    assert archive.exists()
    found = await blobs.stat(key("export.zip"))
    assert found is not None
    assert found.size == 17 << 20
    assert await blobs.sha256(key("export.zip")) == hashlib.sha256(archive.read_bytes()).hexdigest()
    pieces = [piece async for piece in blobs.chunks(key("export.zip"))]
    assert len(pieces) > 1
    assert max(map(len, pieces)) <= 16 << 20
    assert b"".join(pieces) == archive.read_bytes()
    await blobs.delete([key("thumb"), key("nothing"), key("export.zip")])
    await blobs.delete([key("thumb")])
    await blobs.delete([])
    for gone in ("thumb", "export.zip"):
        assert await blobs.stat(key(gone)) is None
        with pytest.raises(ObjectMissing):
            await blobs.read(key(gone), at_most=10)
        with pytest.raises(ObjectMissing):
            await blobs.sha256(key(gone))
        with pytest.raises(ObjectMissing):
            await anext(aiter(blobs.chunks(key(gone))))


async def test_listing_names_every_object_below_a_prefix(blob_world: BlobWorld) -> None:
    world, folder = blob_world, blob_world.folder
    for name in ("a", "deep/er/b", "c.zip"):
        await world.blobs.put(world.key(name), name.encode(), content_type="text/plain")
    await world.blobs.put(f"{folder}2/other", b"x", content_type="text/plain")
    found = {entry.key: entry async for entry in world.blobs.entries(f"{folder}/")}
    assert {key: entry.size for key, entry in found.items()} == {
        f"{folder}/a": 1,
        f"{folder}/deep/er/b": 9,
        f"{folder}/c.zip": 5,
    }
    stat = await world.blobs.stat(f"{folder}/a")
    assert stat is not None
    assert abs(found[f"{folder}/a"].modified_at - stat.modified_at) < 1000
    assert [entry async for entry in world.blobs.entries("users/nobody")] == []
    everything = {entry.key async for entry in world.blobs.entries("")}
    assert everything >= {*found, f"{folder}2/other"}


@pytest.mark.parametrize(
    "key", ["", "/a", "a/", "a//b", "../a", "a/../b", "a/./b", ".uploads/x", "a b", "a\x00b", "ä", "a" * 513]
)
async def test_no_other_keys_are_taken(blob_world: BlobWorld, key: str) -> None:
    blobs = blob_world.blobs
    with pytest.raises(ValueError, match="key"):
        await blobs.presign_put(key, size=1, content_type="a/b", expires_in=1)
    with pytest.raises(ValueError, match="key"):
        await blobs.presign_get(key, file_name="a", content_type="a/b", expires_in=1)
    with pytest.raises(ValueError, match="key"):
        await blobs.begin_multipart(key, size=1, part_size=1, content_type="a/b")
    with pytest.raises(ValueError, match="key"):
        await blobs.put(key, b"", content_type="a/b")
    with pytest.raises(ValueError, match="key"):
        await blobs.read(key, at_most=1)
    with pytest.raises(ValueError, match="key"):
        await blobs.delete([key])


@pytest.mark.parametrize("content_type", ["", "text", "text/html; charset=x", "a/b\r\nX: y", "a/b/c", "a /b"])
async def test_no_other_types_are_taken(blob_world: BlobWorld, content_type: str) -> None:
    with pytest.raises(ValueError, match="media type"):
        await blob_world.blobs.presign_put("a", size=1, content_type=content_type, expires_in=1)
    with pytest.raises(ValueError, match="media type"):
        await blob_world.blobs.presign_get("a", file_name="a", content_type=content_type, expires_in=1)


async def test_another_process_sees_the_same(blob_world: BlobWorld) -> None:
    world = blob_world
    request = await world.blobs.presign_put(
        world.key("later"), size=1000, content_type="image/png", expires_in=60
    )
    stored = await world.upload("object", PNG)
    again = world.reopen()
    assert await again.stat(world.key()) == stored
    assert (await world.send(request, PNG)).status_code == 200
    assert await again.read(world.key("later"), at_most=1000) == PNG
    assert await again.ping() >= 0
    await again.close()


async def test_what_is_asked_of_the_store_is_counted(blob_world: BlobWorld) -> None:
    world = blob_world
    await world.upload("object", PNG)
    await world.blobs.delete([world.key()])
    with pytest.raises(ObjectMissing):
        await world.blobs.read(world.key(), at_most=1)
    names = {name for name, _ in world.measured.seen}
    assert {"sign", "head", "delete", "get"} <= names
    assert all(ok for _, ok in world.measured.seen)
