"""Requests that never reach the application, and those around them that must not be disturbed."""

import asyncio
import json
from functools import partial
from typing import Any

import pytest

from tests.unit.serving import Line, Serving, serving, until


class App:
    """Answers with what it was asked, in the order and at the time that the test says."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.headers: list[dict[bytes, bytes]] = []
        self.bodies: list[bytes] = []
        self.disconnects = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.early = False  # answer before the body is read

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.seen.append(scope["path"])
        self.headers.append(dict(scope["headers"]))
        body = b""
        while not self.early:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.disconnects += 1
                return
            body += message["body"]
            if not message["more_body"]:
                break
        self.bodies.append(body)
        await self.gate.wait()
        content = scope["path"].encode()
        await send(
            {
                "type": "http.response.start",
                "status": 200,
                "headers": [(b"content-length", b"%d" % len(content))],
            }
        )
        await send({"type": "http.response.body", "body": content})


def get(path: str, *headers: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "host: test", *headers, "", ""]).encode("latin-1")


async def refusal(line: Line, status: int, code: str) -> Any:
    """The next response is this error, and the last."""
    got, headers, body = await line.response()
    assert (got, headers["connection"]) == (status, "close")
    assert headers["content-type"] == "application/json"
    assert "date" in headers
    error = json.loads(body)["error"]
    assert error["code"] == code
    assert await line.ended() == b""
    return error


async def gone(place: Serving) -> None:
    await until(lambda: not place.server.server_state.connections)


async def test_ordinary_requests_pass() -> None:
    app = App()
    async with serving(app) as place:
        line = await place.line()
        for path in ("/one", "/two"):
            line.send(get(path))
            assert (await line.response())[2] == path.encode()
        line.send(b"POST /three HTTP/1.1\r\ncontent-length: 5\r\n\r\nhe")
        await until(lambda: app.seen[-1] == "/three")
        line.send(b"llo")
        assert (await line.response())[2] == b"/three"
        assert app.bodies[-1] == b"hello"


# GET SP … SP HTTP/1.1 is 13 bytes beside the target.
async def test_a_request_line_of_exactly_the_limit_passes() -> None:
    app = App()
    async with serving(app) as place:
        line = await place.line()
        line.send(get("/" + "x" * (8_192 - 13 - 1)))
        assert (await line.response())[0] == 200


@pytest.mark.parametrize("size", [8_192 - 13 + 1, 100_000])
@pytest.mark.parametrize("pieces", [1, 7])
async def test_a_long_request_line(size: int, pieces: int) -> None:
    app = App()
    async with serving(app) as place:
        line = await place.line()
        await say(line, get("/" + "x" * (size - 1)), pieces)
        await refusal(line, 414, "URI_TOO_LONG")
        await line.hang_up()
        await gone(place)
        assert app.seen == []


async def say(line: Line, data: bytes, pieces: int) -> None:
    """Send `data` in so many pieces, each in a packet of its own."""
    step = -(-len(data) // pieces)
    for start in range(0, len(data), step):
        line.send(data[start : start + step])
        for _ in range(3):
            await asyncio.sleep(0)


async def test_a_request_line_that_never_ends() -> None:
    async with serving(App()) as place:
        line = await place.line()
        line.send(b"GET /" + b"x" * 9_000)
        await refusal(line, 414, "URI_TOO_LONG")


@pytest.mark.parametrize("pieces", [1, 7])
@pytest.mark.parametrize(
    "headers",
    [
        ["x-long: " + "y" * 16_384],
        [f"x-{number:03}: {'y' * 100}" for number in range(200)],
    ],
)
async def test_large_headers(headers: list[str], pieces: int) -> None:
    app = App()
    async with serving(app) as place:
        line = await place.line()
        await say(line, get("/", *headers), pieces)
        await refusal(line, 431, "HEADERS_TOO_LARGE")
        assert app.seen == []


async def test_headers_of_exactly_the_limit_pass() -> None:
    async with serving(App()) as place:
        line = await place.line()
        # "host: test" and its line end take 12 bytes, name, colon, blank and line end of the other 10.
        line.send(get("/", "x-long: " + "y" * (16_384 - 12 - 10)))
        assert (await line.response())[0] == 200


async def test_a_header_that_never_ends_is_not_collected() -> None:
    async with serving(App()) as place:
        line = await place.line()
        line.send(b"GET / HTTP/1.1\r\nx-long: " + b"y" * 17_000)
        await refusal(line, 431, "HEADERS_TOO_LARGE")


async def test_large_headers_behind_other_requests_in_one_piece() -> None:
    app = App()
    async with serving(app) as place:
        line = await place.line()
        many = 300
        line.send(get("/small", "x: " + "z" * 60) * many + get("/large", "y: " + "z" * 20_000))
        for _ in range(many):
            assert (await line.response())[2] == b"/small"
        await refusal(line, 431, "HEADERS_TOO_LARGE")
        assert len(app.seen) == many


async def test_many_small_requests_in_one_piece_are_not_one_large_head() -> None:
    async with serving(App()) as place:
        line = await place.line()
        many = 1_000
        whole = get("/small", "x: " + "z" * 60) * many
        line.send(whole[:-10])
        for _ in range(many - 1):
            assert (await line.response())[2] == b"/small"
        line.send(whole[-10:])
        assert (await line.response())[2] == b"/small"


@pytest.mark.parametrize(
    "wrong",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # a TLS hello
        b"NONSENSE / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/2.0\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nname : value\r\n\r\n",
        b"GET / HTTP/1.1\r\nname: a\x00b\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\n\r\n",
        b"GET http://test HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"CONNECT test:443 HTTP/1.1\r\nhost: test:443\r\n\r\n",
    ],
)
async def test_unreadable_requests(wrong: bytes) -> None:
    app = App()
    async with serving(app) as place:
        line = await place.line()
        line.send(get("/before"))
        assert (await line.response())[0] == 200
        line.send(wrong)
        error = await refusal(line, 400, "VALIDATION_ERROR")
        assert [detail["field"] for detail in error["details"]] == ["request"]
        assert app.seen == ["/before"]


async def test_an_error_waits_for_the_answers_before_it() -> None:
    app = App()
    app.gate.clear()
    async with serving(app) as place:
        line = await place.line()
        line.send(get("/one") + get("/two") + b"nonsense\r\n\r\n" + get("/three"))
        await until(lambda: app.seen)
        app.gate.set()
        assert (await line.response())[2] == b"/one"
        assert (await line.response())[2] == b"/two"
        await refusal(line, 400, "VALIDATION_ERROR")
        assert app.seen == ["/one", "/two"]


async def test_an_error_behind_a_last_request_is_not_said() -> None:
    app = App()
    app.gate.clear()
    async with serving(app) as place:
        line = await place.line()
        line.send(get("/one", "connection: close"))
        await until(lambda: app.seen)
        line.send(b"nonsense\r\n\r\n")
        app.gate.set()
        assert (await line.response())[2] == b"/one"
        assert await line.ended() == b""


async def test_a_broken_body_ends_the_request() -> None:
    app = App()
    async with serving(app) as place:
        line = await place.line()
        line.send(b"POST /body HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n")
        await until(lambda: app.seen)
        line.send(b"zz\r\n")
        await refusal(line, 400, "VALIDATION_ERROR")
        await until(lambda: app.disconnects)


async def test_a_broken_body_behind_a_request() -> None:
    app = App()
    app.gate.clear()
    async with serving(app) as place:
        line = await place.line()
        line.send(get("/one") + b"POST /body HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n")
        await until(lambda: app.seen)
        app.gate.set()
        assert (await line.response())[2] == b"/one"
        await refusal(line, 400, "VALIDATION_ERROR")
        assert app.seen == ["/one"]


async def test_a_broken_rest_of_an_answered_request() -> None:
    app = App()
    app.early = True
    async with serving(app) as place:
        line = await place.line()
        line.send(b"POST /body HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n")
        assert (await line.response())[2] == b"/body"
        line.send(b"zz\r\n")
        assert await line.ended() == b""


async def test_a_broken_body_after_the_answer_began() -> None:
    started = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"10")]})
        await send({"type": "http.response.body", "body": b"half ", "more_body": True})
        started.set()
        while (await receive())["type"] != "http.disconnect":
            pass

    async with serving(app) as place:
        line = await place.line()
        line.send(b"POST /body HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n")
        await started.wait()
        line.send(b"zz\r\n")
        assert (await line.ended()).endswith(b"\r\n\r\nhalf ")


async def test_trailers_are_no_headers_and_have_a_limit() -> None:
    app = App()
    start = b"POST /body HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n"
    async with serving(app) as place:
        line = await place.line()
        line.send(start + b"authorization: Bearer forged\r\n\r\n")
        assert (await line.response())[0] == 200
        assert b"authorization" not in app.headers[0]
        line.send(start)
        await until(lambda: len(app.seen) == 2)
        for _ in range(3):
            line.send(b"x" * 8_000)
            await asyncio.sleep(0)
        await refusal(line, 431, "HEADERS_TOO_LARGE")


async def test_bodies_are_not_headers() -> None:
    app = App()
    async with serving(app) as place:
        line = await place.line()
        line.send(b"POST /body HTTP/1.1\r\ncontent-length: 1000000\r\n\r\n" + b"x" * 1_000_000)
        assert (await line.response())[0] == 200
        chunk = b"400\r\n" + b"x" * 1_024 + b"\r\n"
        line.send(b"POST /body HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n" + chunk * 500 + b"0\r\n\r\n")
        assert (await line.response())[0] == 200
        assert [len(body) for body in app.bodies] == [1_000_000, 512_000]


# Time.


async def test_nothing_arrives() -> None:
    async with serving(App(), header_timeout=0.05) as place:
        line = await place.line()
        assert await line.ended() == b""


async def test_headers_that_take_too_long() -> None:
    app = App()
    async with serving(app, header_timeout=0.05) as place:
        line = await place.line()
        line.send(b"GET / HTTP/1.1\r\nhost: te")
        await refusal(line, 408, "CLIENT_TIMEOUT")
        assert app.seen == []


async def test_later_headers_that_take_too_long() -> None:
    async with serving(App(), header_timeout=0.05) as place:
        line = await place.line()
        line.send(get("/one") + b"GET / HT")
        assert (await line.response())[2] == b"/one"
        await refusal(line, 408, "CLIENT_TIMEOUT")


async def test_stray_line_ends_do_not_keep_a_connection() -> None:
    async with serving(App(), header_timeout=0.5) as place:
        line = await place.line()
        line.send(get("/one"))
        assert (await line.response())[2] == b"/one"
        line.send(b"\r\n")
        assert await line.ended() == b""


async def test_a_slow_application_is_not_the_clients_fault() -> None:
    app = App()
    app.gate.clear()
    app.early = True  # who reads a body makes uvicorn read on
    async with serving(app, header_timeout=0.05) as place:
        line = await place.line()
        line.send(get("/one") + get("/two") + b"GET /three")  # reading stops at the second
        await until(lambda: app.seen)
        connection: Any = next(iter(place.server.server_state.connections))
        first = connection._deadline
        await until(lambda: connection._deadline is not first)
        app.gate.set()
        line.send(b" HTTP/1.1\r\n\r\n")
        for path in (b"/one", b"/two", b"/three"):
            assert (await line.response())[2] == path


async def test_a_running_request_has_no_timer() -> None:
    app = App()
    app.gate.clear()
    async with serving(app) as place:
        line = await place.line()
        await until(lambda: place.server.server_state.connections)
        connection: Any = next(iter(place.server.server_state.connections))
        assert connection._deadline is not None
        line.send(get("/one"))
        await until(lambda: app.seen)
        assert connection._deadline is None
        app.gate.set()
        assert (await line.response())[0] == 200
        assert connection._deadline is None
        assert connection.timeout_keep_alive_task is not None


async def test_the_rest_of_an_answered_request_may_not_take_for_ever() -> None:
    app = App()
    app.early = True
    async with serving(app, header_timeout=0.05) as place:
        line = await place.line()
        line.send(b"POST /body HTTP/1.1\r\ncontent-length: 1000\r\n\r\nhalf")
        assert (await line.response())[0] == 200
        line.send(b"more")
        assert await line.ended() == b""


async def test_the_answer_reaches_a_peer_that_is_still_sending() -> None:
    async with serving(App()) as place:
        line = await place.line()
        line.send(b"GET / HTTP/1.1\r\nx: " + b"y" * 3_000_000)
        await refusal(line, 431, "HEADERS_TOO_LARGE")


# Upgrades.


async def test_a_socket_waits_for_the_answers_before_it() -> None:
    app = App()
    app.gate.clear()
    async with serving(app) as place:
        line = await place.line()
        line.send(get("/one") + get("/two") + Line.request() + b"\x81\x82abcd" + bytes(2))
        await until(lambda: app.seen)
        assert place.door.requests == []
        app.gate.set()
        assert (await line.response())[2] == b"/one"
        assert (await line.response())[2] == b"/two"
        head, _ = await line.response_head()
        assert head.startswith(b"HTTP/1.1 101 ")
        visit = await place.visit()
        await until(lambda: visit.texts)
        assert visit.texts == [b"ab"]


async def test_a_socket_keeps_nothing_of_its_request() -> None:
    async with serving() as place:
        line = await place.line()
        await until(lambda: place.server.server_state.connections)
        http: Any = next(iter(place.server.server_state.connections))
        await line.upgrade()
        assert http not in place.server.server_state.connections
        assert (http.parser, http._deadline) == (None, None)


async def test_limits_hold_for_upgrades() -> None:
    async with serving() as place:
        line = await place.line()
        line.send(Line.request("/" + "x" * 9_000))
        await refusal(line, 414, "URI_TOO_LONG")
        other = await place.line()
        other.send(Line.request(headers={"x": "y" * 17_000}))
        await refusal(other, 431, "HEADERS_TOO_LARGE")
        assert place.door.requests == []


async def test_other_upgrades_are_ordinary_requests() -> None:
    app = App()
    async with serving(app) as place:
        line = await place.line()
        h2c = "upgrade: h2c\r\nconnection: Upgrade, HTTP2-Settings\r\nhttp2-settings: AAMAAABk\r\n"
        post = f"POST /body HTTP/1.1\r\nhost: test\r\n{h2c}content-length: 5\r\n\r\nhello".encode()
        line.send(post + get("/next", *h2c.split("\r\n")[:3]) + get("/last"))
        for path in (b"/body", b"/next", b"/last"):
            assert (await line.response())[2] == path
        assert app.bodies == [b"hello", b"", b""]
        assert b"upgrade" not in app.headers[0]
        line.send(post[:-2])
        await until(partial(has_seen, app, 4))
        line.send(post[-2:])
        assert (await line.response())[2] == b"/body"
        assert app.bodies[-1] == b"hello"


def has_seen(app: App, count: int) -> bool:
    return len(app.seen) >= count


async def test_thousands_of_other_upgrades_in_one_piece() -> None:
    app = App()
    async with serving(app) as place:
        line = await place.line()
        many = 1_500
        line.send(b"GET /a HTTP/1.1\r\nupgrade: h2c\r\nconnection: upgrade\r\n\r\n" * many)
        for _ in range(many):
            assert (await line.response())[2] == b"/a"


async def test_shutdown_finishes_the_request_that_runs() -> None:
    app = App()
    app.gate.clear()
    async with serving(app) as place:
        line, idle = await place.line(), await place.line()
        line.send(get("/one"))
        idle.send(b"GET /half")
        await until(lambda: app.seen and len(place.server.server_state.connections) == 2)
        stopping = asyncio.create_task(place.server.shutdown())
        assert await idle.ended() == b""
        app.gate.set()
        _, headers, body = await line.response()
        assert (headers["connection"], body) == ("close", b"/one")
        await stopping
