"""Reading objects over real connections: readers that leave, ranges, names."""

from pathlib import Path
from urllib.parse import quote

import pytest

from tests.unit.http.objects import KEY, MIB, Store, head, open_files, opened, refusal, target
from tests.unit.serving import until


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
