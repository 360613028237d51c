"""What every HTTP surface does around a request: who asks, which route, the refusals, the line in the log."""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import msgspec

from secureconnect.edge.http.admission import Admission
from secureconnect.edge.http.answers import Answers, Exchange, PageReply, Receive, Send
from secureconnect.edge.http.client_address import ClientAddress
from secureconnect.edge.http.cors import Cors
from secureconnect.edge.http.routing import Route
from secureconnect.edge.http.shedding import REQUEST_ID, Shedder
from secureconnect.edge.http.streams import StreamRoute, pour
from secureconnect.infra.telemetry import tracing
from secureconnect.infra.telemetry.log import get_logger
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.ids import new_id
from secureconnect.kit.principal import RequestContext

__all__ = ["Front", "HttpMetrics", "Page"]

log = get_logger()

R = TypeVar("R", Route, StreamRoute)

#: Names, not methods: a method taken before logging is set up would never hear of its configuration.
_LEVELS = {4: "warning", 5: "error"}


class HttpMetrics(Protocol):
    """Counts finished requests."""

    def started(self) -> None:
        """One request began."""

    def finished(self, method: str, endpoint: str, status: int, seconds: float) -> None:
        """It was answered; `endpoint` is the route template or `unmatched`."""

    def refused_early(self, method: str, endpoint: str, status: int) -> None:
        """A request was answered before it was looked at."""


class Page(msgspec.Struct, frozen=True):
    """A GET without envelope, without limit and not stopped by shutdown: health, metrics, documents, keys."""

    path: str
    handler: Callable[[Mapping[bytes, bytes]], Awaitable[PageReply]]


class Front:
    """Pages, and what precedes and follows the answer to any other request.

    Args:
        pages: served without envelope, also while the process stops.
        metrics: counts finished requests.
        answers: renders.
        cors: which origins may read answers.
        address: which address a request counts for.
        admission: whether one more request may run; None: always.
    """

    def __init__(
        self,
        *,
        pages: Sequence[Page],
        metrics: HttpMetrics,
        answers: Answers,
        cors: Cors,
        address: ClientAddress,
        admission: Admission | None = None,
    ) -> None:
        self._pages = {page.path: page for page in pages}
        #: Refuses requests while too many run; None: never.
        self.shedder = Shedder(admission, answers, metrics, self._pages) if admission is not None else None
        self._metrics = metrics
        self._answers = answers
        self._cors = cors
        self._address = address

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        if self.shedder is not None and self.shedder.wants(scope["path"].encode()):
            await self._shed(self.shedder, scope, send)
            return
        self._metrics.started()
        headers: dict[bytes, bytes] = dict(scope["headers"])
        exchange = Exchange(scope, receive, headers, self.context(headers, scope["client"]))
        if tracing.enabled() and scope["path"] not in self._pages:
            await self._traced(exchange, send, started)
        else:
            await self._handle(exchange, send, started)

    async def _traced(self, exchange: Exchange, send: Send, started: float) -> None:
        """The same, as the span of a server."""
        given = exchange.headers.get(b"traceparent", b"").decode("latin-1")
        work = tracing.start("HTTP", "server", tracing.parse_traceparent(given))
        assert work is not None
        with tracing.span(work):
            status = await self._handle(exchange, send, started)
            method = exchange.scope["method"]
            work.name = f"{method} {exchange.endpoint}"
            work.failed = status >= 500
            work.attributes = {
                "http.request.method": method,
                "http.route": exchange.endpoint,
                "http.response.status_code": status,
                "url.scheme": exchange.scope["scheme"],
            }

    async def _handle(self, exchange: Exchange, send: Send, started: float) -> int:
        """Answer, count and log; returns the status."""
        reply = await self._answer(exchange)
        size = await self._give(exchange, reply, send)
        self._finish(exchange, reply.status, size, time.perf_counter() - started)
        return reply.status

    async def _shed(self, shedder: Shedder, scope: dict[str, Any], send: Send) -> None:
        """Refuse a request before anything is done for it; the log has one line for all of them."""
        status, headers, body = shedder.refusal(
            scope["method"], scope["headers"], secure=scope["scheme"] == "https"
        )
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _give(self, exchange: Exchange, reply: PageReply, send: Send) -> int:
        """Send the answer; returns the bytes of its body."""
        out = self._answers.headers(exchange, reply)
        # A body left unread cannot be skipped reliably, so the connection ends with an early refusal.
        if exchange.receiving or reply.status in {408, 413}:
            out.append((b"connection", b"close"))
        size = len(reply.body)
        try:
            await send({"type": "http.response.start", "status": reply.status, "headers": out})
            if reply.flow is None:
                await send({"type": "http.response.body", "body": reply.body})
            else:
                size = await pour(reply.flow, exchange.receive, send)
        finally:
            if reply.flow is not None:
                reply.flow.close()
        return size

    async def _answer(self, exchange: Exchange) -> PageReply:
        """The answer; whatever goes wrong becomes an envelope here and nowhere else."""
        try:
            return await self._serve(exchange)
        except ApiError as error:
            return PageReply(self._refuse(exchange, error), status=error.code.status)
        except TimeoutError:
            if exchange.receiving:
                late = ApiError(ErrorCode.CLIENT_TIMEOUT, "The body did not arrive in time.", retry_after=1)
            else:
                late = ApiError(ErrorCode.REQUEST_TIMEOUT, "No result in time; the outcome is unknown.")
            return PageReply(self._refuse(exchange, late), status=late.code.status)
        except Exception as defect:  # noqa: BLE001 - logged there
            return PageReply(self._defect(exchange, defect), status=ErrorCode.INTERNAL_ERROR.status)

    async def _serve(self, exchange: Exchange) -> PageReply:
        """The answer to a good request. Raises ApiError for any other."""
        raise NotImplementedError

    def _page(self, exchange: Exchange) -> Page | None:
        """The page that is asked for, if one is."""
        page = self._pages.get(exchange.scope["path"])
        if page is None or exchange.scope["method"] not in {"GET", "HEAD"}:
            return None
        exchange.endpoint = page.path
        return page

    def context(self, headers: Mapping[bytes, bytes], peer: tuple[str, int] | None) -> RequestContext:
        """Request id, client address and user agent of a request with these headers."""
        given = headers.get(b"x-request-id", b"")
        request_id = given.decode() if REQUEST_ID.fullmatch(given) else new_id()
        forwarded = headers.get(b"x-forwarded-for")
        client = self._address.of(
            peer[0] if peer else "unix", forwarded.decode("latin-1") if forwarded is not None else None
        )
        agent = headers.get(b"user-agent")
        return RequestContext(
            request_id, client, agent.decode("latin-1")[:512] if agent is not None else None
        )

    def _method(self, exchange: Exchange, methods: Mapping[str, R]) -> R | None:
        """The route of the request's method, or None for an allowed preflight."""
        method = exchange.scope["method"]
        route = methods.get("GET" if method == "HEAD" else method)
        if route is not None:
            exchange.endpoint = route.path
            return route
        origin = exchange.headers.get(b"origin")
        if method == "OPTIONS":
            if origin is not None and b"access-control-request-method" in exchange.headers:
                if not self._cors.allows(origin):
                    raise ApiError(
                        ErrorCode.ORIGIN_NOT_ALLOWED, "This origin is not in http.allowed_origins."
                    )
                exchange.extra += self._cors.headers(origin, preflight=True)
            return None
        allowed = set(methods) or {"GET"}
        if "GET" in allowed:
            allowed.add("HEAD")
        exchange.extra.append((b"allow", ", ".join(sorted(allowed | {"OPTIONS"})).encode()))
        raise ApiError(ErrorCode.METHOD_NOT_ALLOWED, f"{method} is not allowed here.")

    def _defect(self, exchange: Exchange, defect: Exception) -> bytes:
        """The envelope for an exception that nobody expected; the log tells the rest."""
        log.error(
            "request failed",
            exc_info=defect,
            request_id=exchange.context.request_id,
            path=exchange.endpoint,
            error_code="INTERNAL_ERROR",
        )
        return self._refuse(
            exchange, ApiError(ErrorCode.INTERNAL_ERROR, "A defect; the request id is in the log.")
        )

    def _refuse(self, exchange: Exchange, error: ApiError) -> bytes:
        """The envelope of an error."""
        return self._answers.refused(exchange, error)

    def _finish(self, exchange: Exchange, status: int, size: int, seconds: float) -> None:
        method, endpoint = exchange.scope["method"], exchange.endpoint
        self._metrics.finished(method, endpoint, status, seconds)
        level = "debug" if exchange.scope["path"] in self._pages else _LEVELS.get(status // 100, "info")
        getattr(log, level)(
            "request",
            request_id=exchange.context.request_id,
            method=method,
            path=endpoint,
            status=status,
            latency_ms=round(seconds * 1000, 3),
            client_ip=exchange.context.client_ip,
            user_agent=(exchange.context.user_agent or "")[:256],
            bytes_out=size,
            **(
                {"user_id": exchange.principal.user_id, "session_id": exchange.principal.session_id}
                if exchange.principal
                else {}
            ),
        )
