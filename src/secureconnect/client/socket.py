"""One open chat socket: handshake, commands and their answers, incoming frames."""

import asyncio
import itertools
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage, InvalidStatus

from secureconnect.client.errors import ConnectionLost, ProtocolError, SocketClosed, failure
from secureconnect.client.frames import (
    Ack,
    ErrorFrame,
    Frame,
    HelloAck,
    Pong,
    Welcome,
    parse_close,
    parse_frame,
)
from secureconnect.client.http import USER_AGENT, decode, parse_failure

__all__ = ["ChatSocket", "open_at", "open_socket"]

T = TypeVar("T")
Answer = Ack | Pong

_OPEN_TIMEOUT = 10
# The server pings every 25 s; these pings find a server that is gone without a close frame.
_PING_INTERVAL = 20
_PING_TIMEOUT = 20


class ChatSocket:
    """A socket after its welcome. It lives until it is closed once; `Chat` makes the next one."""

    def __init__(
        self, connection: ClientConnection, welcome: Welcome, token: str, greeting: bytes = b""
    ) -> None:
        self._connection = connection
        self._refs = itertools.count(1)
        self._waiting: dict[str, asyncio.Future[Answer]] = {}
        self._early: list[Frame] = []
        self._closed = False
        self.welcome = welcome
        #: The whole welcome, for the fields that only some sockets have.
        self.greeting = greeting
        #: The access token that the server knows for this socket.
        self.token = token

    @property
    def open(self) -> bool:
        """False once nothing can be sent any more."""
        return not self._closed

    async def hello(self, resume: Mapping[str, int]) -> HelloAck | None:
        """Say hello; must come before `run`, which gets all other frames.

        None means that the server did not wait so long: it took the silence for a hello without resume.

        Raises:
            SocketClosed: the socket ended instead.
            ApiFailure: the server refused.
        """
        command: dict[str, Any] = {"type": "hello", "ref": "hello"}
        if resume:
            command["resume"] = resume
        try:
            await self._connection.send(msgspec.json.encode(command), text=True)
            while True:
                frame = parse_frame(await self._connection.recv(decode=False))
                if isinstance(frame, Ack) and frame.ref == "hello":
                    return decode(frame.raw, HelloAck)
                if not isinstance(frame, ErrorFrame) or frame.ref != "hello":
                    self._early.append(frame)
                elif frame.code == "CONFLICT":
                    return None
                else:
                    raise frame.failure()
        except ConnectionClosed:
            raise _close(self._connection) from None

    async def run(self, sink: Callable[[Frame], None]) -> SocketClosed:
        """Read until the socket closes; answers go to their commands, everything else to `sink`, in order."""
        try:
            for frame in self._early:
                sink(frame)
            while True:
                frame = parse_frame(await self._connection.recv(decode=False))
                if isinstance(frame, Ack | Pong | ErrorFrame) and frame.ref is not None:
                    self._answer(frame.ref, frame)
                else:
                    sink(frame)
        except ConnectionClosed:
            return _close(self._connection)
        finally:
            self._end()

    async def command(self, kind: str, fields: Mapping[str, Any], *, timeout: float) -> Answer:
        """Send a command and wait for its answer.

        Raises:
            ApiFailure: the server refused, or the command is larger than the server takes.
            ConnectionLost: the socket ended first, or no answer came in `timeout` seconds (the socket is then
                given up, since an unanswered command means that it does not work). The outcome is unknown.
        """
        ref = str(next(self._refs))
        frame = msgspec.json.encode({"type": kind, "ref": ref, **fields})
        self._check_size(frame)
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[ref] = answer
        try:
            async with asyncio.timeout(timeout):
                await self._send(frame)
                return await answer
        except TimeoutError:
            self.abort()
            raise ConnectionLost(f"no answer to {kind} in {timeout:g} s") from None
        finally:
            del self._waiting[ref]
            if answer.done() and not answer.cancelled():
                answer.exception()  # when the sending failed too, nobody else looks at it

    async def tell(self, kind: str, fields: Mapping[str, Any]) -> None:
        """Send a command that needs no answer.

        Raises:
            ConnectionLost: the socket has ended.
        """
        frame = msgspec.json.encode({"type": kind, **fields})
        self._check_size(frame)
        await self._send(frame)

    async def close(self) -> None:
        """Close normally."""
        await self._connection.close()

    def abort(self) -> None:
        """Drop the connection without a close handshake; `run` ends."""
        self._end()
        self._connection.transport.abort()

    async def _send(self, frame: bytes) -> None:
        if self._closed:
            raise ConnectionLost("the socket is closed", sent=False)
        try:
            await self._connection.send(frame, text=True)
        except ConnectionClosed:
            self._end()
            raise ConnectionLost("the socket closed") from None

    def _check_size(self, frame: bytes) -> None:
        # Sent anyway it would close the socket with 4009, for the other commands too.
        limit = self.welcome.max_frame_bytes
        if len(frame) > limit:
            raise failure(
                "PAYLOAD_TOO_LARGE", f"the command has {len(frame)} bytes, the server takes {limit}"
            )

    def _answer(self, ref: str, frame: Ack | Pong | ErrorFrame) -> None:
        answer = self._waiting.get(ref)
        if answer is None or answer.done():
            return
        if isinstance(frame, ErrorFrame):
            answer.set_exception(frame.failure())
        else:
            answer.set_result(frame)

    def _end(self) -> None:
        self._closed = True
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(ConnectionLost("the socket closed"))


async def open_socket(url: str, token: str, *, conversation_id: str | None = None) -> ChatSocket:
    """Open the chat socket; see `open_at`."""
    return await open_at(
        f"{url}/v1/ws/chat" + (f"?conversation_id={conversation_id}" if conversation_id else ""), token
    )


async def open_at(target: str, token: str) -> ChatSocket:
    """Connect with the access token in the Authorization header and wait for `welcome`.

    Raises:
        ApiFailure: the upgrade was refused.
        ConnectionLost: the server was not reached, or no welcome came.
        SocketClosed: the socket ended before the welcome.
        ProtocolError: the server does not speak the protocol.
    """
    try:
        connection = await connect(
            target,
            additional_headers={"Authorization": f"Bearer {token}"},
            user_agent_header=USER_AGENT,
            compression=None,
            max_size=None,  # conversation_added and page-sized events have no limit of their own
            open_timeout=_OPEN_TIMEOUT,
            ping_interval=_PING_INTERVAL,
            ping_timeout=_PING_TIMEOUT,
            close_timeout=5,
        )
    except InvalidStatus as error:
        response = error.response
        raise parse_failure(response.status_code, response.headers, bytes(response.body or b"")) from None
    except InvalidMessage as error:  # the server went away in the middle of the handshake
        raise ConnectionLost(f"cannot connect: {error}", sent=False) from error
    except InvalidHandshake as error:
        raise ProtocolError(f"the upgrade failed: {error}") from error
    except (OSError, EOFError, TimeoutError) as error:
        raise ConnectionLost(f"cannot reach the server: {error}", sent=False) from error
    try:
        async with asyncio.timeout(_OPEN_TIMEOUT):
            greeting = await connection.recv(decode=False)
        welcome = parse_frame(greeting)
    except ConnectionClosed:
        raise _close(connection) from None
    except TimeoutError:
        connection.transport.abort()
        raise ConnectionLost("no welcome came") from None
    except BaseException:
        connection.transport.abort()
        raise
    if not isinstance(welcome, Welcome):
        connection.transport.abort()
        raise ProtocolError("the first frame is no welcome")
    return ChatSocket(connection, welcome, token, greeting)


def _close(connection: ClientConnection) -> SocketClosed:
    return parse_close(connection.close_code or 1006, connection.close_reason or "")
