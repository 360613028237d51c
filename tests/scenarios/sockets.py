"""Sockets below the shorthand of `ws`: refused upgrades, and clients that misbehave."""

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator
from typing import Any, Self

import websockets
from websockets.client import ClientProtocol
from websockets.frames import Frame, Opcode
from websockets.uri import parse_uri

from tests.scenarios.steps import Answer, Person

__all__ = ["Idle", "bearer", "chat_url", "close_reason", "refused"]


def chat_url(url: str, query: str = "") -> str:
    """Where the chat socket of a server is."""
    return url.replace("http", "ws", 1) + "/v1/ws/chat" + query


def bearer(person: Person) -> dict[str, Any]:
    """Options of `websockets.connect` that open a socket with the header."""
    return {"additional_headers": {"authorization": f"Bearer {person.access}"}}


async def refused(url: str, query: str = "", **options: Any) -> Answer:
    """The answer to an upgrade that must not succeed; `options` are those of `websockets.connect`."""
    try:
        async with websockets.connect(chat_url(url, query), compression=None, **options):
            raise AssertionError("the upgrade succeeded")
    except websockets.InvalidStatus as error:
        response = error.response
        headers = {name.lower(): value for name, value in response.headers.raw_items()}
        return Answer(response.status_code, headers, bytes(response.body or b""))  # type: ignore[arg-type]


def close_reason(reason: str | None) -> Any:
    """The JSON of a close frame; at most 123 bytes as the protocol allows."""
    assert reason is not None
    assert len(reason.encode()) <= 123
    return json.loads(reason)


class Idle:
    """A socket that does nothing by itself: it answers no ping, and reads only when told to."""

    def __init__(self, person: Person, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._protocol = ClientProtocol(parse_uri(chat_url(person.url)), max_size=None)
        opening = self._protocol.connect()
        opening.headers["Authorization"] = f"Bearer {person.access}"
        self._protocol.send_request(opening)
        self._flush()

    @classmethod
    @contextlib.asynccontextmanager
    async def of(cls, person: Person, port: int) -> AsyncIterator[Self]:
        """An upgraded socket with the smallest buffers that the kernel gives."""
        kernel = socket.socket()
        kernel.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        kernel.setblocking(False)
        await asyncio.get_running_loop().sock_connect(kernel, ("127.0.0.1", port))
        reader, writer = await asyncio.open_connection(sock=kernel, limit=1024)
        idle = cls(person, reader, writer)
        idle._protocol.receive_data(await reader.readuntil(b"\r\n\r\n"))
        assert idle._protocol.handshake_exc is None
        try:
            yield idle
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def send(self, **command: Any) -> None:
        """One text frame."""
        self._protocol.send_text(json.dumps(command).encode())
        self._flush()

    async def frames(self) -> AsyncIterator[Any]:
        """Text frames as objects until the server closes; `close_code` and `close_reason` are set then."""
        while data := await self._reader.read(65_536):
            self._protocol.receive_data(data)
            self._protocol.data_to_send()  # pongs, which nobody sends
            for event in self._protocol.events_received():
                if isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                    yield json.loads(bytes(event.data))
            if self._protocol.close_rcvd is not None:
                return

    @property
    def close_code(self) -> int | None:
        """The code that the server gave, once `frames` ended."""
        close = self._protocol.close_rcvd
        return None if close is None else close.code

    @property
    def close_reason(self) -> str | None:
        """The reason that the server gave, once `frames` ended."""
        close = self._protocol.close_rcvd
        return None if close is None else close.reason

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            self._writer.write(data)
