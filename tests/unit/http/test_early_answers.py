"""An answer that ends the connection reaches a peer that is still sending its body."""

import asyncio
from typing import Any

import pytest

from tests.unit.serving import Line, Serving, serving, until

BODY = 4 * 1024 * 1024


async def refuse(scope: Any, receive: Any, send: Any) -> None:
    """Answers without having read the body, and wants no more from this connection."""
    headers = [(b"content-length", b"2"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": b"no"})


async def answer(scope: Any, receive: Any, send: Any) -> None:
    """Answers without having read the body."""
    await send({"type": "http.response.start", "status": 401, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"no"})


async def gone(place: Serving) -> None:
    await until(lambda: not place.server.server_state.connections)


async def send_all(line: Line, data: bytes) -> None:
    """Send it in pieces, as a client does that reads nothing before it has sent everything."""
    for start in range(0, len(data), 65_536):
        line.send(data[start : start + 65_536])
        await line.writer.drain()


@pytest.mark.parametrize("framing", ["content-length", "chunked"])
async def test_a_refusal_reaches_a_peer_that_sends_on(framing: str) -> None:
    async with serving(refuse) as place:
        line = await place.line()
        if framing == "chunked":
            line.send(b"POST / HTTP/1.1\r\nhost: t\r\ntransfer-encoding: chunked\r\n\r\n")
            body = (b"10000\r\n" + bytes(65_536) + b"\r\n") * 64 + b"0\r\n\r\n"
        else:
            line.send(b"POST / HTTP/1.1\r\nhost: t\r\ncontent-length: %d\r\n\r\n" % BODY)
            body = bytes(BODY)
        await send_all(line, body)
        status, headers, content = await line.response()
        assert (status, headers["connection"], content) == (413, "close", b"no")
        assert await line.ended() == b""
        await line.hang_up()
        await gone(place)


async def test_so_does_an_answer_to_a_peer_that_asked_to_close() -> None:
    async with serving(answer) as place:
        line = await place.line()
        line.send(b"POST / HTTP/1.1\r\nhost: t\r\nconnection: close\r\ncontent-length: %d\r\n\r\n" % BODY)
        await send_all(line, bytes(BODY))
        assert (await line.response())[0] == 401
        await line.hang_up()
        await gone(place)


async def test_nothing_that_follows_is_taken_for_a_request() -> None:
    async with serving(refuse) as place:
        line = await place.line()
        line.send(b"POST / HTTP/1.1\r\nhost: t\r\ncontent-length: 5\r\n\r\n")
        assert (await line.response())[0] == 413
        line.send(b"helloGET / HTTP/1.1\r\nhost: t\r\n\r\n")
        assert await line.ended() == b""


async def test_a_peer_that_never_stops_is_cut_off() -> None:
    async with serving(refuse, header_timeout=0.05) as place:
        line = await place.line()
        line.send(b"POST / HTTP/1.1\r\nhost: t\r\ncontent-length: 100000000\r\n\r\n")
        assert (await line.response())[0] == 413

        async def pour() -> None:
            while True:
                line.send(bytes(1_000))
                await line.writer.drain()
                await asyncio.sleep(0.001)

        pouring = asyncio.create_task(pour())
        await gone(place)
        with pytest.raises(ConnectionError):
            await pouring


async def test_with_the_whole_body_there_the_connection_ends_at_once() -> None:
    async with serving(refuse, header_timeout=60) as place:
        line = await place.line()
        line.send(b"POST / HTTP/1.1\r\nhost: t\r\ncontent-length: 5\r\n\r\nhello")
        assert (await line.response())[0] == 413
        assert await line.ended() == b""
        await gone(place)
