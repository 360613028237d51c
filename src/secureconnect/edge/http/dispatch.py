"""The ASGI application: every request takes the same checks in the same order
(docs/reference/conventions.md §3.7).
"""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeVar

import msgspec

from secureconnect.edge.access import Authenticator, Denials
from secureconnect.edge.http.answers import Answers, Exchange, PageReply, Receive, Send, without_meta
from secureconnect.edge.http.client_address import ClientAddress
from secureconnect.edge.http.cors import Cors
from secureconnect.edge.http.idempotency import Idempotency, Key
from secureconnect.edge.http.routing import (
    Access,
    Call,
    Redirect,
    Reply,
    Route,
    Router,
    limit_key,
    parameters,
)
from secureconnect.edge.http.streams import Body, Intake, StreamRoute, StreamRouter, pour
from secureconnect.edge.limits import RateLimiter, exceeded
from secureconnect.edge.validation import decode, decode_query, parse_object
from secureconnect.infra.telemetry.log import get_logger
from secureconnect.kit.errors import ApiError, Detail, ErrorCode, invalid
from secureconnect.kit.ids import new_id, normalise_uuid
from secureconnect.kit.principal import Principal, RequestContext

__all__ = ["HttpEdge", "HttpMetrics", "Page", "PageReply"]

log = get_logger()

R = TypeVar("R", Route, StreamRoute)

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
#: Names, not methods: a method taken before logging is set up would never hear of its configuration.
_LEVELS = {4: "warning", 5: "error"}


class HttpMetrics(Protocol):
    """Counts finished requests."""

    def started(self) -> None:
        """One request began."""

    def finished(self, method: str, endpoint: str, status: int, seconds: float) -> None:
        """It was answered; `endpoint` is the route template or `unmatched`."""


class Page(msgspec.Struct, frozen=True):
    """A GET without envelope, without limit and not stopped by shutdown: health, metrics, documents, keys."""

    path: str
    handler: Callable[[Mapping[bytes, bytes]], Awaitable[PageReply]]


class HttpEdge:
    """Answers HTTP requests for the routes and pages it is given."""

    def __init__(
        self,
        *,
        router: Router,
        streams: StreamRouter,
        pages: list[Page],
        authenticator: Authenticator,
        limiter: RateLimiter,
        idempotency: Idempotency,
        denials: Denials,
        metrics: HttpMetrics,
        answers: Answers,
        cors: Cors,
        address: ClientAddress,
        max_body_bytes: int,
        request_timeout: float,
        draining: Callable[[], bool],
    ) -> None:
        self._router = router
        self._streams = streams
        self._pages = {page.path: page for page in pages}
        self._authenticator = authenticator
        self._limiter = limiter
        self._idempotency = idempotency
        self._denials = denials
        self._metrics = metrics
        self._answers = answers
        self._cors = cors
        self._address = address
        self._max_body = max_body_bytes
        self._timeout = request_timeout
        self._draining = draining

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        self._metrics.started()
        headers: dict[bytes, bytes] = dict(scope["headers"])
        exchange = Exchange(scope, receive, headers, self.context(headers, scope["client"]))
        reply = await self._answer(exchange)
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
                size = await pour(reply.flow, receive, send)
        finally:
            if reply.flow is not None:
                reply.flow.close()
        self._finish(exchange, reply.status, size, time.perf_counter() - started)

    def context(self, headers: Mapping[bytes, bytes], peer: tuple[str, int] | None) -> RequestContext:
        """Request id, client address and user agent of a request with these headers."""
        given = headers.get(b"x-request-id", b"")
        request_id = given.decode() if _REQUEST_ID.fullmatch(given) else new_id()
        forwarded = headers.get(b"x-forwarded-for")
        client = self._address.of(
            peer[0] if peer else "unix", forwarded.decode("latin-1") if forwarded is not None else None
        )
        agent = headers.get(b"user-agent")
        return RequestContext(
            request_id, client, agent.decode("latin-1")[:512] if agent is not None else None
        )

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
        path, method = exchange.scope["path"], exchange.scope["method"]
        page = self._pages.get(path)
        if page is not None and method in {"GET", "HEAD"}:
            exchange.endpoint = page.path
            return await page.handler(exchange.headers)
        found = self._streams.find(path)
        if found is not None:
            return await self._stream(exchange, *found)
        route, values = self._route(exchange)
        if route is None:
            return PageReply(self._answers.success(exchange, {}))
        async with asyncio.timeout(self._timeout):
            status, body = await self._run(exchange, route, values)
        return PageReply(body, "application/json" if body else "text/plain", status)

    async def _stream(self, exchange: Exchange, methods: Mapping[str, StreamRoute], rest: str) -> PageReply:
        """A route of bytes: no limits, no credentials, no JSON, and no time limit but on silence."""
        route = self._method(exchange, methods)
        if route is None:
            return PageReply(self._answers.success(exchange, {}))
        self._refuse_when_draining()
        scope, headers = exchange.scope, exchange.headers
        body = Body(exchange.receive, headers, self._timeout)
        query = scope["query_string"].decode("latin-1")
        try:
            reply = await route.handler(
                Intake(scope["method"], rest, query, headers, body.length, body.chunks())
            )
        except asyncio.CancelledError:
            self._refuse_when_draining()  # a transfer longer than `server.shutdown_grace`
            raise
        finally:
            exchange.receiving = body.unread
        data = self._answers.success(exchange, reply.data) if reply.flow is None else b""
        return PageReply(data, reply.content_type, reply.status, reply.headers, reply.flow)

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

    def _route(self, exchange: Exchange) -> tuple[Route | None, tuple[str, ...]]:
        """Step 1: the route, or None for an allowed preflight."""
        path = exchange.scope["path"]
        found = self._router.find(path)
        methods: Mapping[str, Route]
        if found is not None:
            methods, values = found
        elif path in self._pages:
            methods, values = {}, ()
        else:
            raise ApiError(ErrorCode.NOT_FOUND, "There is no such route.")
        return self._method(exchange, methods), values

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

    async def _run(self, exchange: Exchange, route: Route, values: tuple[str, ...]) -> tuple[int, bytes]:
        self._refuse_when_draining()
        principal = await self._admit(exchange, route, values)
        raw = await self._body(exchange)
        call: Call[Any, Any] = self._call(exchange, route, values, raw, principal)
        key = exchange.headers.get(b"idempotency-key")
        if key is None or principal is None or route.method != "POST" or not route.replayable:
            reply = await route.handler(call)
            if isinstance(reply, Redirect):
                exchange.extra.append((b"location", reply.location.encode()))
                return 302, b""
            return reply.status, self._answers.success(exchange, reply.data)
        return await self._run_once(exchange, route, call, key.decode("latin-1"), raw)

    def _refuse_when_draining(self) -> None:
        if self._draining():
            raise ApiError(ErrorCode.SHUTTING_DOWN, "The server is stopping.", retry_after=2)

    async def _admit(self, exchange: Exchange, route: Route, values: tuple[str, ...]) -> Principal | None:
        """Steps 4 to 7: limits, authentication, scope, role and freshness."""
        context = exchange.context
        write = route.method != "GET"
        if route.access is Access.PUBLIC:
            key = limit_key(route, values, context.client_ip)
            await self._limit(exchange, route.row, key, write=write)
            return None
        scheme, _, token = exchange.headers.get(b"authorization", b"").partition(b" ")
        if scheme.lower() != b"bearer" or not token:
            raise ApiError(ErrorCode.UNAUTHORIZED, "A bearer token is needed.")
        principal = exchange.principal = await self._authenticator.authenticate(
            token.strip().decode("latin-1")
        )
        await self._limit(exchange, route.row, principal.user_id, write=write)
        if principal.kind == "bot" and (route.scope is None or route.scope not in principal.scopes):
            raise ApiError(ErrorCode.INSUFFICIENT_SCOPE, "The token lacks the scope of this route.")
        if route.access is Access.ADMIN:
            await self._authenticator.require_admin(principal)
        if route.fresh:
            await self._authenticator.require_fresh(principal)
        return principal

    async def _limit(self, exchange: Exchange, row: str | None, key: str, *, write: bool) -> None:
        window = exchange.window = await self._limiter.hit(row, key, write=write)
        if window is not None and not window.allowed:
            raise exceeded(window)

    async def _body(self, exchange: Exchange) -> bytes:
        """Step 8, outside: media type and size."""
        headers = exchange.headers
        length = headers.get(b"content-length", b"0")
        if length == b"0" and b"transfer-encoding" not in headers:
            return b""
        media_type = headers.get(b"content-type", b"").split(b";")[0].strip().lower()
        if media_type != b"application/json":
            raise ApiError(ErrorCode.UNSUPPORTED_MEDIA_TYPE, "The body must be application/json.")
        if int(length) > self._max_body:
            raise self._too_large()
        body = bytearray()
        exchange.receiving = True
        while True:
            message = await exchange.receive()
            if message["type"] != "http.request":
                raise ApiError(ErrorCode.CLIENT_TIMEOUT, "The client left.", retry_after=1)
            body += message["body"]
            if len(body) > self._max_body:
                raise self._too_large()
            if not message["more_body"]:
                exchange.receiving = False
                return bytes(body)

    def _too_large(self) -> ApiError:
        return ApiError(ErrorCode.PAYLOAD_TOO_LARGE, f"At most {self._max_body} bytes.")

    def _call(
        self,
        exchange: Exchange,
        route: Route,
        values: tuple[str, ...],
        raw: bytes,
        principal: Principal | None,
    ) -> Call[Any, Any]:
        """Step 8, inside: parameters, query and fields, with all their faults in one answer."""
        faults: list[Detail] = []
        path: dict[str, str] = {}
        for name, value in zip(parameters(route.path), values, strict=True):
            checked = normalise_uuid(value) if name.endswith("id") else value
            if checked is None:
                faults.extend(invalid(name, "not a UUID").details)
            else:
                path[name] = checked
        query = body = None
        try:
            if route.query is not None:
                query = decode_query(route.query, exchange.scope["query_string"])
        except ApiError as error:
            faults.extend(error.details)
        try:
            if route.body is not None:
                body = decode(route.body, parse_object(raw or b"{}"))
            elif raw:
                parse_object(raw)
        except ApiError as error:
            faults.extend(error.details)
        if faults:
            raise ApiError(ErrorCode.VALIDATION_ERROR, "The request is not valid.", details=faults)
        return Call(path, body, query, exchange.context, exchange.headers, principal)

    async def _run_once(
        self, exchange: Exchange, route: Route, call: Call[Any, Any], text: str, raw: bytes
    ) -> tuple[int, bytes]:
        """Run the handler under an idempotency key, or answer what it answered before."""
        key = Key(call.caller.user_id, route.method, exchange.scope["path"], Idempotency.check(text))
        replay = await self._idempotency.begin(key, raw)
        if replay is not None:
            exchange.extra.append((b"idempotent-replayed", b"true"))
            return replay.status, self._answers.again(exchange, replay.body)
        status, body = 500, b""
        try:
            reply = await route.handler(call)
            assert isinstance(reply, Reply)  # only GET leads elsewhere
            status, body = reply.status, self._answers.success(exchange, reply.data)
        except ApiError as error:
            status, body = error.code.status, self._refuse(exchange, error)
        finally:
            # Shielded: a cancelled request must not leave its key taken.
            await asyncio.shield(self._idempotency.finish(key, status, without_meta(body)))
        return status, body

    def _refuse(self, exchange: Exchange, error: ApiError) -> bytes:
        """The envelope of an error; refused access leaves a record."""
        if error.denial and exchange.principal is not None:
            action = f"{exchange.scope['method']} {exchange.endpoint}"
            self._denials.denied(exchange.principal, exchange.context, action, error)
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
