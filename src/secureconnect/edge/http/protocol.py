"""The bytes of one HTTP connection: uvicorn's protocol, with limits before the application (`http=`).

uvicorn answers an unreadable request with plain text, accepts a request head of any size and waits for it for
ever. Here all of these get the product's envelope (docs/reference/conventions.md §3.2, §3.3;
docs/reference/rules.md §13). Bodies are the application's business: their size and their time are known where
they are read. Answers that nobody takes are ours: only here is it known whether any byte left.
"""

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from secureconnect.kit.errors import ApiError, ErrorCode, invalid

if TYPE_CHECKING:
    from uvicorn.config import Config
    from uvicorn.server import ServerState

__all__ = ["GuardedProtocol", "Render", "Shed", "http_protocol"]

#: Status, headers and body of the answer to an error.
Render = Callable[[ApiError], tuple[int, list[tuple[bytes, bytes]], bytes]]

#: From method, URL, headers and whether the connection stays: the whole answer to a request that is not let
#: in, or None for one that is.
Shed = Callable[[bytes, bytes, list[tuple[bytes, bytes]], bool], bytes | None]

# After an error the peer may still be sending. It gets so long to read the answer; closing at once would
# reset the connection, and the answer could be lost with it.
_LINGER = 2.0

# A peer that takes nothing of an answer for so long is gone, or holds us.
_STALLED = 30.0

_VERSIONS = frozenset({"1.1", "1.0"})


class GuardedProtocol(HttpToolsProtocol):
    """One connection. One timer of ours at most runs, and only while the peer owes us a request head."""

    render: ClassVar[Render]
    max_request_line: ClassVar[int]
    max_header_bytes: ClassVar[int]
    header_timeout: ClassVar[float]
    stall_timeout: ClassVar[float]
    shed: ClassVar[Shed | None]

    def __init__(
        self,
        config: "Config",
        server_state: "ServerState",
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._deadline: asyncio.TimerHandle | None = None
        self._in_head = False
        self._in_body = False
        self._chunk = 0  # bytes being parsed now
        # In a head: its bytes so far. In a body: bytes since the last that the application got, which bounds
        # trailers and chunk extensions; the parser would collect any amount of them. Minus `_chunk` while
        # nothing of the present chunk counts.
        self._count = 0
        self._deaf = False  # nothing that arrives counts any more
        self._refusal: bytes | None = None  # the answer to a request that is refused unread
        self._next: Callable[[], None] | None = None  # to do when the requests before this one are answered
        self._ignored_upgrade = False
        self._stall: asyncio.TimerHandle | None = None

    # What the event loop calls.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn
        super().connection_made(transport)
        self._deadline = self.loop.call_later(self.header_timeout, self._late)

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._stop_deadline()
        self._stop_stall()
        self._next = None

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        self._unset_keepalive_if_required()
        if not self._feed(data):
            return
        self._count += self._chunk
        if self._in_head or self._in_body:
            fault = self._too_large(self._count)
            if fault is not None:
                self._fail(fault)
                return
        if self._in_body and self._refusal is None and self.cycle.transport is self.transport:
            self.cycle.transport = _Lingering(self)  # type: ignore[assignment]  # all that a cycle uses
        self._watch()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_stall()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_stall()

    # What the parser calls.

    def on_message_begin(self) -> None:
        super().on_message_begin()
        # With something else before it in this chunk the message starts somewhere inside: count it from the
        # next chunk on.
        self._count = -self._chunk if self._count < 0 else 0
        self._in_head = True

    def on_headers_complete(self) -> None:
        # A head that came with few bytes is a small one: the usual case costs nothing.
        if self._chunk + max(self._count, 0) > self.max_request_line:
            size = sum(len(name) + len(value) + len(b": \r\n") for name, value in self.headers)
            fault = self._too_large(self._line() + size)
            if fault is not None:
                raise fault
        if self.parser.get_http_version() not in _VERSIONS:
            raise invalid("request", "the HTTP version is not 1.0 or 1.1")
        # `Upgrade: h2c` and the like, which some clients send with every request. The parser skips the body
        # of such a request; see `_upgrade`.
        upgrade = self.parser.should_upgrade()
        self._ignored_upgrade = upgrade and not self._should_upgrade()
        shed = type(self).shed
        if shed is not None and not upgrade and not self._busy():
            stays = self.parser.should_keep_alive()
            self._refusal = shed(self.parser.get_method(), self.url, self.headers, stays)
        if not self._ignored_upgrade and self._refusal is None:
            super().on_headers_complete()
        if not upgrade:
            # Trailers would be added to the headers that the application has, and pretend to be any of them.
            self.headers = []
        self._in_head, self._in_body = False, True
        self._count = -self._chunk

    def on_body(self, body: bytes) -> None:
        self._count = -self._chunk
        if self._refusal is None:
            super().on_body(body)

    def on_message_complete(self) -> None:
        self._in_body = False
        self._count = -self._chunk
        if self._refusal is not None:
            self._refuse()
        elif not self._ignored_upgrade:
            super().on_message_complete()

    # What the answers to requests call.

    def on_response_complete(self) -> None:
        idle = not self.pipeline
        super().on_response_complete()
        if idle and self._next is not None and not self.transport.is_closing():
            self._unset_keepalive_if_required()
            todo, self._next = self._next, None
            todo()
        elif self._in_head:
            # The peer may have been kept from sending the rest: its time starts anew.
            self._unset_keepalive_if_required()
            self._stop_deadline()
            self._watch()

    def leave(self) -> None:
        """Close after an answer.

        A peer that is still sending its body gets some time to end and to read the answer: closing at once
        would reset the connection, and the answer could be lost with it.
        """
        if not self._in_body:
            self.transport.close()
            return
        self._stop_deadline()
        self._deaf = True
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._deadline = self.loop.call_later(self.header_timeout, self.transport.abort)

    # Ours.

    def _feed(self, data: bytes) -> bool:
        """True when everything was parsed and the connection goes on as it was."""
        while data:
            self._chunk = len(data)
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                data = self._upgrade(data[upgrade.args[0] :])
            except httptools.HttpParserError as error:
                self._fail(_fault_of(error))
                return False
            else:
                return True
        return not self._deaf

    def _refuse(self) -> None:
        """Give the answer of one who is not let in, and wait for the next request."""
        refusal, self._refusal = self._refusal, None
        assert refusal is not None
        self.transport.write(refusal)
        if not self.parser.should_keep_alive():
            self.transport.close()
        elif self.timeout_keep_alive_task is None:
            self._stop_deadline()
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def _line(self) -> int:
        """Bytes of the request line, its end included."""
        return len(self.parser.get_method()) + len(self.url) + len(b"  HTTP/1.1\r\n")

    def _too_large(self, size: int) -> ApiError | None:
        """What is wrong with this head, or with these trailers, of `size` bytes so far, if anything is."""
        line = self._line() if self._in_head else 0
        if line > self.max_request_line + 2:
            return ApiError(ErrorCode.URI_TOO_LONG)
        return ApiError(ErrorCode.HEADERS_TOO_LARGE) if size > line + self.max_header_bytes else None

    def _busy(self) -> bool:
        """An earlier request is not answered yet."""
        return not getattr(self.cycle, "response_complete", True)  # uvicorn's first cycle is None

    def _upgrade(self, rest: bytes) -> bytes:
        """The parser stopped at a request to upgrade; `rest` came after it. Returns what to parse instead."""
        if self._ignored_upgrade:
            return self._without_upgrade(rest)
        self._stop_deadline()
        self._deaf = True
        if self._busy():
            # Its 101 must not overtake the answers to the requests before it.
            self.flow.pause_reading()
            self._next = lambda: self._become_socket(rest)
        else:
            self._become_socket(rest)
        return b""

    def _become_socket(self, rest: bytes) -> None:
        self.handle_websocket_upgrade()
        # The parser and this object hold each other; a socket that lives for days should not keep them.
        self.parser = None  # type: ignore[assignment]  # as uvicorn does when the connection is lost
        if rest and not self.transport.is_closing():
            protocol = self.transport.get_protocol()
            assert isinstance(protocol, asyncio.Protocol)
            protocol.data_received(rest)

    def _without_upgrade(self, rest: bytes) -> bytes:
        """The same request as the ordinary one that it is for us, to be read by a fresh parser."""
        self._ignored_upgrade = False
        if self.parser.get_method() == b"CONNECT":
            self._fail(invalid("request", "this server is no proxy"))
            return b""
        head = [self.parser.get_method(), b" ", self.url, b" HTTP/", self.parser.get_http_version().encode()]
        for name, value in self.headers:
            if name not in {b"upgrade", b"http2-settings"}:
                head += [b"\r\n", name, b": ", value]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._count = -1  # what came before in this chunk must not be counted
        return b"".join([*head, b"\r\n\r\n", rest])

    def _watch(self) -> None:
        """Run the deadline exactly while the peer owes us a request; uvicorn's keep-alive covers the rest."""
        if not self._in_head and self._busy():
            self._stop_deadline()
        elif self._deadline is None and self.timeout_keep_alive_task is None:
            self._deadline = self.loop.call_later(self.header_timeout, self._late)

    def _stop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _watch_stall(self) -> None:
        waiting = self.transport.get_write_buffer_size()
        self._stall = self.loop.call_later(self.stall_timeout, self._stalled, waiting)

    def _stop_stall(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    def _stalled(self, waited: int) -> None:
        """Nothing is added while writing is paused: less is waiting only when the peer took some."""
        if self.transport.get_write_buffer_size() < waited:
            self._watch_stall()
        else:
            self.transport.abort()

    def _late(self) -> None:
        self._deadline = None
        if self._in_head and self.flow.read_paused:
            self._watch()  # it is us who do not read
        elif self._in_head:
            self._fail(ApiError(ErrorCode.CLIENT_TIMEOUT, "The request headers were not received in time."))
        else:
            self.transport.close()

    def _fail(self, error: ApiError) -> None:
        """Answer with `error` after everything that was asked before, then close."""
        self._stop_deadline()
        self._deaf = True
        if not self._busy():
            if self._in_body:
                self.transport.close()  # the rest of a request that has its answer
            else:
                self._answer(error)
        elif not self._in_body:
            self._next = lambda: self._answer(error)
        elif self.pipeline:
            # The broken request waits behind others: it will not run.
            self.pipeline.popleft()
            self._next = lambda: self._answer(error)
        else:
            # It runs and reads its body, of which no more can come. For the application the peer is gone.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            if self.cycle.response_started:
                self.transport.close()
            else:
                self._answer(error)

    def _answer(self, error: ApiError) -> None:
        if self.transport.is_closing():
            return
        status, headers, body = type(self).render(error)
        present = {name.lower() for name, _ in headers}
        lines = [STATUS_LINE.get(status) or b"HTTP/1.1 %d \r\n" % status]
        for name, value in [*self.server_state.default_headers, *headers]:
            lines += [name, b": ", value, b"\r\n"]
        if b"content-length" not in present:
            lines.append(b"content-length: %d\r\n" % len(body))
        if b"connection" not in present:
            lines.append(b"connection: close\r\n")
        self.transport.write(b"".join([*lines, b"\r\n", body]))
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._deadline = self.loop.call_later(_LINGER, self.transport.abort)


class _Lingering:
    """The connection as the answer to one unfinished request has it: closing it is up to us."""

    __slots__ = ("close", "is_closing", "write")

    def __init__(self, protocol: GuardedProtocol) -> None:
        self.write = protocol.transport.write
        self.is_closing = protocol.transport.is_closing
        self.close = protocol.leave


def _fault_of(error: httptools.HttpParserError) -> ApiError:
    # What a callback raised stands behind the parser's own error.
    if isinstance(error.__context__, ApiError):
        return error.__context__
    return invalid("request", "not a readable HTTP request")


def http_protocol(
    *,
    render: Render,
    shed: Shed | None = None,
    max_request_line: int = 8_192,
    max_header_bytes: int = 16_384,
    header_timeout: float = 10.0,
    stall_timeout: float = _STALLED,
) -> type[asyncio.Protocol]:
    """The class to give to uvicorn as `Config(http=...)`.

    Args:
        render: makes the complete answer to an error; it is not called for errors of the application.
        shed: asked with every request that has a connection for itself; see `Shed`.
        max_request_line: bytes, without the line end; more: `URI_TOO_LONG`.
        max_header_bytes: bytes of all header lines; more: `HEADERS_TOO_LARGE`. Also for trailers.
        header_timeout: seconds from the first byte (of a new connection: from its start) to the complete
            head; later: `CLIENT_TIMEOUT`, or no answer when nothing came.
        stall_timeout: seconds in which a peer takes nothing of an answer, after which the connection ends.
    """

    class BoundProtocol(GuardedProtocol):
        pass

    BoundProtocol.render = staticmethod(render)
    BoundProtocol.shed = staticmethod(shed) if shed is not None else None
    BoundProtocol.max_request_line = max_request_line
    BoundProtocol.max_header_bytes = max_header_bytes
    BoundProtocol.header_timeout = header_timeout
    BoundProtocol.stall_timeout = stall_timeout
    return BoundProtocol
