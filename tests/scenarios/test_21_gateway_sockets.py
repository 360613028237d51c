"""Sockets through the gateway: bytes as they are, and an end that says why."""

import asyncio
import base64
import hashlib
import json
import signal
from pathlib import Path

import httpx
import pytest

from secureconnect.edge.realtime.wire import close_frame, text_frame
from tests.scenarios.patience import eventually
from tests.scenarios.pieces import Piece
from tests.scenarios.upstreams import Asked, Fake, gateway, reply

ID = "0b8f7a4e-6f0c-4f6e-9d3e-2f1c5a7b9e11"
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
MASKED = b"\x81\x82\0\0\0\0hi"


def upgrade(path: str = "/v1/ws/chat", extra: str = "") -> bytes:
    return (
        f"GET {path} HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\n"
        f"sec-websocket-key: {KEY}\r\nsec-websocket-version: 13\r\n{extra}\r\n"
    ).encode()


async def accept(asked: Asked) -> None:
    """Switch protocols."""
    [key] = asked.header("sec-websocket-key")
    digest = hashlib.sha1(f"{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11".encode()).digest()
    asked.writer.write(
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
        b"sec-websocket-accept: %b\r\n\r\n" % base64.b64encode(digest)
    )


class Client:
    """One connection to the gateway."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def to(cls, piece: Piece, data: bytes) -> "Client":
        reader, writer = await asyncio.open_connection("127.0.0.1", piece.port)
        writer.write(data)
        return cls(reader, writer)

    async def head(self) -> bytes:
        async with asyncio.timeout(20):
            return await self.reader.readuntil(b"\r\n\r\n")

    async def exactly(self, size: int) -> bytes:
        async with asyncio.timeout(20):
            return await self.reader.readexactly(size)

    async def rest(self) -> bytes:
        async with asyncio.timeout(20):
            data = await self.reader.read(-1)
        self.writer.close()
        return data


async def test_bytes_pass_as_they_are(tmp_path: Path) -> None:
    role = Fake()

    async def echo(asked: Asked) -> None:
        await accept(asked)
        asked.writer.write(text_frame(b"welcome"))
        while data := await asked.reader.read(65_536):
            asked.writer.write(data)

    role.behaviour = echo
    async with gateway(tmp_path, role) as piece:
        forged = f"x-forwarded-for: 203.0.113.9\r\nx-user-id: {ID}\r\nauthorization: Bearer t\r\n"
        client = await Client.to(piece, upgrade("/v1/ws/chat?ticket=x", forged) + MASKED)
        head = (await client.head()).lower()
        assert head.startswith(b"http/1.1 101 ")
        assert b"sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=" in head
        assert await client.exactly(9) == text_frame(b"welcome")
        assert await client.exactly(len(MASKED)) == MASKED
        large = bytes(range(256)) * 4_000
        client.writer.write(large)
        assert await client.exactly(len(large)) == large
        [asked] = role.asked
        assert asked.line == "GET /v1/ws/chat?ticket=x HTTP/1.1"
        assert (asked.header("x-forwarded-for"), asked.header("x-user-id")) == (["127.0.0.1"], [])
        assert asked.header("authorization") == ["Bearer t"]
        async with httpx.AsyncClient(base_url=piece.url) as http:
            assert (
                'websocket_connections_active{kind="chat",service="api-gateway"} 1.0'
                in (await http.get("/metrics")).text
            )
        client.writer.close()


@pytest.mark.parametrize("path", ["/v1/ws/nope", "/v1/users/me", "/"])
async def test_there_are_sockets_only_where_roles_have_them(tmp_path: Path, path: str) -> None:
    role = Fake()
    async with gateway(tmp_path, role) as piece:
        answer = await (await Client.to(piece, upgrade(path))).rest()
        assert answer.startswith(b"HTTP/1.1 404 ")
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"] == "NOT_FOUND"
        assert not role.asked


async def test_who_was_refused_does_not_talk_to_the_role_in_our_name(tmp_path: Path) -> None:
    role, heard = Fake(), b""

    async def refuse(asked: Asked) -> None:
        nonlocal heard
        asked.writer.write(reply("403 Forbidden", b'{"no":1}', "x-request-id: r", "connection: close"))
        heard = await asked.reader.read(-1)

    role.behaviour = refuse
    async with gateway(tmp_path, role) as piece:
        behind = b"GET /v1/users/me HTTP/1.1\r\nhost: a\r\nx-forwarded-for: 203.0.113.9\r\n\r\n"
        answer = await (await Client.to(piece, upgrade() + behind)).rest()
        assert answer.startswith(b"HTTP/1.1 403 ")
        assert answer.endswith(b'{"no":1}')
        assert (heard, len(role.asked)) == (b"", 1)


async def test_a_role_that_dies_is_told_as_4503_where_a_frame_may_stand(tmp_path: Path) -> None:
    role = Fake()

    async def die(asked: Asked) -> None:
        await accept(asked)
        asked.writer.write(text_frame(b"whole") + (b"\x81\x7e\x01\x00half" if "half" in asked.line else b""))
        await asked.writer.drain()
        await asked.reader.readexactly(len(MASKED))
        asked.writer.transport.abort()

    role.behaviour = die
    async with gateway(tmp_path, role) as piece:
        client = await Client.to(piece, upgrade() + MASKED)
        await client.head()
        end = await client.rest()
        assert end.startswith(text_frame(b"whole") + b"\x88")
        close = end[len(text_frame(b"whole")) :]
        assert int.from_bytes(close[2:4], "big") == 4503
        assert json.loads(close[4:])["code"] == "dependency_unavailable"
        client = await Client.to(piece, upgrade("/v1/ws/chat?half") + MASKED)
        await client.head()
        assert await client.rest() == text_frame(b"whole") + b"\x81\x7e\x01\x00half"


async def test_a_close_of_the_role_is_the_last_word(tmp_path: Path) -> None:
    role = Fake()

    async def leave(asked: Asked) -> None:
        await accept(asked)
        asked.writer.write(close_frame(4001, b"{}"))
        await asked.writer.drain()
        asked.writer.close()

    role.behaviour = leave
    async with gateway(tmp_path, role) as piece:
        client = await Client.to(piece, upgrade())
        await client.head()
        assert await client.rest() == close_frame(4001, b"{}")


async def test_no_role_at_all(tmp_path: Path) -> None:
    role = Fake()
    async with gateway(tmp_path, role) as piece:
        await role.stop()
        answer = await (await Client.to(piece, upgrade())).rest()
        assert answer.startswith(b"HTTP/1.1 502 ")
        assert b"retry-after: " in answer
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["code"] == "BAD_GATEWAY"


async def test_a_planned_stop_says_goodbye(tmp_path: Path) -> None:
    role = Fake()

    async def stay(asked: Asked) -> None:
        await accept(asked)
        await asked.reader.read(-1)

    role.behaviour = stay
    async with gateway(tmp_path, role) as piece:
        client = await Client.to(piece, upgrade())
        await client.head()
        piece.signal(signal.SIGTERM)
        end = await client.rest()
        assert b'"going_away"' in end
        close = end[end.index(b"\x88") :]
        assert int.from_bytes(close[2:4], "big") == 4501
        assert 0 <= json.loads(close[4:])["retry_after_ms"] <= 10_000
        assert piece.process is not None
        assert await asyncio.to_thread(piece.process.wait, 30) == 0


async def test_one_call_is_at_one_process_and_moves_when_that_dies(tmp_path: Path) -> None:
    roles = [Fake(), Fake()]

    async def stay(asked: Asked) -> None:
        await accept(asked)
        await asked.reader.read(-1)

    for role in roles:
        role.behaviour = stay

    async def joined(call_id: str) -> Fake:
        before = {role: len(role.asked) for role in roles}
        client = await Client.to(piece, upgrade(f"/v1/ws/signaling?call_id={call_id}"))
        assert (await client.head()).startswith(b"HTTP/1.1 101 ")
        client.writer.close()
        [where] = [role for role in roles if len(role.asked) > before[role]]
        return where

    async with gateway(tmp_path, *roles) as piece:
        calls = [f"0b8f7a4e-6f0c-4f6e-9d3e-2f1c5a7b9e{number:02x}" for number in range(12)]
        homes = {call: await joined(call) for call in calls}
        assert set(homes.values()) == set(roles)
        assert {call: await joined(call.upper()) for call in calls} == homes
        await roles[0].stop()
        moved = next(call for call, home in homes.items() if home is roles[0])

        async def arrived() -> bool:
            return await joined(moved) is roles[1]

        await eventually(arrived)
