"""Bytes of objects over real connections: hostile URLs, broken and stalled transfers, flat memory."""

import asyncio
import contextlib
import json
import os
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

import pytest

from secureconnect.infra.blobs.base import SignedRequest
from secureconnect.infra.blobs.local import LocalBlobs
from secureconnect.infra.blobs.local_urls import UrlSigner
from tests.contract.object_server import LateApplication, object_edge, serving_objects
from tests.unit.serving import Line, Serving, until

MIB = 1 << 20
KEY = "users/u/f"


class Clock:
    """Time moves when the test says so."""

    def __init__(self) -> None:
        self.time = 1_800_000_000_000

    def now(self) -> int:
        return self.time

    def monotonic(self) -> float:
        return self.time / 1000


class Store(NamedTuple):
    """A served store, its directory and its time."""

    blobs: LocalBlobs
    server: Serving
    root: Path
    clock: Clock
    application: LateApplication

    async def put(self, size: int, key: str = KEY, content_type: str = "image/png") -> SignedRequest:
        return await self.blobs.presign_put(key, size=size, content_type=content_type, expires_in=60)

    async def get(self, key: str = KEY, name: str = "a.png") -> SignedRequest:
        return await self.blobs.presign_get(key, file_name=name, content_type="image/png", expires_in=60)

    async def stored(self, data: bytes, key: str = KEY) -> None:
        await self.blobs.put(key, data, content_type="image/png")

    def lie(self) -> list[str]:
        """Everything in the directory but tickets."""
        return sorted(
            str(path.relative_to(self.root))
            for path in self.root.rglob("*")
            if path.is_file() and ".uploads" not in path.parts
        )


@contextlib.asynccontextmanager
async def opened(root: Path, *, silence: float = 5.0, **http: Any) -> AsyncIterator[Store]:
    clock = Clock()

    def make(address: str) -> LocalBlobs:
        root.mkdir()
        return LocalBlobs(root, UrlSigner(bytes(32), address, clock))

    async with serving_objects(make, silence=silence, **http) as (blobs, server, application):
        yield Store(blobs, server, root, clock, application)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with opened(tmp_path / "objects") as place:
        yield place


def target(request: SignedRequest) -> str:
    parts = urlsplit(request.url)
    return f"{parts.path}?{parts.query}"


def head(method: str, path: str, *lines: str) -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", "host: test", *lines, "", ""]).encode("latin-1")


def upload_head(request: SignedRequest, size: int, *lines: str) -> bytes:
    return head("PUT", target(request), "content-type: image/png", f"content-length: {size}", *lines)


async def refusal(line: Line) -> tuple[int, str]:
    status, headers, body = await line.response()
    assert headers["content-type"] == "application/json"
    answer = json.loads(body)
    assert answer["success"] is False
    assert set(answer["meta"]) == {"timestamp", "request_id"}
    return status, answer["error"]["code"]


REFUSED = (403, "URL_SIGNATURE_INVALID")


async def test_an_upload_is_answered_in_the_envelope_with_its_etag(store: Store) -> None:
    line = await store.server.line()
    request = await store.put(5)
    line.send(upload_head(request, 5, "origin: https://chat.example.test") + b"hello")
    status, headers, body = await line.response()
    data = json.loads(body)["data"]
    assert (status, data["size"], headers["etag"]) == (200, 5, f'"{data["etag"]}"')
    assert headers["access-control-allow-origin"] == "https://chat.example.test"
    assert "ETag" in headers["access-control-expose-headers"]
    assert headers["cache-control"] == "no-store"
    line.send(head("GET", target(await store.get())))
    status, headers, _ = await line.response()
    assert (status, headers["etag"]) == (200, f'"{data["etag"]}"')
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["content-security-policy"].startswith("default-src 'none'")


async def test_browsers_may_ask_first(store: Store) -> None:
    line = await store.server.line()
    path = target(await store.put(5))
    asks = "access-control-request-method: PUT"
    line.send(head("OPTIONS", path, "origin: https://chat.example.test", asks))
    status, headers, _ = await line.response()
    assert status == 200
    assert "PUT" in headers["access-control-allow-methods"]
    assert "Range" in headers["access-control-allow-headers"]
    line.send(head("OPTIONS", path, "origin: https://evil.example.test", asks))
    assert await refusal(line) == (403, "ORIGIN_NOT_ALLOWED")


@pytest.mark.parametrize("method", ["POST", "DELETE", "PATCH"])
async def test_other_methods_are_named(store: Store, method: str) -> None:
    line = await store.server.line()
    line.send(head(method, target(await store.put(5)), "content-length: 0"))
    status, headers, body = await line.response()
    assert (status, json.loads(body)["error"]["code"]) == (405, "METHOD_NOT_ALLOWED")
    assert headers["allow"] == "GET, HEAD, OPTIONS, PUT"


@pytest.mark.parametrize(
    "path",
    [
        "../secrets/master_key",
        "..%2f..%2fsecrets/master_key",
        "%2e%2e/secrets/master_key",
        "users/u/../../../secrets/master_key",
        "/etc/passwd",
        "users%00/u/f",
        ".uploads/x",
        "users//u/f",
        "users\\u\\f",
        "%ff%fe",
        "x" * 5000,
    ],
)
async def test_paths_lead_nowhere_else(store: Store, path: str) -> None:
    """With a query that is genuine for another key, and with none."""
    await store.stored(b"x")
    secret = store.root.parent / "secrets"  # a neighbour, as in a data directory
    secret.mkdir()
    (secret / "master_key").write_text("secret")
    query = urlsplit((await store.get()).url).query
    line = await store.server.line()
    for tail in (f"?{query}", ""):
        line.send(head("GET", f"/v1/storage/objects/{path}{tail}"))
        assert await refusal(line) == REFUSED
        line.send(head("PUT", f"/v1/storage/objects/{path}{tail}", "content-length: 0"))
        assert await refusal(line) == REFUSED


async def test_a_key_that_we_would_never_sign_is_not_signed(store: Store) -> None:
    for key in ("../x", "a/../../x", ".uploads/x", "a\nb"):
        with pytest.raises(ValueError, match="key"):
            await store.get(key)


@pytest.mark.parametrize(
    "query",
    [
        "",
        "signature=",
        "signature=" + "0" * 64,
        "signature=" + "0" * 63 + "%C3%A9",
        "expires=9999999999999&size=5&type=image%2Fpng&signature=" + "0" * 64,
        "expires=soon&signature=" + "f" * 64,
        "%ff=%fe",
        "&&&",
        "a=b;c=d",
        "signature[]=x",
    ],
)
async def test_made_up_queries_are_refused(store: Store, query: str) -> None:
    line = await store.server.line()
    for method in ("PUT", "GET"):
        line.send(head(method, f"/v1/storage/objects/{KEY}?{query}", "content-length: 0"))
        assert await refusal(line) == REFUSED


async def test_nothing_can_be_added_to_a_query(store: Store) -> None:
    line = await store.server.line()
    await store.stored(b"x")
    signed = await store.get()
    for addition in ("&x=y", "&type=text%2Fhtml", "&name=b.exe", "&expires=9999999999999"):
        line.send(head("GET", target(signed) + addition))
        assert await refusal(line) == REFUSED
    upload = await store.put(5)
    for addition in ("&size=6", "&part=1&upload=" + "0" * 32):
        line.send(head("PUT", target(upload) + addition, "content-type: image/png", "content-length: 0"))
        assert await refusal(line) == REFUSED
    line.send(head("PUT", target(signed), "content-length: 0"))
    assert await refusal(line) == REFUSED
    line.send(head("GET", target(upload)))
    assert await refusal(line) == REFUSED


async def test_another_installation_signs_differently(store: Store) -> None:
    await store.stored(b"x")
    foreign = UrlSigner(b"\1" * 32, f"http://127.0.0.1:{store.server.port}", store.clock)
    other = LocalBlobs(store.root, foreign)
    request = await other.presign_get(KEY, file_name="a", content_type="image/png", expires_in=60)
    await other.close()
    line = await store.server.line()
    line.send(head("GET", target(request)))
    assert await refusal(line) == REFUSED


async def test_urls_end_to_the_millisecond(store: Store) -> None:
    await store.stored(b"x")
    request, late = await store.get(), await store.put(1, "users/u/late")
    line = await store.server.line()
    store.clock.time = request.expires_at - 1
    line.send(head("GET", target(request)))
    assert (await line.response())[0] == 200
    store.clock.time += 1
    line.send(head("GET", target(request)))
    assert await refusal(line) == REFUSED
    line.send(upload_head(late, 1) + b"x")
    assert await refusal(line) == REFUSED
    assert store.lie() == ["users/u/f"]


async def test_a_wrong_size_is_refused_before_the_body_is_read(store: Store) -> None:
    request = await store.put(5)
    for lines in (["content-length: 1099511627776"], ["transfer-encoding: chunked"], []):
        line = await store.server.line()
        line.send(head("PUT", target(request), "content-type: image/png", *lines, "expect: 100-continue"))
        assert await refusal(line) == REFUSED  # not 100
    assert store.lie() == []


async def test_a_refused_body_ends_the_connection(store: Store) -> None:
    line = await store.server.line()
    line.send(head("PUT", "/v1/storage/objects/a?b=c", "content-length: 100000000") + bytes(1000))
    status, headers, _ = await line.response()
    assert (status, headers["connection"]) == (403, "close")
    assert await line.ended() == b""


async def test_waiting_clients_are_told_to_send(store: Store) -> None:
    line = await store.server.line()
    line.send(upload_head(await store.put(5), 5, "expect: 100-continue"))
    interim, _ = await line.response_head()
    assert interim.startswith(b"HTTP/1.1 100 ")
    line.send(b"hello")
    assert (await line.response())[0] == 200


async def test_a_used_url_is_used_up(store: Store) -> None:
    line = await store.server.line()
    request = await store.put(5)
    line.send(upload_head(request, 5) + b"hello")
    assert (await line.response())[0] == 200
    line.send(upload_head(request, 5) + b"world")
    assert await refusal(line) == REFUSED
    await store.blobs.delete([KEY])
    line = await store.server.line()
    line.send(upload_head(request, 5) + b"world")
    assert await refusal(line) == REFUSED
    assert store.lie() == []


async def test_deleting_ends_an_upload_that_runs(store: Store) -> None:
    line = await store.server.line()
    line.send(upload_head(await store.put(5), 5) + b"hel")
    await until(lambda: store.lie() != [])
    await store.blobs.delete([KEY])
    line.send(b"lo")
    assert await refusal(line) == REFUSED
    assert store.lie() == []


async def test_a_client_that_leaves_leaves_nothing(store: Store) -> None:
    request = await store.put(5 * MIB)
    for leave in ("reset", "end"):
        line = await store.server.line()
        line.send(upload_head(request, 5 * MIB) + bytes(3 * MIB))
        await until(lambda: any((store.root / path).stat().st_size >= MIB for path in store.lie()))
        if leave == "reset":
            line.reset()
        else:
            line.writer.write_eof()
        await until(lambda: store.lie() == [])
    line = await store.server.line()
    line.send(upload_head(request, 5 * MIB) + bytes(5 * MIB))
    assert (await line.response())[0] == 200


async def test_a_silent_upload_is_given_up(tmp_path: Path) -> None:
    async with opened(tmp_path / "objects", silence=0.2) as store:
        line = await store.server.line()
        line.send(upload_head(await store.put(5), 5) + b"hel")
        assert await refusal(line) == (408, "CLIENT_TIMEOUT")
        assert await line.ended() == b""
        assert store.lie() == []


async def test_a_slow_upload_may_take_longer_than_a_request(tmp_path: Path) -> None:
    """Byte for byte, for three times as long as any silence may last."""
    async with opened(tmp_path / "objects", silence=0.2) as store:
        line = await store.server.line()
        left = MIB
        line.send(upload_head(await store.put(left), left))
        clock = asyncio.get_running_loop().time
        end = clock() + 0.6
        while clock() < end and left > 1:
            line.send(b"x")
            left -= 1
            await asyncio.sleep(0)
        line.send(bytes(left))
        assert (await line.response())[0] == 200


async def test_a_reader_that_takes_nothing_is_cut_off(tmp_path: Path) -> None:
    async with opened(tmp_path / "objects", stall_timeout=0.2) as store:
        await store.stored(bytes(30 * MIB))
        line = await store.server.line(receive_buffer=4096)
        line.reader._transport.pause_reading()  # type: ignore[attr-defined]  # the kernel's buffers fill up
        line.send(head("GET", target(await store.get())))
        connections = store.server.server.server_state.connections
        await until(lambda: connections)
        await until(lambda: not connections)
        await until(lambda: not open_files(store.root))


async def test_a_reader_that_leaves_frees_the_object(store: Store) -> None:
    await store.stored(bytes(30 * MIB))
    line = await store.server.line()
    line.send(head("GET", target(await store.get())))
    await line.response_head()
    assert open_files(store.root)
    line.reset()
    await until(lambda: not open_files(store.root))


def open_files(root: Path) -> list[str]:
    """Objects that this process holds open."""
    found = []
    for link in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            path = str(link.readlink())
            if path.startswith(str(root)):
                found.append(path)
    return found


async def test_head_and_refused_ranges_leave_no_file_open(store: Store) -> None:
    await store.stored(bytes(100))
    line = await store.server.line()
    path = target(await store.get())
    line.send(
        head("HEAD", path) + head("GET", path, "range: bytes=100-") + head("HEAD", path, "range: bytes=5-9")
    )
    raw, fields = await line.response_head()
    assert (raw[:12], fields["content-length"], fields["accept-ranges"]) == (b"HTTP/1.1 200", "100", "bytes")
    assert await refusal(line) == (416, "RANGE_NOT_SATISFIABLE")
    raw, fields = await line.response_head()
    assert (raw[:12], fields["content-length"]) == (b"HTTP/1.1 206", "5")
    assert open_files(store.root) == []


@pytest.mark.parametrize(
    "value",
    ["bytes=", "bytes=-", "bytes=9-5", "bytes=0-1,5-6", "lines=0-5", "bytes=a-b", "0-5", "bytes=0x1-5"],
)
async def test_what_is_no_single_range_gets_the_whole(store: Store, value: str) -> None:
    await store.stored(b"0123456789")
    line = await store.server.line()
    line.send(head("GET", target(await store.get()), f"range: {value}"))
    status, headers, body = await line.response()
    assert (status, body) == (200, b"0123456789")
    assert "content-range" not in headers


async def test_a_range_of_another_version_gets_the_whole(store: Store) -> None:
    await store.stored(b"0123456789")
    line = await store.server.line()
    path = target(await store.get())
    line.send(head("HEAD", path))
    etag = (await line.response_head())[1]["etag"]
    for condition, status in ((etag, 206), ('"other"', 200), ("Sat, 31 Jan 2026 12:00:00 GMT", 200)):
        line.send(head("GET", path, "range: bytes=0-3", f"if-range: {condition}"))
        assert (await line.response())[0] == status


@pytest.mark.parametrize("value", ["bytes=10-", "bytes=-0", "bytes=999999999999999999-"])
async def test_ranges_outside_are_refused(store: Store, value: str) -> None:
    await store.stored(b"0123456789")
    line = await store.server.line()
    line.send(head("GET", target(await store.get()), f"range: {value}"))
    assert await refusal(line) == (416, "RANGE_NOT_SATISFIABLE")


async def test_a_deleted_object_is_missing_to_a_url_that_lives(store: Store) -> None:
    await store.stored(b"x")
    request = await store.get()
    await store.blobs.delete([KEY])
    line = await store.server.line()
    line.send(head("GET", target(request)))
    assert await refusal(line) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    "name", ['a"\r\nX: y.html', "日本 語.pdf", "..", "\u202egpj.exe", "a\x00b", "\ud800"]
)
async def test_no_name_breaks_the_header(store: Store, name: str) -> None:
    await store.stored(b"x")
    line = await store.server.line()
    line.send(head("GET", target(await store.get(name=name))))
    status, headers, _ = await line.response()
    assert status == 200
    disposition = headers["content-disposition"]
    assert disposition.startswith('attachment; filename="')
    assert disposition.isascii()
    assert disposition.endswith(f"filename*=UTF-8''{quote(name.encode('utf-8', 'replace'), safe='')}")
    assert "x" not in headers


async def test_a_stopping_server_takes_nothing_new(tmp_path: Path) -> None:
    async with opened(tmp_path / "objects") as store:
        store.application.edge = object_edge(store.blobs, draining=lambda: True)
        line = await store.server.line()
        line.send(upload_head(await store.put(5), 5) + b"hello")
        assert await refusal(line) == (503, "SHUTTING_DOWN")


async def test_a_stop_that_cannot_wait_tells_the_client(store: Store) -> None:
    stopping = False
    store.application.edge = object_edge(store.blobs, draining=lambda: stopping)
    line = await store.server.line()
    line.send(upload_head(await store.put(5), 5) + b"hel")
    await until(lambda: store.lie() != [])
    stopping = True
    for task in store.server.server.server_state.tasks:  # what uvicorn does when its time is over
        task.cancel()
    assert await refusal(line) == (503, "SHUTTING_DOWN")
    assert store.lie() == []


async def test_a_full_disk_is_the_stores_fault(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "pwrite", full)
    line = await store.server.line()
    line.send(upload_head(await store.put(5), 5) + b"hello")
    status, headers, body = await line.response()
    assert (status, json.loads(body)["error"]["code"]) == (503, "STORAGE_UNAVAILABLE")
    assert headers["retry-after"] == "5"
    assert b"space" not in body
    monkeypatch.undo()
    assert store.lie() == []


async def test_a_part_begun_anew_ends_the_one_before(store: Store) -> None:
    """The connection of the first broke without a word; the second brings the part."""
    upload_id = await store.blobs.begin_multipart(KEY, size=2 * MIB, part_size=MIB, content_type="a/b")
    request = await store.blobs.presign_part(KEY, upload_id, 2, size=MIB, expires_in=60)
    first, second = await store.server.line(), await store.server.line()
    first.send(upload_head(request, MIB) + b"1" * (MIB - 1))
    await until(lambda: open_files(store.root))
    second.send(upload_head(request, MIB) + b"2" * MIB)
    assert (await second.response())[0] == 200
    first.send(b"1")
    assert await refusal(first) == REFUSED
    third = await store.blobs.presign_part(KEY, upload_id, 1, size=MIB, expires_in=60)
    second.send(upload_head(third, MIB) + b"3" * MIB)
    assert (await second.response())[0] == 200
    parts = await store.blobs.parts(KEY, upload_id)
    await store.blobs.complete_multipart(KEY, upload_id, parts)
    assert await store.blobs.read(KEY, at_most=2 * MIB) == b"3" * MIB + b"2" * MIB


async def test_aborting_ends_a_part_that_runs(store: Store) -> None:
    upload_id = await store.blobs.begin_multipart(KEY, size=MIB, part_size=MIB, content_type="a/b")
    request = await store.blobs.presign_part(KEY, upload_id, 1, size=MIB, expires_in=60)
    line = await store.server.line()
    line.send(upload_head(request, MIB) + bytes(MIB - 1))
    await until(lambda: open_files(store.root))
    await store.blobs.abort_multipart(KEY, upload_id)
    assert store.lie() == []
    line.send(b"x")
    assert await refusal(line) == REFUSED
    assert store.lie() == []


async def test_memory_does_not_grow_with_the_object(store: Store) -> None:
    """128 MiB up and down, the client in the same process: a few pieces are held at any time."""
    count, piece = 128, bytes(MIB)
    line = await store.server.line()
    upload, download = await store.put(count * MIB), await store.get()
    tracemalloc.start()
    try:
        line.send(upload_head(upload, count * MIB))
        for _ in range(count):
            line.send(piece)
            await line.writer.drain()
        assert (await line.response())[0] == 200
        line.send(head("GET", target(download)))
        _, fields = await line.response_head()
        left = int(fields["content-length"])
        while left:
            left -= len(await line.reader.read(left))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # The client's reader buffers up to 32 MiB of what it does not take at once.
    assert peak < 45 * MIB, f"{peak / MIB:.0f} MiB"
