"""Routes whose bodies are bytes of any size: read and written piece by piece, at the speed of both sides.

They take no part in bodies of JSON, rate limits and authentication; what lets a caller in is in the URL.
`http.request_timeout` does not bound the whole transfer but each silence of the peer.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable, Mapping
from typing import Any

import msgspec

from secureconnect.edge.http.envelope import Headers
from secureconnect.infra.telemetry.log import get_logger
from secureconnect.kit.errors import ApiError, ErrorCode

__all__ = ["Flow", "Intake", "StreamReply", "StreamRoute", "StreamRouter", "pour"]

log = get_logger()

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class Intake(msgspec.Struct, frozen=True):
    """A request for bytes. `rest` is the path below the route's prefix, percent-decoded.

    `length` is the announced size of the body, None when it comes in chunks of HTTP/1.1. `chunks` has to be
    read at most once; it raises ApiError `CLIENT_TIMEOUT` when the client leaves or falls silent.
    """

    method: str
    rest: str
    query: str
    headers: Mapping[bytes, bytes]
    length: int | None
    chunks: AsyncIterator[bytes]


class Flow(msgspec.Struct, frozen=True):
    """A body of `length` bytes that is made while it is sent; `close` is called once in any case."""

    length: int
    chunks: AsyncIterator[bytes]
    close: Callable[[], None]


class StreamReply(msgspec.Struct, frozen=True):
    """The answer: bytes as they are (`flow`), else `data` in the envelope."""

    status: int = 200
    headers: Headers = []
    content_type: str = "application/json"
    flow: Flow | None = None
    data: Any = None


class StreamRoute(msgspec.Struct, frozen=True, kw_only=True):
    """One method on every path below `prefix`; GET answers HEAD too.

    Args:
        method: GET or PUT.
        prefix: ends with a slash.
        parameter: how the rest of the path is named in the reference.
        query: the Struct of the query parameters, for the reference alone.
        returns: status → Struct of `data`, or None for bytes.
        errors: codes of this route.
    """

    method: str
    prefix: str
    parameter: str
    handler: Callable[[Intake], Awaitable[StreamReply]]
    summary: str
    tag: str
    query: type[Any]
    returns: Mapping[int, type[Any] | None]
    errors: tuple[ErrorCode, ...]

    @property
    def path(self) -> str:
        """The template, for metrics, logs and the reference."""
        return f"{self.prefix}{{{self.parameter}}}"


class StreamRouter:
    """Finds stream routes by the beginning of a path."""

    def __init__(self, routes: Iterable[StreamRoute]) -> None:
        self._prefixes: dict[str, dict[str, StreamRoute]] = {}
        for route in routes:
            self._prefixes.setdefault(route.prefix, {})[route.method] = route

    def find(self, path: str) -> tuple[Mapping[str, StreamRoute], str] | None:
        """The methods there and the rest of the path, or None."""
        for prefix, methods in self._prefixes.items():
            if len(path) > len(prefix) and path.startswith(prefix):
                return methods, path[len(prefix) :]
        return None


class Body:
    """The bytes of one request as they arrive. `unread` while there is more to come.

    Args:
        silence: seconds without a byte after which the client is given up.
    """

    def __init__(self, receive: Receive, headers: Mapping[bytes, bytes], silence: float) -> None:
        self._receive = receive
        self._silence = silence
        length = headers.get(b"content-length")
        self.length = None if b"transfer-encoding" in headers else int(length or b"0")
        self.unread = self.length != 0

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Pieces of up to some hundred KiB; the next one is read from the network when it is asked for."""
        while self.unread:
            try:
                async with asyncio.timeout(self._silence):
                    message = await self._receive()
            except TimeoutError:
                raise ApiError(
                    ErrorCode.CLIENT_TIMEOUT, "The body did not arrive in time.", retry_after=1
                ) from None
            if message["type"] != "http.request":
                raise ApiError(ErrorCode.CLIENT_TIMEOUT, "The client left.", retry_after=1)
            self.unread = message["more_body"]
            if message["body"]:
                yield message["body"]


async def pour(flow: Flow, receive: Receive, send: Send) -> int:
    """Send the body of an answer whose head was sent; returns the bytes that were taken.

    Ends early when the client leaves, or when the source fails: the connection is closed then, since the
    announced length cannot be reached.
    """
    sent = 0
    gone = asyncio.ensure_future(_left(receive))
    try:
        async for chunk in flow.chunks:
            if gone.done():
                return sent
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            sent += len(chunk)
        await send({"type": "http.response.body", "body": b""})
    except ApiError as error:
        log.warning("download broke off", error_code=error.code.name)
    finally:
        gone.cancel()
    return sent


async def _left(receive: Receive) -> None:
    """Returns when the client is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass
