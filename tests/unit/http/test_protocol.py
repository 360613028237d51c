"""Requests that never reach the application: too large, or not readable."""

import asyncio

import pytest

from tests.unit.http.raw_requests import App, get, refusal
from tests.unit.serving import Line, Serving, serving, until


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
