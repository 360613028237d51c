"""A real uvicorn server in the test's own event loop, a small gate behind it, and clients that misbehave."""

import asyncio
import base64
import contextlib
import os
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import msgspec
from uvicorn import Config, Server

from secureconnect.edge.http.protocol import http_protocol
from secureconnect.edge.realtime.base import Admission, Refusal, Socket, UpgradeRequest
from secureconnect.edge.realtime.transport import TransportLimits, transport_factory
from secureconnect.edge.realtime.transport.heartbeat import Heartbeat
from secureconnect.kit.errors import ApiError

__all__ = ["Door", "FakeClock", "Line", "Serving", "Visit", "envelope", "frame", "serving", "until"]

PATIENCE = 5.0


class FakeClock:
    """Time moves when the test says so."""

    def __init__(self) -> None:
        self.time = 1_000.0

    def now(self) -> int:
        return int(self.time * 1_000)

    def monotonic(self) -> float:
        return self.time


def envelope(error: ApiError) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """The answer to `error`, in the product's shape."""
    details = [{"field": detail.field, "message": detail.message} for detail in error.details]
    body = msgspec.json.encode({"success": False, "error": {"code": error.code.name, "details": details}})
    return error.code.status, [(b"content-type", b"application/json")], body


class Visit:
    """A session that remembers what happened, and answers as `on_text` says."""

    def __init__(self, sock: Socket, on_text: Callable[["Visit", bytes], None]) -> None:
        self.socket = sock
        self.texts: list[bytes] = []
        self.codes: list[int] = []
        self.on_text = on_text

    def text(self, payload: bytes) -> None:
        self.texts.append(payload)
        self.on_text(self, payload)

    def closed(self, code: int) -> None:
        self.codes.append(code)


class Door:
    """A gate that lets everybody in, unless told otherwise."""

    def __init__(self) -> None:
        self.visits: list[Visit] = []
        self.requests: list[UpgradeRequest] = []
        self.refused: list[ApiError] = []
        self.abandoned = 0
        self.subprotocol: str | None = "secureconnect.v1"
        self.max_frame_bytes = 1_000
        self.decide: asyncio.Event | None = None
        self.fault: Exception | None = None
        self.opening_fault: Exception | None = None
        self.on_text: Callable[[Visit, bytes], None] = lambda visit, payload: None

    async def admit(self, request: UpgradeRequest) -> Admission:
        self.requests.append(request)
        if self.decide is not None:
            await self.decide.wait()
        if self.fault is not None:
            raise self.fault
        return Admission(self.subprotocol, self.max_frame_bytes, self._open, self._abandon)

    def refuse(self, request: UpgradeRequest, error: ApiError) -> Refusal:
        self.refused.append(error)
        status, headers, body = envelope(error)
        return Refusal(status, [(name.decode(), value.decode()) for name, value in headers], body)

    def _open(self, sock: Socket) -> Visit:
        if self.opening_fault is not None:
            raise self.opening_fault
        visit = Visit(sock, self.on_text)
        self.visits.append(visit)
        return visit

    def _abandon(self) -> None:
        self.abandoned += 1


class Serving:
    """A running server."""

    def __init__(self, server: Server, port: int, door: Door, heartbeat: Heartbeat) -> None:
        self.server = server
        self.port = port
        self.door = door
        self.heartbeat = heartbeat
        self._lines: list[Line] = []

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/v1/ws/chat"

    async def visit(self, number: int = 0) -> Visit:
        """The session of the given socket, once it is open."""
        await until(lambda: len(self.door.visits) > number)
        return self.door.visits[number]

    async def line(self, **options: Any) -> "Line":
        """A bare TCP connection, closed when the server is."""
        line = await Line.connect(self.port, **options)
        self._lines.append(line)
        return line

    async def hang_up(self) -> None:
        """Close all bare connections."""
        for line in self._lines:
            await line.hang_up()


@contextlib.asynccontextmanager
async def serving(
    app: Any = None,
    *,
    door: Door | None = None,
    limits: TransportLimits | None = None,
    clock: FakeClock | None = None,
    stock_http: bool = False,
    tls: ssl.SSLContext | None = None,
    **http: Any,
) -> AsyncIterator[Serving]:
    """uvicorn with our protocols on a free port; `http` are arguments of `http_protocol`."""
    door = door or Door()
    heartbeat = Heartbeat(clock=clock or FakeClock())
    listener = socket.create_server(("127.0.0.1", 0))
    config = Config(
        app or _no_app,
        http="httptools" if stock_http else http_protocol(render=envelope, **http),
        ws=transport_factory(gate=door, heartbeat=heartbeat, limits=limits),
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
    )
    config.load()
    config.ssl = tls
    server = Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup(sockets=[listener])
    await server.on_tick(0)
    place = Serving(server, listener.getsockname()[1], door, heartbeat)
    try:
        yield place
    finally:
        await place.hang_up()
        # Server.shutdown waits in steps of 100 ms: those tests that are about it call it.
        for listening in server.servers:
            listening.close()
        for connection in list(server.server_state.connections):
            connection.transport.abort()
        await until(lambda: not server.server_state.connections)
        for task in list(server.server_state.tasks):
            task.cancel()
        await asyncio.gather(*server.server_state.tasks, return_exceptions=True)
        listener.close()


async def _no_app(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 404, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body"})


async def until(condition: Callable[[], object], patience: float = PATIENCE) -> None:
    """Wait for `condition`; fail when it does not come true."""
    loop = asyncio.get_running_loop()
    end = loop.time() + patience
    while not condition():
        assert loop.time() < end, "waited in vain"
        await asyncio.sleep(0.001)


def frame(
    opcode: int, payload: bytes = b"", *, fin: bool = True, mask: bytes | None = b"abcd", rsv: int = 0
) -> bytes:
    """A frame as clients send it; without `mask` as they must not."""
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    masked = 0x80 if mask is not None else 0
    size = len(payload)
    if size < 126:
        head += bytes([masked | size])
    elif size < 65_536:
        head += struct.pack("!BH", masked | 126, size)
    else:
        head += struct.pack("!BQ", masked | 127, size)
    if mask is None:
        return head + payload
    return head + mask + bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))


class Line:
    """A TCP connection that says what the test says, byte for byte."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connect(cls, port: int, *, receive_buffer: int | None = None) -> "Line":
        sock = socket.socket()
        sock.setblocking(False)
        if receive_buffer is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
        return cls(*await asyncio.open_connection(sock=sock, limit=1 << 24))

    @staticmethod
    def request(
        target: str = "/v1/ws/chat", *, method: str = "GET", headers: Mapping[str, str | None] | None = None
    ) -> bytes:
        """An upgrade request, with some headers changed; None leaves one out."""
        fields: dict[str, str | None] = {
            "host": "test",
            "connection": "Upgrade",
            "upgrade": "websocket",
            "sec-websocket-version": "13",
            "sec-websocket-key": base64.b64encode(os.urandom(16)).decode(),
        }
        fields.update(headers or {})
        lines = [f"{method} {target} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in fields.items() if value is not None]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    async def upgrade(self, behind: bytes = b"") -> bytes:
        """Become a socket; `behind` is sent in one piece with the request. Returns the head of the answer."""
        self.send(self.request() + behind)
        head, _ = await self.response_head()
        assert head.startswith(b"HTTP/1.1 101 "), head
        return head

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def response_head(self) -> tuple[bytes, dict[str, str]]:
        """The raw head of the next response, and its fields."""
        async with asyncio.timeout(PATIENCE):
            head = await self.reader.readuntil(b"\r\n\r\n")
        fields = [line.split(b":", 1) for line in head.split(b"\r\n")[1:] if line]
        return head, {name.decode().lower(): value.strip().decode() for name, value in fields}

    async def response(self) -> tuple[int, dict[str, str], bytes]:
        """The next response: status, fields, body."""
        head, fields = await self.response_head()
        body = await self.reader.readexactly(int(fields.get("content-length", "0")))
        return int(head.split()[1]), fields, body

    async def read_frame(self) -> tuple[int, bytes]:
        """Opcode and payload of the next frame, which must be whole and unmasked."""
        async with asyncio.timeout(PATIENCE):
            first, second = await self.reader.readexactly(2)
            assert first & 0xF0 == 0x80
            size = second
            if size == 126:
                size = int.from_bytes(await self.reader.readexactly(2))
            elif size == 127:
                size = int.from_bytes(await self.reader.readexactly(8))
            return first & 0x0F, await self.reader.readexactly(size)

    async def read_close(self) -> tuple[int, bytes]:
        """Code and reason of the next close frame; what comes before is passed over."""
        while True:
            opcode, payload = await self.read_frame()
            if opcode == 8:
                return (int.from_bytes(payload[:2]), payload[2:]) if payload else (1005, b"")

    async def ended(self) -> bytes:
        """Everything up to the end of the connection."""
        async with asyncio.timeout(PATIENCE):
            try:
                return await self.reader.read()
            except ConnectionError:
                return b""

    def reset(self) -> None:
        """Vanish without a word (RST)."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def hang_up(self) -> None:
        """Close the connection."""
        self.writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()
