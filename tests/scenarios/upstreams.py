"""Roles that behave as a test wants: they are asked by a real gateway."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import httpx

from stack.ports import free_port
from tests.scenarios.patience import eventually
from tests.scenarios.pieces import Piece, environment

__all__ = ["ME", "READY", "Asked", "Fake", "errors", "gateway", "refused", "reply"]

#: A route of auth.
ME = "/v1/users/me"

READY = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"


def reply(status: str = "200 OK", body: bytes = b"{}", *headers: str) -> bytes:
    """A whole answer."""
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


class Asked:
    """One request that a fake role got: its head, and both ends of its connection."""

    def __init__(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.head = head
        self.reader = reader
        self.writer = writer

    @property
    def line(self) -> str:
        return self.head.split(b"\r\n")[0].decode()

    def header(self, name: str) -> list[str]:
        """The values of all fields of this name, in small letters."""
        lines = self.head.decode("latin-1").split("\r\n")[1:]
        return [line.partition(": ")[2] for line in lines if line.lower().startswith(f"{name}: ")]


Behaviour = Callable[[Asked], Awaitable[None]]


class Fake:
    """A server whose `/readyz` is fine and whose other answers are `behaviour`'s."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.behaviour: Behaviour = self.fine
        self.ready = READY
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self.port = free_port()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def fine(self, asked: Asked) -> None:
        """200 with `{}`, once the whole body is here."""
        await asked.reader.readexactly(int("".join(asked.header("content-length")) or "0"))
        asked.writer.write(reply())

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            for writer in list(self._open):
                writer.transport.abort()
            await self._server.wait_closed()
            self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
                while not writer.is_closing():
                    head = await reader.readuntil(b"\r\n\r\n")
                    if head.startswith(b"GET /readyz "):
                        writer.write(self.ready)
                        continue
                    asked = Asked(head, reader, writer)
                    self.asked.append(asked)
                    await self.behaviour(asked)
        finally:
            self._open.discard(writer)
            writer.close()


@contextlib.asynccontextmanager
async def gateway(directory: Path, *fakes: Fake, **sections: dict[str, object]) -> AsyncIterator[Piece]:
    """A real gateway whose roles are all these fakes, started and ready."""
    for fake in fakes:
        await fake.start()
    urls = "[" + ",".join(f'"{fake.url}"' for fake in fakes) + "]"
    port = free_port()
    settings: dict[str, dict[str, object]] = {
        "gateway": dict.fromkeys(("auth_url", "chat_url", "video_url", "storage_url"), urls),
        "rate_limits": {"enabled": False},
    }
    for name, keys in sections.items():
        settings[name] = {**settings.get(name, {}), **keys}
    arguments = ["serve", "gateway", "--host", "127.0.0.1", "--port", str(port)]
    piece = Piece("gateway", arguments, port=port, log=directory / "gateway.log")
    await asyncio.to_thread(piece.launch, environment(**settings), directory)
    try:
        async with httpx.AsyncClient() as client:

            async def ready() -> bool:
                with contextlib.suppress(httpx.TransportError):
                    return bool((await client.get(f"{piece.url}/readyz")).json()["status"] == "ready")
                return False

            await eventually(ready, 60)
        yield piece
    finally:
        if piece.process is not None:
            piece.process.kill()
            await asyncio.to_thread(piece.process.wait)
        for fake in fakes:
            await fake.stop()


async def errors(client: httpx.AsyncClient, role: str, reason: str) -> float:
    """How often the gateway counted this."""
    text = (await client.get("/metrics")).text
    [line] = [
        line
        for line in text.splitlines()
        if line.startswith("gateway_proxy_errors_total{")
        and f'role="{role}"' in line
        and f'reason="{reason}"' in line
    ]
    return float(line.split()[-1])


def refused(response: httpx.Response, status: int, code: str) -> None:
    """It is one refusal of ours, whole."""
    body = response.json()
    assert (response.status_code, body["success"], body["error"]["code"]) == (status, False, code)
    assert body["meta"]["request_id"] == response.headers["x-request-id"]
    if status in {502, 503}:
        assert int(response.headers["retry-after"]) >= 1
