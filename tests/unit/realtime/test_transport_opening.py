"""From an HTTP request to an open socket."""

import asyncio
from typing import Any

import msgspec
import pytest
from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from secureconnect.edge.realtime.transport import TransportLimits
from secureconnect.edge.realtime.wire import text_frame
from secureconnect.kit.errors import ApiError, ErrorCode
from tests.unit.serving import Door, Line, Visit, frame, serving, until


def echo(visit: Visit, payload: bytes) -> None:
    visit.socket.send(text_frame(payload))


def code_of(body: bytes) -> Any:
    return msgspec.json.decode(body)["error"]["code"]


async def test_a_client_is_let_in_and_heard() -> None:
    door = Door()
    door.on_text = echo
    async with serving(door=door) as place:
        offer = [Subprotocol("secureconnect.v1"), Subprotocol("bearer.secret")]
        async with connect(place.url + "?ticket=a%20b", subprotocols=offer) as client:
            assert client.subprotocol == "secureconnect.v1"
            assert client.response is not None
            # The client offers permessage-deflate; it is never negotiated.
            assert "Sec-WebSocket-Extensions" not in client.response.headers
            await client.send("grüße")
            assert await client.recv() == "grüße"
        request = door.requests[0]
        assert (request.method, request.path, request.query) == ("GET", "/v1/ws/chat", b"ticket=a%20b")
        assert request.headers["sec-websocket-protocol"] == "secureconnect.v1, bearer.secret"
        assert (request.peer, request.secure) == ("127.0.0.1", False)
        await until(lambda: door.visits[0].codes)
        assert door.visits[0].codes == [1000]


async def test_it_serves_uvicorns_own_http_protocol_too() -> None:
    door = Door()
    door.on_text = echo
    door.subprotocol = None
    async with serving(door=door, stock_http=True) as place, connect(place.url) as client:
        await client.send("hello")
        assert await client.recv() == "hello"


async def test_repeated_headers_are_joined_and_the_path_is_decoded() -> None:
    async with serving() as place:
        line = await place.line()
        request = Line.request("/v1/%C3%BC?x=1#part").replace(
            b"\r\n\r\n", b"\r\nX-One: 1\r\nx-one:  2 \r\n\r\n"
        )
        line.send(request)
        await place.visit()
        assert place.door.requests[0].headers["x-one"] == "1, 2"
        assert place.door.requests[0].path == "/v1/ü"
        assert place.door.requests[0].query == b"x=1"


async def test_without_a_subprotocol_none_is_named() -> None:
    door = Door()
    door.subprotocol = None
    async with serving(door=door) as place, connect(place.url) as client:
        assert client.subprotocol is None


async def test_a_refusal_is_a_whole_http_response() -> None:
    door = Door()
    door.fault = ApiError(ErrorCode.ORIGIN_NOT_ALLOWED)
    async with serving(door=door) as place:
        line = await place.line()
        line.send(Line.request())
        status, headers, body = await line.response()
        assert (status, headers["connection"], code_of(body)) == (403, "close", "ORIGIN_NOT_ALLOWED")
        assert headers["content-type"] == "application/json"
        assert "date" in headers
        assert await line.ended() == b""
        assert door.refused == [door.fault]
        assert (door.visits, door.abandoned) == ([], 0)


async def test_a_defect_of_the_gate_is_answered() -> None:
    door = Door()
    door.fault = RuntimeError("broken")
    async with serving(door=door) as place:
        line = await place.line()
        line.send(Line.request())
        status, _, body = await line.response()
        assert (status, code_of(body)) == (500, "INTERNAL_ERROR")


@pytest.mark.parametrize(
    ("headers", "field"),
    [
        ({"sec-websocket-key": None}, "Sec-WebSocket-Key"),
        ({"sec-websocket-key": "short"}, "Sec-WebSocket-Key"),
        ({"sec-websocket-key": "ü" * 24}, "Sec-WebSocket-Key"),
        ({"sec-websocket-version": "8"}, "Sec-WebSocket-Version"),
        ({"sec-websocket-version": None}, "Sec-WebSocket-Version"),
        ({"sec-websocket-protocol": "a,,\x80"}, "Sec-WebSocket-Protocol"),
    ],
)
async def test_bad_handshake_headers(headers: dict[str, str | None], field: str) -> None:
    async with serving() as place:
        line = await place.line()
        line.send(Line.request(headers=headers))
        status, _, body = await line.response()
        assert (status, code_of(body)) == (400, "VALIDATION_ERROR")
        assert [detail.field for detail in place.door.refused[0].details] == [field]
        # It had been let in: the place is given back.
        assert (place.door.visits, place.door.abandoned) == ([], 1)


async def test_who_is_refused_learns_nothing_about_its_headers() -> None:
    door = Door()
    door.fault = ApiError(ErrorCode.UNAUTHORIZED)
    async with serving(door=door) as place:
        line = await place.line()
        line.send(Line.request(headers={"sec-websocket-key": None}))
        assert (await line.response())[0] == 401


async def test_only_get_becomes_a_socket() -> None:
    async with serving() as place:
        line = await place.line()
        line.send(Line.request(method="POST"))
        status, _, body = await line.response()
        assert (status, code_of(body)) == (405, "METHOD_NOT_ALLOWED")


async def test_an_absolute_url_without_path_is_unreadable() -> None:
    async with serving() as place:
        line = await place.line()
        line.send(Line.request("http://test"))
        status, _, body = await line.response()
        assert (status, code_of(body)) == (400, "VALIDATION_ERROR")
        assert place.door.requests == []


async def test_frames_in_one_piece_with_the_request_are_kept() -> None:
    async with serving() as place:
        line = await place.line()
        await line.upgrade(frame(1, b"one") + frame(1, b"two"))
        visit = await place.visit()
        await until(lambda: len(visit.texts) == 2)
        assert visit.texts == [b"one", b"two"]


async def test_what_arrives_while_the_gate_decides_is_kept_and_bounded() -> None:
    door = Door()
    door.decide = asyncio.Event()
    limits = TransportLimits(early_bytes=2_000)
    async with serving(door=door, limits=limits) as place:
        line = await place.line()
        line.send(Line.request())
        await until(lambda: door.requests)
        total = 2_000
        for number in range(total):
            line.send(frame(1, b"%d" % number + b" " * 900))
        connection: Any = next(iter(place.server.server_state.connections))
        await until(lambda: not connection.transport.is_reading())
        assert len(connection._upgrade.early) < 1_000_000  # at most one read past the bound, of 1.8 MB
        door.decide.set()
        visit = await place.visit()
        await until(lambda: len(visit.texts) == total)
        assert [int(text) for text in visit.texts] == list(range(total))


@pytest.mark.parametrize("way", ["reset", "half_close"])
async def test_a_peer_that_vanishes_while_the_gate_decides(way: str) -> None:
    door = Door()
    door.decide = asyncio.Event()
    async with serving(door=door) as place:
        line = await place.line()
        line.send(Line.request())
        await until(lambda: door.requests)
        if way == "reset":
            line.reset()
        else:
            line.writer.write_eof()
        await until(lambda: not place.server.server_state.connections)
        door.decide.set()
        await until(lambda: door.abandoned)
        assert (door.abandoned, door.visits) == (1, [])


async def test_shutdown_while_the_gate_decides() -> None:
    door = Door()
    door.decide = asyncio.Event()
    async with serving(door=door) as place:
        line = await place.line()
        line.send(Line.request())
        await until(lambda: door.requests)
        for connection in list(place.server.server_state.connections):
            connection.shutdown()
        status, _, body = await line.response()
        assert (status, code_of(body)) == (503, "SHUTTING_DOWN")
        assert 1 <= (door.refused[0].retry_after or 0) <= 10
        door.decide.set()
        await until(lambda: door.abandoned)


async def test_a_session_that_fails_to_open() -> None:
    door = Door()
    door.opening_fault = RuntimeError("broken")
    async with serving(door=door) as place:
        line = await place.line()
        await line.upgrade(frame(1, b"anybody there?"))
        assert await line.read_close() == (4500, b'{"code":"internal_error"}')
        assert door.abandoned == 1
