"""An HTTP server that keeps what is posted to it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import NamedTuple

__all__ = ["Posted", "WebhookSink", "webhook_sink"]

_PATIENCE = 15.0


class Posted(NamedTuple):
    """One request."""

    body: bytes
    authorization: str
    content_type: str


class WebhookSink:
    """Answers 200 to everything. `url` is where it listens."""

    def __init__(self) -> None:
        self.url = ""
        self.posted: list[Posted] = []
        self._news = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
                headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
                exact = dict(line.split(": ", 1) for line in head[1:] if line)
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                token = next((value for name, value in exact.items() if name.lower() == "authorization"), "")
                self.posted.append(Posted(body, token, headers.get("content-type", "")))
                self._news.set()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
                await writer.drain()
        writer.close()

    async def until(self, enough: Callable[[list[Posted]], bool]) -> None:
        """Return once what was posted is `enough`."""
        async with asyncio.timeout(_PATIENCE):
            while not enough(self.posted):
                self._news.clear()
                await self._news.wait()


@contextlib.asynccontextmanager
async def webhook_sink() -> AsyncIterator[WebhookSink]:
    """One on a free port, for the length of the block."""
    sink = WebhookSink()
    server = await asyncio.start_server(sink.serve, "127.0.0.1", 0)
    sink.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
    try:
        yield sink
    finally:
        server.close()
