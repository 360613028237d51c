"""Passes sockets to the roles: after the upgrade bytes go through as they are, in both directions.

The protocol class that uvicorn is given as `ws=`. What the role says to the upgrade is read before anything
else of the client goes there: whose upgrade was refused must not talk to a role in the gateway's name.
"""

import asyncio
import random
import socket
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, cast
from urllib.parse import parse_qs, unquote

import httptools
from uvicorn.protocols.utils import get_remote_addr, is_ssl

from secureconnect.edge.realtime.close import CloseCode, close_reason
from secureconnect.edge.realtime.frames import going_away_frame
from secureconnect.edge.realtime.wire import close_frame
from secureconnect.gateway.boundaries import Boundaries
from secureconnect.gateway.headers import answer_headers, request_head
from secureconnect.gateway.instances import Instance
from secureconnect.gateway.proxy import ProxyMetrics, Upstream
from secureconnect.gateway.table import RoutingTable
from secureconnect.gateway.upstream import Broken, Connection, Late
from secureconnect.infra.telemetry.log import get_logger
from secureconnect.kit.errors import ApiError, ErrorCode, invalid
from secureconnect.kit.principal import RequestContext

if TYPE_CHECKING:
    from uvicorn.config import Config
    from uvicorn.server import ServerState

__all__ = ["Passage", "Tunnel", "tunnel_factory"]

log = get_logger()

_EARLY = 65_536
_LARGEST_REFUSAL = 65_536
_LINGER = 10.0
_ON_ITS_WAY = 65_536

Headers = list[tuple[bytes, bytes]]
#: Status, headers and body of the refusal of the upgrade on a path.
Render = Callable[[str, Headers, RequestContext, ApiError, bool], tuple[int, Headers, bytes]]


class Passage:
    """What all sockets of the gateway share.

    Args:
        context: request id and client address of an upgrade with these headers, from this peer.
        render: makes the answer to an error.
        draining: True once the process is stopping.
    """

    def __init__(
        self,
        *,
        table: RoutingTable,
        upstreams: Mapping[str, Upstream],
        context: Callable[[Mapping[bytes, bytes], tuple[str, int] | None], RequestContext],
        render: Render,
        errors: ProxyMetrics,
        response_timeout: float,
        draining: Callable[[], bool],
    ) -> None:
        self.table = table
        self.upstreams = upstreams
        self.context = context
        self.render = render
        self.errors = errors
        self.response_timeout = response_timeout
        self.draining = draining
        #: The sockets that are open.
        self.tunnels: set[Tunnel] = set()
        self._emptied: asyncio.Future[None] | None = None

    def count(self, path: str) -> int:
        """Open sockets of one path."""
        return sum(tunnel.path == path for tunnel in self.tunnels)

    async def empty(self) -> None:
        """Return when no socket is open."""
        if self.tunnels:
            self._emptied = asyncio.get_running_loop().create_future()
            await self._emptied

    def left(self, tunnel: "Tunnel") -> None:
        """One is gone."""
        self.tunnels.discard(tunnel)
        if not self.tunnels and self._emptied is not None and not self._emptied.done():
            self._emptied.set_result(None)


class _Far(asyncio.Protocol):
    """The role's side of a socket."""

    __slots__ = ("_near", "transport")

    def __init__(self, near: "Tunnel", transport: asyncio.Transport) -> None:
        self._near = near
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._near.from_role(data)

    def pause_writing(self) -> None:
        self._near.hold()

    def resume_writing(self) -> None:
        self._near.go_on()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._near.role_lost()


class Tunnel(asyncio.Protocol):
    """The client's side of a socket. Its life: head read → asking the role → open → one side is lost."""

    passage: ClassVar[Passage]

    def __init__(self, config: "Config", server_state: "ServerState", app_state: dict[str, Any]) -> None:  # noqa: ARG002
        self._state = server_state
        self._early: bytearray | None = None
        self._far: _Far | None = None
        self._instance: Instance | None = None
        self._asking: asyncio.Task[None] | None = None
        self._frames = Boundaries()
        self._farewell: bytes | None = None  # sent at the next boundary
        self._over = False  # nothing passes any more
        self._done = False  # the client is gone
        self.path = ""

    # What the event loop and uvicorn call.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._state.connections.add(self)  # type: ignore[arg-type]  # uvicorn names only its own protocols

    def data_received(self, data: bytes) -> None:
        if self._far is not None:
            if not self._over:
                self._far.transport.write(data)
        elif self._early is None:
            self._early = bytearray()
            self._ask(data)
        else:
            self._early += data
            if len(self._early) > _EARLY:
                self.transport.pause_reading()

    def pause_writing(self) -> None:
        if self._far is not None and not self._over:
            self._far.transport.pause_reading()

    def resume_writing(self) -> None:
        if self._far is not None and not self._over:
            self._far.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._over = self._done = True
        self._state.connections.discard(self)
        self.passage.left(self)
        if self._asking is not None:
            self._asking.cancel()
        if self._far is not None:
            self._far.transport.close()
        if self._instance is not None:
            self._instance.load -= 1
            self._instance = None

    def shutdown(self) -> None:
        """uvicorn stops, and this one was missed when all were told to leave."""
        self.leave(CloseCode.SHUTTING_DOWN)

    # The upgrade.

    def _ask(self, data: bytes) -> None:
        task = asyncio.get_running_loop().create_task(self._open(data.partition(b"\r\n\r\n")[0]))
        self._asking = task
        self._state.tasks.add(task)
        task.add_done_callback(self._state.tasks.discard)

    async def _open(self, head: bytes) -> None:
        headers: Headers = []
        secure, peer = is_ssl(self.transport), get_remote_addr(self.transport)
        line, *fields = head.split(b"\r\n")
        for field in fields:
            name, _, value = field.partition(b":")
            headers.append((name.lower(), value.strip()))
        context = self.passage.context(dict(headers), peer)
        try:
            await self._pass(line, headers, context, secure=secure)
        except ApiError as refusal:
            error = refusal
        except Exception:
            log.exception("socket was not passed on", request_id=context.request_id)
            error = ApiError(ErrorCode.INTERNAL_ERROR)
        else:
            return
        status, given, body = self.passage.render(self.path, headers, context, error, secure)
        self._refuse(status, given, body)

    async def _pass(self, line: bytes, headers: Headers, context: RequestContext, *, secure: bool) -> None:
        try:
            method, target, _ = line.split(b" ")
            parsed = httptools.parse_url(target)
            self.path = unquote((parsed.path or b"").decode("ascii"))
        except (ValueError, httptools.HttpParserError):
            raise invalid("request", "not a readable HTTP request") from None
        role = self.passage.table.socket(self.path)
        if role is None:
            raise ApiError(ErrorCode.NOT_FOUND, "There is no such route.")
        if self.passage.draining():
            raise ApiError(ErrorCode.SHUTTING_DOWN, retry_after=random.randint(1, 10))  # noqa: S311
        asked = parse_qs((parsed.query or b"").decode("latin-1")).get("call_id", [])
        query = b"?%b" % parsed.query if parsed.query else b""
        request = request_head(
            method.decode("ascii"),
            (parsed.path or b"/") + query,
            headers,
            context,
            secure=secure,
            extra=b"connection: upgrade\r\nupgrade: websocket\r\n",
        )
        connection = await self._reach(role, request, asked[0].lower() if len(asked) == 1 else None)
        if connection.status == 101:
            self._establish(connection, secure=secure)
            return
        try:
            body = await self._refusal(connection)
        finally:
            connection.close()
        self._refuse(connection.status, answer_headers(connection.headers, secure=secure), body)

    async def _refusal(self, connection: Connection) -> bytes:
        """The whole body of the role's refusal."""
        body = bytearray()
        try:
            while len(body) < _LARGEST_REFUSAL:
                chunk = await connection.chunk(self.passage.response_timeout)
                if not chunk:
                    return bytes(body)
                body += chunk
        except (Broken, Late):
            pass
        raise ApiError(ErrorCode.BAD_GATEWAY, retry_after=1)

    async def _reach(self, role: str, request: bytes, call_id: str | None) -> Connection:
        """The role's answer to the upgrade. It changes nothing, so that another instance may be asked."""
        choices = self.passage.upstreams[role].role
        tried: Instance | None = None
        while True:
            instance = choices.choose(call_id=call_id, without=tried)
            if instance is None:
                if tried is None:
                    self.passage.errors.proxy_error(role, "open")
                    raise ApiError(ErrorCode.SERVICE_UNAVAILABLE, retry_after=2)
                raise ApiError(ErrorCode.BAD_GATEWAY, retry_after=1)
            connection: Connection | None = None
            instance.load += 1
            try:
                connection = await instance.connect()
                connection.begin(request, upgrades=True)
                await connection.head(self.passage.response_timeout)
            except BaseException as error:
                instance.load -= 1
                if connection is not None:
                    connection.close()
                if not isinstance(error, Broken | Late):
                    raise
                reason = "timeout" if isinstance(error, Late) else "connect"
                instance.breaker.failed(reason)
                self.passage.errors.proxy_error(role, reason)
                if isinstance(error, Late):
                    raise ApiError(ErrorCode.REQUEST_TIMEOUT, retry_after=1) from None
                if tried is not None:
                    raise ApiError(ErrorCode.BAD_GATEWAY, retry_after=1) from None
                tried = instance
            else:
                instance.breaker.succeeded()
                self._instance = instance
                return connection

    def _establish(self, connection: Connection, *, secure: bool) -> None:
        transport, early = connection.release()
        if self._done:
            transport.abort()
            return
        self._far = _Far(self, transport)
        for side in (self.transport, transport):
            _bound(side)
        transport.set_protocol(self._far)
        lines = [b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n"]
        lines += [b"%b: %b\r\n" % header for header in answer_headers(connection.headers, secure=secure)]
        self.transport.write(b"".join([*lines, b"\r\n"]))
        self.passage.tunnels.add(self)
        if early:
            self.from_role(early)
        if self._early:
            transport.write(bytes(self._early))
            self.transport.resume_reading()
        self._early = bytearray()

    def _refuse(self, status: int, headers: Headers, body: bytes) -> None:
        if self._done or self.transport.is_closing():
            return
        lines = [b"HTTP/1.1 %d \r\n" % status]
        lines += [b"%b: %b\r\n" % header for header in (*self._state.default_headers, *headers)]
        self.transport.write(b"".join([*lines, b"connection: close\r\n\r\n", body]))
        self._end()

    # Being open.

    def from_role(self, data: bytes) -> None:
        """The role said this."""
        if self._over:
            return
        self._frames.feed(data)
        self.transport.write(data)
        if self._farewell is not None and self._frames.clean:
            self._say_goodbye()

    def hold(self) -> None:
        """The role takes no more for now."""
        if not self._over:
            self.transport.pause_reading()

    def go_on(self) -> None:
        """It does again."""
        if not self._over:
            self.transport.resume_reading()

    def role_lost(self) -> None:
        """The role's side is gone, with a close frame or without."""
        if self._over:
            return
        if not self._frames.closing and self._frames.clean:
            code = CloseCode.DEPENDENCY_UNAVAILABLE
            self.transport.write(close_frame(code, close_reason(code, random.randint(0, 3_000))))  # noqa: S311
        self._end()

    def warn(self, retry_after_ms: int) -> None:
        """Say that the server goes away soon, where that is possible now."""
        if not self._over and self._frames.clean and not self._frames.closing:
            self.transport.write(going_away_frame(retry_after_ms))

    def leave(self, code: CloseCode, retry_after_ms: int | None = None) -> None:
        """Close both sides, the client's with a reason: now, or when the frame under way has passed."""
        if not self._over and self._farewell is None:
            self._farewell = close_frame(code, close_reason(code, retry_after_ms))
            if self._frames.clean:
                self._say_goodbye()

    def _say_goodbye(self) -> None:
        if self._farewell is not None and not self._frames.closing:
            self.transport.write(self._farewell)
        self._end()

    def _end(self) -> None:
        """Give the client some time to read what was said."""
        self._over = True
        if self._far is not None:
            self._far.transport.close()
        if not self._done:
            if self.transport.can_write_eof():
                self.transport.write_eof()
            asyncio.get_running_loop().call_later(_LINGER, self.transport.abort)


def _bound(transport: asyncio.Transport) -> None:
    """Let little be on its way in either direction, so that the role notices who does not read."""
    kernel = transport.get_extra_info("socket")
    kernel.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _ON_ITS_WAY)
    transport.set_write_buffer_limits(high=_ON_ITS_WAY)


def tunnel_factory(passage: Passage) -> type[asyncio.Protocol]:
    """The class to give to uvicorn as `Config(ws=...)`."""

    class BoundTunnel(Tunnel):
        pass

    BoundTunnel.passage = passage
    return BoundTunnel
