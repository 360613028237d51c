"""HTTP byte by byte, for what a well-behaved client library cannot send."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Self

from tests.scenarios.server import Server

__all__ = ["Line", "head"]

_PATIENCE = 15.0


def head(
    method: str, target: str, *, token: str | None = None, length: int | None = None, extra: str = ""
) -> bytes:
    """A request head; `extra` are whole header lines, each ended by CRLF."""
    lines = [f"{method} {target} HTTP/1.1", "host: test"]
    if token is not None:
        lines.append(f"authorization: Bearer {token}")
    if length is not None:
        lines += ["content-type: application/json", f"content-length: {length}"]
    return ("\r\n".join(lines) + "\r\n" + extra + "\r\n").encode("latin-1")


class Line:
    """A TCP connection to a server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    @contextlib.asynccontextmanager
    async def to(cls, server: Server) -> AsyncIterator[Self]:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1 << 24)
        try:
            yield cls(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def send(self, data: bytes) -> None:
        self._writer.write(data)

    async def response(self) -> tuple[int, dict[str, str], bytes]:
        """Status, header fields and body of the next response."""
        async with asyncio.timeout(_PATIENCE):
            raw = await self._reader.readuntil(b"\r\n\r\n")
            fields = {
                name.strip().lower(): value.strip()
                for name, _, value in (
                    line.partition(":") for line in raw.decode("latin-1").splitlines()[1:] if line
                )
            }
            body = await self._reader.readexactly(int(fields.get("content-length", "0")))
        return int(raw.split()[1]), fields, body
