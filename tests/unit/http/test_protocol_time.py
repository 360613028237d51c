"""Requests that take too long, upgrades, and the end of the server."""

import asyncio
from functools import partial
from typing import Any

from tests.unit.http.raw_requests import App, get, refusal
from tests.unit.serving import Line, serving, until


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
