"""The gateway between hostile clients and roles that misbehave: one answer, ours, and nothing of others."""

import asyncio
import json
from pathlib import Path

import httpx
import pytest

from tests.scenarios.patience import eventually
from tests.scenarios.pieces import Piece
from tests.scenarios.upstreams import ME, Asked, Fake, gateway, refused, reply

ID = "0b8f7a4e-6f0c-4f6e-9d3e-2f1c5a7b9e11"


async def talk(piece: Piece, data: bytes, *, until: bytes | None = None) -> bytes:
    """What comes back on one connection, up to its end or to `until`."""
    reader, writer = await asyncio.open_connection("127.0.0.1", piece.port, limit=1 << 24)
    writer.write(data)
    async with asyncio.timeout(30):
        answer = await (reader.read(-1) if until is None else reader.readuntil(until))
    writer.close()
    return answer


async def test_what_reaches_a_role(tmp_path: Path) -> None:
    role = Fake()
    async with gateway(tmp_path, role) as piece, httpx.AsyncClient(base_url=piece.url) as client:
        forged = {
            "X-User-ID": ID,
            "X-Forwarded-For": "203.0.113.9",
            "X-Forwarded-Host": "evil.test",
            "X-Request-ID": "mine-1",
            "Connection": "keep-alive, X-Hop",
            "X-Hop": "1",
            "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        }
        answer = await client.get(f"{ME}?a=%2F&b=", headers=forged)
        assert (answer.status_code, answer.json(), len(answer.headers.get_list("date"))) == (200, {}, 1)
        [asked] = role.asked
        assert asked.line == f"GET {ME}?a=%2F&b= HTTP/1.1"
        assert asked.header("x-request-id") == ["mine-1"]
        assert asked.header("x-forwarded-for") == ["127.0.0.1"]
        assert asked.header("traceparent") == [forged["traceparent"]]
        for name in ("x-user-id", "x-forwarded-host", "x-hop"):
            assert asked.header(name) == []
        # What the gateway answers by itself reaches nobody.
        refused(await client.get("/v1/nope"), 404, "NOT_FOUND")
        refused(await client.get(f"{ME}/"), 404, "NOT_FOUND")
        wrong = await client.put("/v1/auth/login")
        refused(wrong, 405, "METHOD_NOT_ALLOWED")
        assert "POST" in wrong.headers["allow"]
        refused(await client.get(f"{ME}?{'x' * 9000}"), 414, "URI_TOO_LONG")
        refused(await client.get(ME, headers={"X": "x" * 20_000}), 431, "HEADERS_TOO_LARGE")
        assert len(role.asked) == 1
        for path in ("/livez", "/health", "/openapi.json", "/asyncapi.json", "/docs", "/metrics"):
            assert (await client.get(path)).status_code == 200
        assert (await client.get("/health")).json()["service"] == "api-gateway"


async def test_bodies_pass_in_both_directions_as_they_come(tmp_path: Path) -> None:
    role, size = Fake(), 12_000_000
    halfway: asyncio.Queue[int] = asyncio.Queue()

    async def echo(asked: Asked) -> None:
        assert asked.header("transfer-encoding") == ["chunked"]
        received = b""
        while line := (await asked.reader.readline()).strip():
            received += await asked.reader.readexactly(int(line, 16))
            await asked.reader.readexactly(2)
            halfway.put_nowait(len(received))
            if line == b"0":
                break
        asked.writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        for at in range(0, len(received), 100_000):
            piece = received[at : at + 100_000]
            asked.writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            await asked.writer.drain()
        asked.writer.write(b"0\r\nx-trailer: dropped\r\n\r\n")

    role.behaviour = echo

    async def slowly() -> object:
        yield b"first"
        while await halfway.get() < 5:  # it is there before the rest is sent
            pass
        for _ in range(size // 60_000):
            yield b"y" * 60_000

    async with gateway(tmp_path, role) as piece, httpx.AsyncClient(base_url=piece.url, timeout=60) as client:
        answer = await client.post("/v1/messages", content=slowly())  # type: ignore[arg-type]
        assert answer.content == b"first" + b"y" * (size // 60_000 * 60_000)
        assert "x-trailer" not in answer.headers


async def test_head_and_ranges_and_redirects_pass(tmp_path: Path) -> None:
    role = Fake()

    async def behaviour(asked: Asked) -> None:
        if asked.line.startswith("HEAD"):
            asked.writer.write(b'HTTP/1.1 200 OK\r\ncontent-length: 5000000\r\netag: "e"\r\n\r\n')
        elif asked.header("range"):
            asked.writer.write(reply("206 Partial Content", b"bcd", "content-range: bytes 1-3/9"))
        else:
            asked.writer.write(reply("302 Found", b"", "location: https://elsewhere.test/a?b"))

    role.behaviour = behaviour
    async with gateway(tmp_path, role) as piece, httpx.AsyncClient(base_url=piece.url) as client:
        for _ in range(2):  # the connection to the role is used again after each of them
            head = await client.head(f"/v1/users/{ID}/avatar")
            assert (head.status_code, head.headers["content-length"], head.content) == (200, "5000000", b"")
            part = await client.get(f"/v1/users/{ID}/avatar", headers={"Range": "bytes=1-3"})
            assert (part.status_code, part.content) == (206, b"bcd")
            moved = await client.get(f"/v1/users/{ID}/avatar")
            assert (moved.status_code, moved.headers["location"]) == (302, "https://elsewhere.test/a?b")
        assert len({asked.writer for asked in role.asked}) == 1


async def test_a_client_that_waits_is_told_to_go_on_by_the_role(tmp_path: Path) -> None:
    role = Fake()

    async def behaviour(asked: Asked) -> None:
        assert asked.header("expect") == ["100-continue"]
        if "no" in asked.line:
            asked.writer.write(reply("401 Unauthorized", b"{}", "connection: close"))
            return
        asked.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        assert await asked.reader.readexactly(4) == b"body"
        asked.writer.write(reply())

    role.behaviour = behaviour
    head = "POST /v1/messages{} HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n"
    async with gateway(tmp_path, role) as piece:
        reader, writer = await asyncio.open_connection("127.0.0.1", piece.port)
        async with asyncio.timeout(30):
            writer.write(head.format("?yes").encode())
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            writer.write(b"body")
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 ")
            assert await reader.readexactly(2) == b"{}"
            writer.write(head.format("?no").encode())
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 401 ")
        writer.close()


@pytest.mark.parametrize(
    "smuggled",
    [
        b"content-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /v1/x HTTP/1.1\r\n\r\n",
        b"content-length: 5\r\ncontent-length: 6\r\n\r\nabcdef",
        b"content-length: 5, 5\r\n\r\nabcde",
        b"content-length: +5\r\n\r\nabcde",
        b"transfer-encoding: chunked\r\n\r\nzz\r\nabc\r\n0\r\n\r\n",
        b"transfer-encoding: chunked\r\n\r\n5;\nabcde\r\n0\r\n\r\n",
        b"transfer-encoding: xchunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n",
        b"transfer-encoding : chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n",
        b"x: a\r\n y: folded\r\ncontent-length: 0\r\n\r\n",
        b"x\0y: a\r\ncontent-length: 0\r\n\r\n",
        b"x: a\rb\r\ncontent-length: 0\r\n\r\n",
    ],
)
async def test_nothing_is_smuggled(tmp_path: Path, smuggled: bytes) -> None:
    """What can be understood in two ways is refused, and the role never sees a second request."""
    role = Fake()

    async def swallow(asked: Asked) -> None:
        await asked.reader.read(-1)

    role.behaviour = swallow
    async with gateway(tmp_path, role) as piece:
        answer = await talk(piece, b"POST /v1/messages HTTP/1.1\r\nhost: a\r\n" + smuggled)
        assert answer.startswith(b"HTTP/1.1 400 "), answer
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"] == "VALIDATION_ERROR"
        assert answer.count(b"HTTP/1.1 ") == 1
        assert len(role.asked) <= 1


@pytest.mark.parametrize(
    "garbage",
    [
        b"this is no HTTP\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}x",
        b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 20_000 + b"\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
        b"",
    ],
)
async def test_garbage_of_a_role_is_one_bad_gateway(tmp_path: Path, garbage: bytes) -> None:
    role = Fake()

    async def behaviour(asked: Asked) -> None:
        asked.writer.write(garbage)
        asked.writer.close()

    role.behaviour = behaviour
    async with gateway(tmp_path, role) as piece, httpx.AsyncClient(base_url=piece.url) as client:
        refused(await client.post("/v1/messages", json={}), 502, "BAD_GATEWAY")
        role.behaviour = role.fine
        assert (await client.get(ME)).status_code == 200


async def test_an_answer_that_nobody_asked_for_is_given_to_nobody(tmp_path: Path) -> None:
    role, count = Fake(), 0

    async def behaviour(asked: Asked) -> None:
        nonlocal count
        count += 1
        asked.writer.write(reply(body=b"%d" % count) + reply(body=b"stolen"))

    role.behaviour = behaviour
    async with gateway(tmp_path, role) as piece, httpx.AsyncClient(base_url=piece.url) as client:
        assert [(await client.get(ME)).text for _ in range(4)] == ["1", "2", "3", "4"]


async def test_a_role_that_dies_in_the_middle_leaves_half_an_answer_and_no_second_one(tmp_path: Path) -> None:
    role = Fake()

    async def behaviour(asked: Asked) -> None:
        asked.writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")
        await asked.writer.drain()
        asked.writer.transport.abort()

    role.behaviour = behaviour
    async with gateway(tmp_path, role) as piece:
        answer = await talk(piece, b"GET /v1/users/me HTTP/1.1\r\nhost: a\r\n\r\n")
        assert answer.endswith(b"\r\n\r\nhalf")
        assert answer.count(b"HTTP/1.1 ") == 1


async def test_too_much_at_once_is_refused_and_the_rest_is_served(tmp_path: Path) -> None:
    role, release = Fake(), asyncio.Event()

    async def held(asked: Asked) -> None:
        await release.wait()
        asked.writer.write(reply())

    role.behaviour = held
    async with (
        gateway(tmp_path, role, gateway={"max_in_flight": 2}) as piece,
        httpx.AsyncClient(base_url=piece.url, timeout=30) as client,
    ):
        asking = [asyncio.create_task(client.get(ME)) for _ in range(8)]
        done, _ = await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
        refused(done.pop().result(), 503, "SERVICE_UNAVAILABLE")

        async def shed() -> bool:
            return sum(task.done() for task in asking) == 6

        await eventually(shed)
        release.set()
        codes = sorted(answer.status_code for answer in await asyncio.gather(*asking))
        assert codes == [200] * 2 + [503] * 6


async def test_strangers_are_limited_before_a_role_hears_of_them(tmp_path: Path) -> None:
    role = Fake()
    async with (
        gateway(tmp_path, role, rate_limits={"enabled": True, "login": 3}) as piece,
        httpx.AsyncClient(base_url=piece.url) as client,
    ):
        codes = [(await client.post("/v1/auth/login", json={})).status_code for _ in range(6)]
        assert codes == [200] * 3 + [429] * 3
        assert len(role.asked) == 3
        forged = await client.post("/v1/auth/login", json={}, headers={"X-Forwarded-For": "203.0.113.5"})
        refused(forged, 429, "RATE_LIMIT_EXCEEDED")


async def test_many_requests_on_one_connection_are_answered_in_order(tmp_path: Path) -> None:
    role, count = Fake(), 2_000

    async def number(asked: Asked) -> None:
        asked.writer.write(reply(body=asked.line.split("n=")[1].split()[0].encode()))

    role.behaviour = number
    async with gateway(tmp_path, role) as piece:
        asked = b"".join(b"GET /v1/users/me?n=%d. HTTP/1.1\r\nhost: a\r\n\r\n" % n for n in range(count))
        answer = await talk(piece, asked, until=b"%d." % (count - 1))
        bodies = [part.rpartition(b"\r\n\r\n")[2] for part in answer.split(b"HTTP/1.1 ")[1:]]
        numbers = [int(body.removesuffix(b".")) for body in bodies]
        assert numbers == list(range(count))
