"""Files in a store of S3: a real one, SeaweedFS, beside the server; scenarios D and X4 that depend on it."""

import asyncio
import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from stack.seaweed import Seaweed, seaweed
from tests.scenarios.conftest import Register
from tests.scenarios.files import (
    begin,
    complete,
    download,
    fetch,
    file,
    picture,
    put,
    readable,
    thumbnail,
)
from tests.scenarios.metrics import metric
from tests.scenarios.patience import eventually
from tests.scenarios.server import Server
from tests.scenarios.steps import Person, direct, request, send

MIB = 1 << 20
PART = 16 * MIB


class Place(NamedTuple):
    """A server and the store that it keeps files in."""

    server: Server
    store: Seaweed
    public: str

    async def person(self, reg: Register) -> Person:
        (a,) = await reg("a", url=self.server.url)
        return a


@pytest.fixture(scope="module")
def _started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    directory = tmp_path_factory.mktemp("s3")
    with seaweed(directory / "store") as store:
        # Clients know the store by another name than the server does.
        public = store.endpoint.replace("127.0.0.1", "localhost")
        keys = {"access_key": store.access_key, "secret_key": store.secret_key}
        server = Server(
            directory / "data",
            object_store={
                "backend": "s3",
                "endpoint": store.endpoint,
                "public_endpoint": public,
                "timeout": 5,
                **keys,
            },
        )
        server.launch()
        yield Place(server, store, public)
        server.clean()


@pytest.fixture
async def place(_started: Place) -> Place:
    server = _started.server
    await server.ready()

    async def well() -> bool:
        return b'"ready"' in (await request(server.url, "GET", "/readyz")).raw

    await eventually(well)  # a store that was just started may be slow to answer for the first time
    return _started


def passed(server: Server) -> int:
    """Bytes that the processes have read and written so far, of whatever."""
    total = 0
    for pid in server.pids:
        counts = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text().splitlines())
        total += int(counts["rchar"]) + int(counts["wchar"])
    return total


async def test_d1_d13_d14_d15_a_file_in_s3(place: Place, reg: Register) -> None:
    """A picture goes up and down by the public name, as an attachment, with ranges and a thumbnail."""
    a = await place.person(reg)
    data = picture()
    upload = await begin(a, len(data), "image/png", file_name='a" X: y.html')
    assert upload["upload_url"].startswith(f"{place.public}/secureconnect/users/{a.user_id}/")
    assert (await put(upload["upload_url"], data, upload["headers"])).status == 200
    assert (await complete(a, upload["file_id"])).ok()["status"] == "completed"
    url = (await download(a, upload["file_id"])).ok()["download_url"]
    assert url.startswith(f"{place.public}/")
    got = await fetch(url)
    assert (got.status, got.raw, got.headers["content-type"]) == (200, data, "image/png")
    assert got.headers["content-disposition"].startswith("attachment; ")
    assert got.headers["content-disposition"].endswith("filename*=UTF-8''a%22%20X%3A%20y.html")
    part = await fetch(url, range="bytes=10-19")
    assert (part.status, part.raw) == (206, data[10:20])
    assert (await fetch(url, range=f"bytes={len(data)}-")).status == 416
    assert (await thumbnail(a, upload["file_id"]))[8:12] == b"WEBP"

    page = await file(a, b"<script>alert(1)</script>", "text/html")
    got = await fetch((await download(a, page)).ok()["download_url"])
    assert got.headers["content-disposition"].startswith("attachment; ")


async def test_d3_s3_takes_only_what_was_signed(place: Place, reg: Register) -> None:
    """999 and 1001 bytes, another type, a changed URL: 403, and completing says that nothing is there."""
    a = await place.person(reg)
    upload = await begin(a, 1000, "image/png")
    url, headers = upload["upload_url"], upload["headers"]
    for data, sent, target in (
        (bytes(999), headers, url),
        (bytes(1001), headers, url),
        (bytes(1000), {**headers, "Content-Type": "text/html"}, url),
        (bytes(1000), headers, url.replace(a.user_id, upload["file_id"])),
    ):
        assert (await put(target, data, sent)).status == 403
    (await complete(a, upload["file_id"])).is_error(409, "UPLOAD_INCOMPLETE")
    assert (await put(url, bytes(1000), headers)).status == 200
    (await complete(a, upload["file_id"])).ok()
    assert (await put(url, b"x" * 1000, headers)).status == 412
    assert (await fetch((await download(a, upload["file_id"])).ok()["download_url"])).raw == bytes(1000)


async def test_d4_s3_other_bytes_are_found_out(place: Place, reg: Register) -> None:
    """Announced with another hash: mismatch, and nothing is left in the store."""
    a = await place.person(reg)
    upload = await begin(a, 1000, sha256=hashlib.sha256(b"other").hexdigest())
    assert (await put(upload["upload_url"], bytes(1000), upload["headers"])).status == 200
    (await complete(a, upload["file_id"])).is_error(409, "UPLOAD_MISMATCH")
    client = place.store.boto3()
    prefix = f"users/{a.user_id}/"
    listed = await asyncio.to_thread(client.list_objects_v2, Bucket="secureconnect", Prefix=prefix)
    assert listed["KeyCount"] == 0


async def test_d6_no_byte_of_a_large_file_passes_through_the_server(place: Place, reg: Register) -> None:
    """70 MiB in five parts, one URL renewed, the server restarted in between."""
    a = await place.person(reg)
    data = os.urandom(70 * MIB)
    pieces = [data[start : start + PART] for start in range(0, len(data), PART)]
    upload = await begin(a, len(data), "video/mp4")
    parts = {part["part_number"]: part["url"] for part in upload["multipart"]["parts"]}
    assert (len(parts), upload["multipart"]["part_size"]) == (5, PART)
    before = passed(place.server)
    for number in (1, 2, 4):
        assert (await put(parts[number], pieces[number - 1])).status == 200
    shown = (await a.get(f"/v1/storage/uploads/{upload['file_id']}")).ok()["uploaded_parts"]
    assert shown == [{"part_number": number, "size": PART} for number in (1, 2, 4)]
    (await complete(a, upload["file_id"])).is_error(409, "UPLOAD_INCOMPLETE")
    used = passed(place.server) - before
    assert await place.server.stop() == 0
    await place.server.start()
    before = passed(place.server)
    body = {"file_id": upload["file_id"], "part_numbers": [3]}
    renewed = (await a.post("/v1/storage/upload-parts", body)).ok()["parts"][0]["url"]
    assert (await put(renewed, pieces[2])).status == 200
    assert (await put(parts[5], pieces[4])).status == 200
    assert (await complete(a, upload["file_id"])).ok()["file_size"] == len(data)
    got = await fetch((await download(a, upload["file_id"])).ok()["download_url"])
    assert got.raw == data
    assert used + passed(place.server) - before < 10 * MIB


async def test_x4_the_object_store_stops_and_comes_back(place: Place, reg: Register) -> None:
    """Storage says 503 with Retry-After, chat goes on, readiness is degraded; the return needs no restart."""
    a, b = await reg("a", "b", url=place.server.url)
    kept = await file(a, b"kept", "text/plain")
    waiting = await begin(a, 5)
    conversation = (await direct(a, b))["conversation_id"]
    place.store.stop()
    try:
        for answer in (
            await complete(a, waiting["file_id"]),
            await a.post(
                "/v1/storage/upload-url",
                {"file_name": "a", "file_size": 5, "content_type": "text/plain"},
            ),
            await download(a, kept),
        ):
            answer.is_error(503, "STORAGE_UNAVAILABLE")
            assert answer.headers["retry-after"] == "5"
        (await send(a, conversation, "still here")).ok(201)
        (await send(a, conversation, "with a file", attachments=[kept])).ok(201)
        ready = await request(place.server.url_of("storage"), "GET", "/readyz")
        assert (ready.status, ready.body["status"]) == (200, "degraded")
        assert ready.body["dependencies"]["object_store"]["status"] == "down"
        metrics = (await request(place.server.url_of("storage"), "GET", "/metrics")).raw.decode()
        assert 'dependency_up{dependency="object_store",' in metrics
        assert await metric(place.server, "dependency_up", dependency="object_store") == 0
        assert (
            'status="error"'
            in metrics.partition("# HELP object_store_requests_total")[2].partition("# HELP")[0]
        )
    finally:
        await asyncio.to_thread(place.store.start)
    async with asyncio.timeout(5):
        while True:
            answer = await download(a, kept)
            if answer.status == 200:
                break
            await asyncio.sleep(0.05)
    await eventually(lambda: readable(answer.ok()["download_url"], b"kept"))
    assert (await put(waiting["upload_url"], b"12345", waiting["headers"])).status == 200
    (await complete(a, waiting["file_id"])).ok()
    ready = await request(place.server.url_of("storage"), "GET", "/readyz")
    assert ready.body["status"] == "ready"


async def test_s3_names_no_route_of_object_bytes(place: Place) -> None:
    """The bytes are the store's business then."""
    document = (await request(place.server.url, "GET", "/openapi.json")).body
    assert not [path for path in document["paths"] if "objects" in path]
    (await request(place.server.url, "GET", "/v1/storage/objects/a")).is_error(404, "NOT_FOUND")
