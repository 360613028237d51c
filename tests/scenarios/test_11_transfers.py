"""Large files, ranges and bombs: scenarios D6, D13, Z6 and Z10, and avatars (U12)."""

import asyncio
import os
import struct
import zlib
from pathlib import Path

from stack.processes import descendants
from tests.scenarios.conftest import Register, Serve
from tests.scenarios.files import (
    begin,
    complete,
    download,
    fetch,
    file,
    picture,
    put,
    store_refuses,
    thumbnail,
)
from tests.scenarios.server import Server
from tests.scenarios.steps import NIL, group, ws

MIB = 1024 * 1024


async def test_d6_a_large_file_in_parts(serve: Serve, reg: Register) -> None:
    """Five parts, one with a renewed URL, a restart in between; complete when all are there."""
    async with serve() as server:
        a, b = await reg("a", "b", url=server.url)
        data = os.urandom(70 * MIB)
        upload = await begin(a, len(data), "video/mp4")
        file_id, multipart = upload["file_id"], upload["multipart"]
        assert (upload["upload_url"], upload["headers"]) == (None, {})
        assert (multipart["part_size"], multipart["part_count"]) == (16 * MIB, 5)
        urls = {part["part_number"]: part["url"] for part in multipart["parts"]}
        pieces = {number: data[(number - 1) * 16 * MIB : number * 16 * MIB] for number in urls}
        assert len(pieces[5]) == 6 * MIB
        etags = {}
        for number in (1, 4):
            answer = await put(urls[number], pieces[number])
            etags[number] = answer.headers["etag"]
        store_refuses(await put(urls[2], pieces[2][:-1]), 403, "URL_SIGNATURE_INVALID")
        await server.stop()
        await server.start()
        state = (await a.get(f"/v1/storage/uploads/{file_id}")).ok()
        assert state["uploaded_parts"] == [
            {"part_number": 1, "size": 16 * MIB},
            {"part_number": 4, "size": 16 * MIB},
        ]
        (await b.get(f"/v1/storage/uploads/{file_id}")).is_error(404, "NOT_FOUND")
        answer = await complete(a, file_id)
        answer.is_error(409, "UPLOAD_INCOMPLETE")
        assert len(answer.error["details"]) == 3
        body = {"file_id": file_id, "part_numbers": [2, 5]}
        renewed = (await a.post("/v1/storage/upload-parts", body)).ok()
        assert renewed["expires_at"] > upload["expires_at"]
        urls |= {part["part_number"]: part["url"] for part in renewed["parts"]}
        (await b.post("/v1/storage/upload-parts", body)).is_error(404, "NOT_FOUND")
        beyond = await a.post("/v1/storage/upload-parts", {**body, "part_numbers": [6]})
        beyond.is_error(400, "VALIDATION_ERROR")
        for number in (2, 3, 5):
            etags[number] = (await put(urls[number], pieces[number])).headers["etag"]
        wrong = [{"part_number": 1, "etag": "other"}]
        (await complete(a, file_id, parts=wrong)).is_error(409, "UPLOAD_INCOMPLETE")
        parts = [{"part_number": number, "etag": etags[number]} for number in sorted(etags)]
        done = (await complete(a, file_id, parts=parts)).ok()
        assert (done["status"], done["file_size"]) == ("completed", len(data))
        assert (await complete(a, file_id)).ok() == done
        got = await fetch((await download(a, file_id)).ok()["download_url"])
        assert got.raw == data
        (await a.post("/v1/storage/upload-parts", body)).is_error(409, "CONFLICT")
        store_refuses(await put(urls[1], pieces[1]), 403)


async def test_d13_ranges(reg: Register) -> None:
    """One range: 206 and the right bytes; behind the end: 416."""
    (a,) = await reg("a")
    data = bytes(range(256)) * 4
    url = (await download(a, await file(a, data))).ok()["download_url"]
    for wanted, piece in (
        ("bytes=10-19", data[10:20]),
        ("bytes=1000-", data[1000:]),
        ("bytes=-5", data[-5:]),
    ):
        got = await fetch(url, range=wanted)
        assert (got.status, got.raw) == (206, piece)
        assert got.headers["content-range"].endswith("/1024")
    store_refuses(await fetch(url, range="bytes=1024-"), 416, "RANGE_NOT_SATISFIABLE")
    altered = url.replace("ignature=", "ignature=0")
    store_refuses(await fetch(altered), 403, "URL_SIGNATURE_INVALID")


async def test_u12_avatars(reg: Register) -> None:
    """A picture made of an own file, 302 to it, none without; groups have them too."""
    a, b, d = await reg("a", "b", "d")
    photo = await file(a, picture(1200, 900, "JPEG"), "image/jpeg")
    text = await file(a, b"no picture", "text/plain")
    liar = await file(a, b"no picture", "image/png")
    large = await file(a, 5 * MIB + 1, "image/png")
    foreign = await file(b, picture(), "image/png")
    mine = f"/v1/users/{a.user_id}/avatar"
    (await b.get(mine)).is_error(404, "NOT_FOUND")
    (await b.get(f"/v1/users/{NIL}/avatar")).is_error(404, "NOT_FOUND")
    for file_id in (text, liar, large):
        answer = await a.put("/v1/users/me/avatar", {"file_id": file_id})
        answer.is_error(400, "VALIDATION_ERROR")
        assert answer.fields == ["file_id"]
    (await a.put("/v1/users/me/avatar", {"file_id": foreign})).is_error(404, "NOT_FOUND")
    shown = (await a.put("/v1/users/me/avatar", {"file_id": photo})).ok()
    assert shown["avatar_url"].startswith(f"{mine}?v=")
    assert (await b.get(f"/v1/users/{a.user_id}")).ok()["user"]["avatar_url"] == shown["avatar_url"]
    redirect = await b.get(shown["avatar_url"])
    assert (redirect.status, redirect.raw) == (302, b"")
    got = await fetch(redirect.headers["location"])
    assert (got.status, got.headers["content-type"]) == (200, "image/webp")
    assert got.raw[8:12] == b"WEBP"
    # It stays when the file goes, and goes when it is taken back.
    (await a.delete(f"/v1/storage/files/{photo}")).ok()
    assert (await b.get(mine)).status == 302
    g = (await group(b, [a]))["conversation_id"]
    async with ws(a) as chat:
        edited = (await b.patch(f"/v1/conversations/{g}", {"avatar_file_id": foreign})).ok()
        event = await chat.frame(type="event", kind="conversation_updated")
        assert event["data"]["changed"] == {"avatar_url": edited["avatar_url"]}
    assert (await a.get(edited["avatar_url"])).status == 302
    (await d.get(edited["avatar_url"])).is_error(403, "FORBIDDEN")
    refused = await a.patch(f"/v1/conversations/{g}", {"avatar_file_id": foreign})
    refused.is_error(404, "NOT_FOUND")
    assert (await a.delete("/v1/users/me/avatar")).ok()["avatar_url"] is None
    assert (await a.delete("/v1/users/me/avatar")).ok()["avatar_url"] is None
    (await b.get(mine)).is_error(404, "NOT_FOUND")
    assert (await fetch(redirect.headers["location"])).status == 404


async def test_z6_the_server_visits_no_address_of_ours(reg: Register) -> None:
    """A picture elsewhere is shown as it is; nobody comes to fetch it."""
    a, b = await reg("a", "b")
    visits = 0

    def visited(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal visits
        visits += 1
        writer.close()

    listener = await asyncio.start_server(visited, "127.0.0.1", 0)
    async with listener:
        port = listener.sockets[0].getsockname()[1]
        url = f"http://127.0.0.1:{port}/a.png"
        assert (await a.patch("/v1/users/me", {"avatar_url": url})).ok()["avatar_url"] == url
        (await b.get(f"/v1/users/{a.user_id}/avatar")).is_error(404, "NOT_FOUND")
        # Whatever would fetch it has had its turn: a picture of ours was made meanwhile.
        await thumbnail(a, await file(a, picture(), "image/png"))
        assert visits == 0


async def test_z10_bombs_are_stored_and_nothing_more(server: Server, reg: Register) -> None:
    """A hundred megapixels and a bomb in disguise: kept as files, no thumbnail, memory bounded."""
    (a,) = await reg("a")
    await thumbnail(a, await file(a, picture(), "image/png"))
    before = highest_memory(server)
    huge = await file(a, bits(10_000, 10_000), "image/png")
    zipped = await file(a, zlib.compress(bytes(200 * MIB), 9), "image/jpeg")
    for file_id in (huge, zipped):
        answer = await a.put("/v1/users/me/avatar", {"file_id": file_id})
        answer.is_error(400, "VALIDATION_ERROR")
    # Pictures are shrunk one after the other: behind this one the bombs have had their turn.
    await thumbnail(a, await file(a, picture(), "image/png"))
    for file_id in (huge, zipped):
        (await download(a, file_id, "thumbnail")).is_error(404, "NOT_FOUND")
        assert (await download(a, file_id)).ok()["file"]["has_thumbnail"] is False
    assert highest_memory(server) - before < 64 * MIB


def bits(width: int, height: int) -> bytes:
    """A black and white PNG of a few KiB that is as large as it says."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = zlib.compress(bytes((1 + width // 8) * height), 9)
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def highest_memory(server: Server) -> int:
    """The most bytes that the processes and those that they started ever had in memory."""
    found = 0
    for one in [one for pid in server.pids for one in (pid, *descendants(pid))]:
        lines = Path(f"/proc/{one}/status").read_text().splitlines()
        found += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    return found
