"""Turns outcomes into answers: the envelope and the headers that belong to it."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from secureconnect.edge.http.cors import Cors
from secureconnect.edge.http.envelope import DATA_POLICY, Headers, failure, security_headers, success
from secureconnect.edge.http.streams import Flow
from secureconnect.infra.cache.base import Window
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ApiError
from secureconnect.kit.principal import Principal, RequestContext

__all__ = ["Answers", "Exchange", "PageReply", "Receive", "Send", "without_meta"]

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

_RETRY_DEFAULTS = {502: 1, 503: 1}
_NO_STORE = (b"cache-control", b"no-store")


class PageReply(msgspec.Struct):
    """An answer as it is sent; with a `flow` that is the body."""

    body: bytes
    content_type: str = "application/json"
    status: int = 200
    headers: Headers = []
    flow: Flow | None = None

    @property
    def length(self) -> int:
        """Bytes of the body."""
        return len(self.body) if self.flow is None else self.flow.length


class Exchange(msgspec.Struct):
    """One request on its way through the checks; `receiving` while there is more of its body to come."""

    scope: dict[str, Any]
    receive: Receive
    headers: dict[bytes, bytes]
    context: RequestContext
    endpoint: str = "unmatched"
    principal: Principal | None = None
    window: Window | None = None
    receiving: bool = False
    extra: Headers = msgspec.field(default_factory=list)


class Answers:
    """Renders answers.

    Args:
        clock: for `meta.timestamp`.
        cors: which origins may read them.
    """

    def __init__(self, clock: Clock, cors: Cors) -> None:
        self._clock = clock
        self._cors = cors

    def success(self, exchange: Exchange, data: Any) -> bytes:
        """The envelope around `data`."""
        return success(data, self._clock, exchange.context.request_id)

    def again(self, exchange: Exchange, body: bytes) -> bytes:
        """A remembered envelope (up to `meta`) with the `meta` of this request."""
        return body + _meta(self.success(exchange, {}))

    def refused(self, exchange: Exchange, error: ApiError) -> bytes:
        """The envelope of an error; its headers are added to the exchange."""
        exchange.extra += _error_headers(error)
        return failure(error, self._clock, exchange.context.request_id)

    def headers(self, exchange: Exchange, reply: PageReply) -> Headers:
        """All headers of one answer, each once."""
        own = {name for name, _ in reply.headers}
        headers = [
            (b"content-type", reply.content_type.encode()),
            (b"content-length", str(reply.length).encode()),
            (b"x-request-id", exchange.context.request_id.encode()),
            *security_headers(secure=exchange.scope["scheme"] == "https"),
            *exchange.extra,
            *reply.headers,
        ]
        if DATA_POLICY[0] not in own:
            headers.append(DATA_POLICY)
        if _NO_STORE[0] not in own:
            headers.append(_NO_STORE)
        if exchange.window is not None:
            headers += _limit_headers(exchange.window)
        origin = exchange.headers.get(b"origin")
        if origin is not None and exchange.scope["method"] != "OPTIONS":
            headers += self._cors.headers(origin)
        return headers

    def bare(
        self, error: ApiError, request_id: str, *, secure: bool, origin: bytes | None = None
    ) -> tuple[int, Headers, bytes]:
        """Status, headers and body of a refusal outside the application: unreadable requests and upgrades."""
        body = failure(error, self._clock, request_id)
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"x-request-id", request_id.encode()),
            *security_headers(secure=secure),
            DATA_POLICY,
            _NO_STORE,
            *_error_headers(error),
            *self._cors.headers(origin),
        ]
        return error.code.status, headers, body


def without_meta(envelope: bytes) -> bytes:
    """The envelope up to `meta`, which belongs to one request."""
    return envelope[: envelope.rfind(b',"meta":')]


def _error_headers(error: ApiError) -> Headers:
    headers: Headers = []
    retry_after = error.retry_after or _RETRY_DEFAULTS.get(error.code.status)
    if retry_after is not None:
        headers.append((b"retry-after", str(max(1, retry_after)).encode()))
    if error.code.status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    return headers


def _meta(envelope: bytes) -> bytes:
    return envelope[envelope.rfind(b',"meta":') :]


def _limit_headers(window: Window) -> Headers:
    return [
        (b"x-ratelimit-limit", str(window.limit).encode()),
        (b"x-ratelimit-remaining", str(window.remaining).encode()),
        (b"x-ratelimit-reset", str(window.reset_at).encode()),
    ]
