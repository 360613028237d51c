"""Bytes of objects over real connections: broken and stalled transfers, flat memory."""

import asyncio
from pathlib import Path

from tests.unit.http.objects import KEY, MIB, REFUSED, Store, head, opened, refusal, target, upload_head
from tests.unit.serving import until


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
