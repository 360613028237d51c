"""The ASGI application: every request takes the same checks in the same order
(docs/reference/conventions.md §3.7).
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from secureconnect.edge.access import Authenticator, Denials
from secureconnect.edge.http.admission import Admission
from secureconnect.edge.http.answers import Answers, Exchange, PageReply, without_meta
from secureconnect.edge.http.client_address import ClientAddress
from secureconnect.edge.http.cors import Cors
from secureconnect.edge.http.front import Front, HttpMetrics, Page
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
from secureconnect.edge.http.streams import Body, Intake, StreamRoute, StreamRouter
from secureconnect.edge.limits import RateLimiter, exceeded
from secureconnect.edge.validation import decode, decode_query, parse_object
from secureconnect.infra.database.pressure import defer
from secureconnect.kit.errors import ApiError, Detail, ErrorCode, invalid
from secureconnect.kit.ids import normalise_uuid
from secureconnect.kit.principal import Principal

__all__ = ["HttpEdge"]


class HttpEdge(Front):
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
        admission: Admission,
    ) -> None:
        super().__init__(
            pages=pages, metrics=metrics, answers=answers, cors=cors, address=address, admission=admission
        )
        self._running = admission
        self._router = router
        self._streams = streams
        self._authenticator = authenticator
        self._limiter = limiter
        self._idempotency = idempotency
        self._denials = denials
        self._max_body = max_body_bytes
        self._timeout = request_timeout
        self._draining = draining

    async def _serve(self, exchange: Exchange) -> PageReply:
        page = self._page(exchange)
        if page is not None:
            return await page.handler(exchange.headers)
        found = self._streams.find(exchange.scope["path"])
        if found is not None:
            return await self._stream(exchange, *found)
        route, values = self._route(exchange)
        if route is None:
            return PageReply(self._answers.success(exchange, {}))
        if not route.critical:
            defer()
        self._running.enter()
        try:
            async with asyncio.timeout(self._timeout):
                status, body = await self._run(exchange, route, values)
        finally:
            self._running.leave()
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

    async def _run(self, exchange: Exchange, route: Route, values: tuple[str, ...]) -> tuple[int, bytes]:
        self._refuse_when_draining()
        principal = await self._admit(exchange, route, values)
        raw = await self._body(exchange, any_type=route.raw)
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

    async def _body(self, exchange: Exchange, *, any_type: bool) -> bytes:
        """Step 8, outside: media type and size."""
        headers = exchange.headers
        length = headers.get(b"content-length", b"0")
        if length == b"0" and b"transfer-encoding" not in headers:
            return b""
        media_type = headers.get(b"content-type", b"").split(b";")[0].strip().lower()
        if media_type != b"application/json" and not any_type:
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
            elif raw and not route.raw:
                parse_object(raw)
        except ApiError as error:
            faults.extend(error.details)
        if faults:
            raise ApiError(ErrorCode.VALIDATION_ERROR, "The request is not valid.", details=faults)
        return Call(
            path, body, query, exchange.context, exchange.headers, principal, raw if route.raw else b""
        )

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
        return super()._refuse(exchange, error)
