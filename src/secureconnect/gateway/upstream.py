"""One HTTP/1.1 connection to a role: a request at a time, the answer piece by piece (RFC 9112).

The bytes of both bodies pass through at the speed of the slower side. Heads are read by llhttp, which refuses
what two readers could understand differently.
"""

import asyncio
from collections import deque
from typing import cast

import httptools

__all__ = ["Broken", "Connection", "Garbled", "Late"]

#: More of an answer than this is not taken from the network before somebody asks for it.
_AHEAD = 262_144
#: The head of an answer is ours and small; what goes on beyond this is no answer.
_LARGEST_HEAD = 65_536
_SWITCHING = 101


class Broken(Exception):
    """The connection ended before the answer did. `touched`: the role may have read some of the request."""

    def __init__(self, *, touched: bool) -> None:
        super().__init__("the connection ended")
        self.touched = touched


class Garbled(Broken):
    """What came is no HTTP answer."""

    def __init__(self) -> None:
        super().__init__(touched=True)


class Late(Exception):
    """Nothing came in time."""


class Connection(asyncio.Protocol):
    """Made by `create_connection`; `begin` a request, `send` its body, `head`, then `chunk` until b"".

    Only one request at a time; `reusable` says whether another one may follow.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._lost = False
        self._garbled = False
        self._writable: asyncio.Future[None] | None = None
        self._head_only = False
        self._keep = False
        self._reading = True
        self._size = 0  # of the head so far
        # The answer.
        self._waiter: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._pieces: deque[bytes] = deque()
        self._ahead = 0
        self._headed = False
        self._upgrades = False
        self._beyond = bytearray()  # what came after a 101 (Switching Protocols)
        self._informed = False  # a 100 (Continue) came
        self._ended = True
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.idle_since = 0.0

    # The request.

    def begin(self, head: bytes, *, head_only: bool = False, upgrades: bool = False) -> None:
        """Send the head of a request, which may have the beginning of its body with it. `upgrades`: a 101
        (Switching Protocols) is an answer, after which `release` takes the connection over.

        Raises:
            Broken: the connection was closed meanwhile; nothing was sent.
        """
        if self._lost or self._transport is None or self._transport.is_closing():
            raise Broken(touched=False)
        self._head_only = head_only
        self._upgrades = upgrades
        self._headed = self._informed = self._ended = False
        self._size = 0
        self._pieces.clear()
        self._ahead = 0
        self.status = 0
        self.headers = []
        self._transport.write(head)

    async def send(self, data: bytes) -> None:
        """Send more; returns when the role is ready to take more. Raises Broken."""
        if self._lost or self._transport is None:
            raise Broken(touched=True)
        self._transport.write(data)
        if self._writable is not None:
            await asyncio.shield(self._writable)

    # The answer.

    async def head(self, seconds: float) -> None:
        """Return when `status` and `headers` are there.

        Raises:
            Broken: they will not come.
            Late: they did not come within `seconds`.
        """
        while not self._headed:
            await self._more(seconds)

    async def going_ahead(self, seconds: float) -> bool:
        """Whether the role wants the body: True at its 100 (Continue), False when it answered without it.
        Raises Broken and Late."""
        while not self._headed and not self._informed:
            await self._more(seconds)
        return not self._headed

    @property
    def whole(self) -> bool:
        """Everything of the answer is here."""
        return self._ended

    def rest(self) -> bytes:
        """What is here of the body and was not taken; only when `whole`."""
        if len(self._pieces) == 1:
            return self._pieces.popleft()
        body = b"".join(self._pieces)
        self._pieces.clear()
        return body

    async def chunk(self, seconds: float) -> bytes:
        """The next piece of the body, b"" at its end. Raises Broken and Late."""
        while not self._pieces:
            if self._ended:
                return b""
            await self._more(seconds)
        pieces = b"".join(self._pieces)
        self._pieces.clear()
        self._ahead = 0
        if not self._reading and self._transport is not None:
            self._reading = True
            self._transport.resume_reading()
        return pieces

    @property
    def reusable(self) -> bool:
        """Another request may follow: the answer came whole, and both sides stay."""
        return (
            self._ended
            and self._keep
            and not self._lost
            and self._transport is not None
            and not self._transport.is_closing()
        )

    @property
    def lost(self) -> bool:
        """The other side is gone."""
        return self._lost

    def release(self) -> tuple[asyncio.Transport, bytes]:
        """The connection itself after a 101, and what came on it since. The caller gives it a protocol."""
        assert self._transport is not None
        return self._transport, bytes(self._beyond)

    def close(self) -> None:
        """End it, in the middle of whatever it does."""
        self._stop_timer()
        if self._transport is not None:
            self._transport.abort()

    async def _more(self, seconds: float) -> None:
        if self._garbled:
            raise Garbled
        if self._lost:
            raise Broken(touched=True)
        self._waiter = self._loop.create_future()
        self._timer = self._loop.call_later(seconds, self._late)
        try:
            await self._waiter
        finally:
            self._waiter = None
            self._stop_timer()

    def _late(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(Late())

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self._headed and self.status == _SWITCHING:
            self._beyond += data
            return
        if self._ended:
            # Nobody asked: an answer to a request that was never sent would be taken for the next one's.
            self._fail()
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if not self._headed or self.status != _SWITCHING:
                self._fail()
                return
            self._beyond += data[upgrade.args[0] :]
        except httptools.HttpParserError:
            self._fail()
            return
        # When all of it is here, nobody asks for more: the pause would outlast it and stop the next answer.
        if self._ahead > _AHEAD and not self.whole and self._reading and self._transport is not None:
            self._reading = False
            self._transport.pause_reading()
        self._wake()

    def eof_received(self) -> None:
        # A body without a length ends here; llhttp learns it from the end of the input alone.
        if self._headed and not self._ended and self._until_close():
            self._ended = True
            self._wake()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._lost = True
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)
        self._writable = None
        self._wake()

    def pause_writing(self) -> None:
        self._writable = self._loop.create_future()

    def resume_writing(self) -> None:
        if self._writable is not None:
            self._writable.set_result(None)
            self._writable = None

    def _fail(self) -> None:
        self._garbled = self._lost = True
        self.close()
        self._wake()

    def _until_close(self) -> bool:
        names = {name for name, _ in self.headers}
        return b"content-length" not in names and b"transfer-encoding" not in names

    # What the parser calls.

    def on_message_begin(self) -> None:
        if self._ended:
            self._keep = False  # an answer that nobody asked for stands behind the one that was

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._headed and not self._ended:  # trailers are dropped
            self._size += len(name) + len(value) + len(b": \r\n")
            if self._size > _LARGEST_HEAD:
                raise ValueError("the head of the answer is too large")  # ends the parser
            self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        if self._ended:
            return
        status = self._parser.get_status_code()
        if 100 <= status < 200 and not (self._upgrades and status == _SWITCHING):
            self._informed = self._informed or status == 100
            self.headers = []
            return
        self.status = status
        self._keep = self._parser.should_keep_alive()
        self._headed = True
        if self._head_only:
            self._ended = True
            # It would wait for the body that the head announces.
            self._parser = httptools.HttpResponseParser(self)

    def on_body(self, body: bytes) -> None:
        if not self._ended:
            self._pieces.append(body)
            self._ahead += len(body)

    def on_message_complete(self) -> None:
        if self._headed:
            self._ended = True
