"""Broken requests, and those around them that must not be disturbed."""

import asyncio
from typing import Any

from tests.unit.http.raw_requests import App, get, refusal
from tests.unit.serving import serving, until


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
