"""The signaling socket of one call, which comes back when it is lost (docs/reference/realtime.md §10)."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import msgspec

from secureconnect.client.credentials import Credentials
from secureconnect.client.errors import ClientError, ConnectionLost, SocketClosed
from secureconnect.client.frames import Ack, ErrorFrame, Frame, OtherFrame, TokenExpiring
from secureconnect.client.http import decode
from secureconnect.client.inbox import Inbox
from secureconnect.client.models.calls import Call, IceServer, SfuEntrance
from secureconnect.client.reconnector import ConnectionChanged, ConnectionState, Reconnector
from secureconnect.client.socket import ChatSocket, open_at

__all__ = ["CALL_ENDED", "JoinedCall", "SignalLink", "Signaling"]

#: The close code that says that the call is over.
CALL_ENDED = 4006
_COMMAND_TIMEOUT = 35  # the server gives up after 30 s


class _Welcome(msgspec.Struct):
    call: Call
    ice_servers: list[IceServer]
    reconnected: bool = False


class JoinedCall(msgspec.Struct, frozen=True):
    """The call that was joined; `sfu` is None in a mesh."""

    call: Call
    sfu: SfuEntrance | None = None


class SignalLink:
    """Implements `reconnector.Link`. After a break that the server did not wait for it joins again."""

    def __init__(
        self, url: str, call_id: str, *, credentials: Credentials, sink: Callable[[OtherFrame], None]
    ) -> None:
        self._target = f"{url}/v1/ws/signaling?call_id={quote(call_id, safe='')}"
        self._credentials = credentials
        self._sink = sink
        self._socket: ChatSocket | None = None
        self._changed = asyncio.Event()
        self._ended: ClientError | None = None
        self._side: set[asyncio.Task[None]] = set()
        self._again = False
        self.joined = False
        self.token = ""
        self.user_id = ""
        self.welcome: _Welcome | None = None

    async def connect(self) -> ChatSocket:
        """Open the socket."""
        self.token = self._credentials.access_token
        socket = await open_at(self._target, self.token)
        self.user_id = socket.welcome.user_id
        self.welcome = decode(socket.greeting, _Welcome)
        self._again = self.joined and not self.welcome.reconnected
        return socket

    async def serve(self, socket: ChatSocket) -> SocketClosed:
        """Take frames until the socket ends."""
        self._socket = socket
        self._changed.set()
        if self._again:
            self._start(self._join_again(socket))
        try:
            return await socket.run(lambda frame: self._frame(socket, frame))
        finally:
            self._socket = None
            socket.abort()

    async def live(self) -> ChatSocket:
        """The open socket, as soon as there is one.

        Raises:
            ClientError: there will be none any more.
        """
        while True:
            if self._socket is not None and self._socket.open:
                return self._socket
            if self._ended is not None:
                raise self._ended
            self._changed.clear()
            await self._changed.wait()

    def end(self, reason: ClientError) -> None:
        """There will be no connection any more."""
        self._ended = self._ended or reason
        self._changed.set()

    async def aclose(self) -> None:
        """Close the socket normally."""
        if self._socket is not None:
            await self._socket.close()
        for task in self._side:
            task.cancel()
        await asyncio.gather(*self._side, return_exceptions=True)

    def _frame(self, socket: ChatSocket, frame: Frame) -> None:
        match frame:
            case OtherFrame():
                self._sink(frame)
            case TokenExpiring():
                self._start(self._renew(socket))
            case ErrorFrame():
                pass  # of what was sent without asking for an answer
            case _:
                pass

    async def _join_again(self, socket: ChatSocket) -> None:
        await socket.command("join", {}, timeout=_COMMAND_TIMEOUT)

    async def _renew(self, socket: ChatSocket) -> None:
        token = await self._credentials.renew(socket.token)
        await socket.command("token_refresh", {"access_token": token}, timeout=_COMMAND_TIMEOUT)
        socket.token = token

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(_quietly(work))
        self._side.add(task)
        task.add_done_callback(self._side.discard)


class Signaling:
    """What the participants of a call tell each other: descriptions of media, who is muted, who shares.

        async with client.signaling(call_id) as line:
            await line.join()
            async for frame in line.frames():
                ...

    Made by `Client.signaling`.
    """

    def __init__(
        self,
        link: SignalLink,
        inbox: Inbox[OtherFrame | ConnectionChanged],
        reconnector: Callable[[Callable[[ConnectionChanged], None]], Reconnector],
    ) -> None:
        self._inbox = inbox
        self._link = link
        self._reconnector = reconnector(self._moved)
        self._task: asyncio.Task[None] | None = None
        self._trouble = "the server does not answer"

    @property
    def user_id(self) -> str:
        """Who the server says that this is."""
        return self._link.user_id

    @property
    def call(self) -> Call:
        """The call as it was when the socket was opened last."""
        return self._welcome.call

    @property
    def ice_servers(self) -> list[IceServer]:
        """The servers that media may use, with credentials of that moment."""
        return self._welcome.ice_servers

    async def start(self, *, timeout: float | None = 30) -> None:
        """Connect; returns when the socket is open. `async with` does this.

        Raises:
            ApiFailure, SocketClosed, NotLoggedIn: the server refuses for a reason that stays.
            ConnectionLost: no connection within `timeout` seconds (None: keep trying).
        """
        self._task = asyncio.create_task(self._run(), name="signaling")
        try:
            async with asyncio.timeout(timeout):
                await self._link.live()
        except TimeoutError:
            await self.aclose()
            raise ConnectionLost(f"no connection within {timeout:g} s: {self._trouble}", sent=False) from None
        except BaseException:
            await self.aclose()
            raise

    async def join(self, *, takeover: bool = False) -> JoinedCall:
        """Take part; needed before any other command. After a break this is done by itself."""
        answer = await self._command("join", {"takeover": takeover} if takeover else {})
        self._link.joined = True
        return decode(answer.raw, JoinedCall)

    async def send(self, kind: str, /, **fields: Any) -> None:
        """A command (`offer`, `mute_audio` …) with its fields; returns when the server has it.

        Raises:
            ApiFailure: the server refuses; NOT_FOUND when `target_id` is not listening.
            ConnectionLost: the socket went away; whether it was done is unknown.
        """
        await self._command(kind, fields)

    async def leave(self) -> None:
        """Hang up; the socket then closes."""
        self._reconnector.stop()
        await self._command("leave", {})

    async def frames(self) -> AsyncIterator[OtherFrame | ConnectionChanged]:
        """What others send, and what happens to the connection; ends with the call.

        Raises:
            ClientError: the connection ended for another reason, for good.
        """
        while (item := await self._inbox.get()) is not None:
            yield item

    async def aclose(self) -> None:
        """Close the socket. Without `leave` before, the server waits for this side to come back."""
        self._inbox.close()
        self._reconnector.stop()
        self._link.end(ConnectionLost("the call was closed"))
        await self._link.aclose()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    @property
    def _welcome(self) -> _Welcome:
        if self._link.welcome is None:
            raise RuntimeError("not connected yet: use `async with`")
        return self._link.welcome

    async def _command(self, kind: str, fields: dict[str, Any]) -> Ack:
        socket = await self._link.live()
        answer = await socket.command(kind, fields, timeout=_COMMAND_TIMEOUT)
        assert isinstance(answer, Ack)
        return answer

    def _moved(self, change: ConnectionChanged) -> None:
        self._trouble = change.reason or self._trouble
        self._inbox.put(change)

    async def _run(self) -> None:
        reason: Exception = ConnectionLost("the call was closed")
        try:
            reason = await self._reconnector.run()
        except Exception as error:  # a defect of this package: tell the application instead of hanging
            reason = error
            raise
        finally:
            self._moved(ConnectionChanged(state=ConnectionState.STOPPED, reason=str(reason)))
            self._link.end(reason if isinstance(reason, ClientError) else ClientError(str(reason)))
            over = isinstance(reason, SocketClosed) and reason.code in (1000, CALL_ENDED)
            self._inbox.close(None if over else reason)


async def _quietly(work: Coroutine[Any, Any, None]) -> None:
    try:
        await work
    except ClientError:
        return
