"""Passes HTTP requests to the roles and their answers back, both piece by piece."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import msgspec

from secureconnect.edge.http.admission import Admission
from secureconnect.edge.http.answers import Answers, Exchange, PageReply, Send
from secureconnect.edge.http.client_address import ClientAddress
from secureconnect.edge.http.cors import Cors
from secureconnect.edge.http.front import Front, HttpMetrics, Page
from secureconnect.edge.http.routing import Access, Route, limit_key
from secureconnect.edge.limits import RateLimiter, exceeded
from secureconnect.gateway.headers import answer_headers, request_head
from secureconnect.gateway.instances import Instance, Role
from secureconnect.gateway.table import Place, RoutingTable
from secureconnect.gateway.turns import Full, Turns
from secureconnect.gateway.upstream import Broken, Connection, Late
from secureconnect.infra.telemetry import tracing
from secureconnect.infra.telemetry.log import get_logger
from secureconnect.kit.errors import ApiError, ErrorCode

__all__ = ["Gateway", "ProxyMetrics", "Upstream"]

log = get_logger()

_SAFE = frozenset(("GET", "HEAD"))
_NO_METHODS: Mapping[str, Route] = {}
_CHUNKED = b"transfer-encoding: chunked\r\n"
_EXPECT = b"expect: 100-continue\r\n"
_AWAY = "This part of the server is away."
_BUSY = "This part of the server has too much to do."

#: Longer than any body takes that still moves; a role that waits for one in vain gives up by itself.
_FOR_EVER = 86_400.0


class ProxyMetrics(Protocol):
    """Counts what could not be passed on."""

    def proxy_error(self, role: str, reason: str) -> None:
        """`connect`, `timeout`, or `open` (nothing was tried)."""


class Upstream:
    """One role with its bound."""

    def __init__(self, role: Role, turns: Turns) -> None:
        self.role = role
        self.turns = turns


class _Body(msgspec.Struct, frozen=True):
    """The body of a request: its beginning, and how it goes on.

    `lines` are the header lines that it needs. With `waits` the client sends nothing before a 100 (Continue).
    """

    first: bytes
    lines: bytes
    more: bool = False
    waits: bool = False
    chunked: bool = False

    def framed(self, data: bytes) -> bytes:
        """A piece of it, as it stands on the way to the role."""
        return b"%x\r\n%b\r\n" % (len(data), data) if self.chunked and data else data


_NOTHING = _Body(b"", b"")


class _Source(msgspec.Struct, frozen=True):
    """Where the rest of an answer comes from."""

    instance: Instance
    connection: Connection


class _Passed(PageReply):
    """An answer whose head came from a role."""

    source: _Source | None = None


class Gateway(Front):
    """The ASGI application of the gateway.

    Args:
        upstreams: by role.
        limiter: counts in this process.
        response_timeout: seconds in which a role has to begin its answer, and to go on with it.
        draining: True once the process is stopping.
    """

    def __init__(
        self,
        *,
        table: RoutingTable,
        upstreams: Mapping[str, Upstream],
        pages: Sequence[Page],
        metrics: HttpMetrics,
        errors: ProxyMetrics,
        answers: Answers,
        cors: Cors,
        address: ClientAddress,
        limiter: RateLimiter,
        admission: Admission,
        response_timeout: float,
        draining: Callable[[], bool],
    ) -> None:
        super().__init__(
            pages=pages,
            metrics=metrics,
            answers=answers,
            cors=cors,
            address=address,
            admission=admission,
        )
        self._table = table
        self._upstreams = upstreams
        self._errors = errors
        self._limiter = limiter
        self._admission = admission
        self._timeout = response_timeout
        self._draining = draining

    async def _serve(self, exchange: Exchange) -> PageReply:
        page = self._page(exchange)
        if page is not None:
            return await page.handler(exchange.headers)
        place = self._find(exchange)
        if place is None:
            return PageReply(self._answers.success(exchange, {}))
        if self._draining():
            raise ApiError(ErrorCode.SHUTTING_DOWN, "The server is stopping.", retry_after=2)
        self._admission.enter()
        try:
            await self._limit(exchange, place)
            return await self._pass(exchange, place)
        finally:
            self._admission.leave()

    def _find(self, exchange: Exchange) -> Place | None:
        """Where the request belongs, or None for an allowed preflight."""
        path = exchange.scope["path"]
        place = self._table.find(path)
        if place is None:
            if path not in self._pages:
                raise ApiError(ErrorCode.NOT_FOUND, "There is no such route.")
            return None if self._method(exchange, _NO_METHODS) is None else place
        if place.page and exchange.scope["method"] in _SAFE:
            exchange.endpoint = place.endpoint
            return place
        route = (
            self._method(exchange, place.streams) if place.streams else self._method(exchange, place.routes)
        )
        return None if route is None else place

    async def _limit(self, exchange: Exchange, place: Place) -> None:
        """Requests of strangers are counted here too, so that a flood of them stays outside.

        The role counts all of them that it gets, from everywhere; this gateway refuses nothing that the role
        would let pass.
        """
        route = place.routes.get(exchange.scope["method"])
        if route is None or route.access is not Access.PUBLIC:
            return
        key = limit_key(route, place.values, exchange.context.client_ip)
        window = await self._limiter.hit(route.row, key, write=route.method != "GET")
        if window is not None and not window.allowed:
            exchange.window = window
            raise exceeded(window)

    async def _pass(self, exchange: Exchange, place: Place) -> PageReply:
        """The role's answer, as soon as its head is here."""
        upstream = self._upstreams[place.role]
        body = await self._begin(exchange)
        # What may be sent a second time: a request that changes nothing and has no body.
        safe = exchange.scope["method"] in _SAFE and not body.more and not body.first
        tried: Instance | None = None
        while True:
            instance = upstream.role.choose(call_id=place.call_id, without=tried)
            if instance is None:
                if tried is not None:
                    raise _unreachable()
                self._errors.proxy_error(place.role, "open")
                raise ApiError(ErrorCode.SERVICE_UNAVAILABLE, _AWAY, retry_after=2)
            try:
                with tracing.span(tracing.start(f"proxy {place.role}", "client", tracing.current())):
                    reply = await self._try(exchange, upstream, instance, body, safe=safe)
            except Late:
                instance.breaker.failed("timeout")
                self._errors.proxy_error(place.role, "timeout")
                raise ApiError(
                    ErrorCode.REQUEST_TIMEOUT, "No answer in time; the outcome is unknown.", retry_after=1
                ) from None
            except Broken as broken:
                instance.breaker.failed("connect")
                self._errors.proxy_error(place.role, "connect")
                log.warning(
                    "role not reachable",
                    dependency=instance.name,
                    request_id=exchange.context.request_id,
                )
                if tried is not None or (broken.touched and not safe):
                    raise _unreachable() from None
                tried = instance
            except Full:
                raise ApiError(ErrorCode.SERVICE_UNAVAILABLE, _BUSY, retry_after=1) from None
            else:
                instance.breaker.succeeded()
                return reply

    async def _try(
        self, exchange: Exchange, upstream: Upstream, instance: Instance, body: "_Body", *, safe: bool
    ) -> PageReply:
        """One attempt at one instance. Raises Broken, Late and Full."""
        instance.load += 1
        try:
            connection, used = await instance.connection()
            try:
                return await self._exchange(exchange, upstream, instance, connection, body)
            except Broken as broken:
                # A connection that rested may have been closed while the request was on its way.
                if not used or (broken.touched and not safe):
                    raise
            connection, _ = await instance.connection(fresh=True)
            return await self._exchange(exchange, upstream, instance, connection, body)
        finally:
            instance.load -= 1

    async def _exchange(
        self,
        exchange: Exchange,
        upstream: Upstream,
        instance: Instance,
        connection: Connection,
        body: "_Body",
    ) -> PageReply:
        """The request on its way over one connection, up to the head of its answer."""
        head_only = exchange.scope["method"] == "HEAD"
        try:
            head = self._head(exchange, body)
            if body.more:
                # Takes no turn: it is the client who takes its time.
                connection.begin(head + body.framed(body.first), head_only=head_only)
                if not body.waits or await connection.going_ahead(self._timeout):
                    await self._pass_body(exchange, connection, body)
                await connection.head(self._timeout)
            else:
                await upstream.turns.enter()
                try:
                    connection.begin(head + body.first, head_only=head_only)
                    await connection.head(self._timeout)
                finally:
                    upstream.turns.leave()
        except Full:
            instance.give_back(connection)
            raise
        except BaseException:
            connection.close()
            raise
        return _Passed(b"", status=connection.status, source=_Source(instance, connection))

    def _head(self, exchange: Exchange, body: "_Body") -> bytes:
        scope = exchange.scope
        target: bytes = scope["raw_path"]
        if scope["query_string"]:
            target = b"%b?%b" % (target, scope["query_string"])
        return request_head(
            scope["method"],
            target,
            scope["headers"],
            exchange.context,
            secure=scope["scheme"] == "https",
            extra=body.lines,
        )

    # The request's body.

    async def _begin(self, exchange: Exchange) -> "_Body":
        """What is here of the body.

        Who waits for a 100 (Continue) is not asked yet: whether the body is wanted is up to the role.
        """
        headers = exchange.headers
        length = headers.get(b"content-length")
        if (length or b"0") == b"0" and b"transfer-encoding" not in headers:
            return _NOTHING
        exchange.receiving = True
        if headers.get(b"expect", b"").lower() == b"100-continue":
            lines = b"expect: 100-continue\r\n"
            return _Body(
                b"", lines if length else _CHUNKED + lines, more=True, waits=True, chunked=not length
            )
        message = await exchange.receive()
        if message["type"] != "http.request":
            raise _gone()
        first, exchange.receiving = message["body"], message["more_body"]
        if not exchange.receiving:
            lines = b"" if length else b"content-length: %d\r\n" % len(first)
            return _Body(first, lines)
        return _Body(first, b"" if length else _CHUNKED, more=True, chunked=not length)

    async def _pass_body(self, exchange: Exchange, connection: Connection, body: "_Body") -> None:
        """Return when the body is sent, or when the role answers before that. Raises Broken; ApiError
        `CLIENT_TIMEOUT` when the client leaves."""
        sending = asyncio.create_task(self._send(exchange, connection, body))
        answering = asyncio.create_task(connection.head(_FOR_EVER))
        try:
            await asyncio.wait({sending, answering}, return_when=asyncio.FIRST_COMPLETED)
            if not answering.done():
                try:
                    sending.result()
                except Broken:
                    await answering  # the role may have said why it reads no more
        finally:
            sending.cancel()
            answering.cancel()
            await asyncio.gather(sending, answering, return_exceptions=True)

    async def _send(self, exchange: Exchange, connection: Connection, body: "_Body") -> None:
        while True:
            message = await exchange.receive()
            if message["type"] != "http.request":
                raise _gone()
            if message["body"]:
                await connection.send(body.framed(message["body"]))
            if not message["more_body"]:
                if body.chunked:
                    await connection.send(b"0\r\n\r\n")
                exchange.receiving = False
                return

    # The answer's body.

    async def _give(self, exchange: Exchange, reply: PageReply, send: Send) -> int:
        if not isinstance(reply, _Passed) or reply.source is None:
            return await super()._give(exchange, reply, send)
        instance, connection = reply.source.instance, reply.source.connection
        headers = answer_headers(connection.headers, secure=exchange.scope["scheme"] == "https")
        if exchange.receiving:
            # What is left of the body cannot be skipped reliably.
            headers.append((b"connection", b"close"))
        try:
            await send({"type": "http.response.start", "status": reply.status, "headers": headers})
            if connection.whole:
                body = connection.rest()
                await send({"type": "http.response.body", "body": body})
                return len(body)
            return await self._pour(exchange, connection, send)
        finally:
            if exchange.receiving:
                connection.close()  # the role has not read everything: nothing can follow
            else:
                instance.give_back(connection)

    async def _pour(self, exchange: Exchange, connection: Connection, send: Send) -> int:
        """Pass on the body of an answer; what breaks off on one side breaks off on the other."""
        sent = 0
        gone = asyncio.ensure_future(_left(exchange))
        try:
            while not gone.done():
                chunk = await connection.chunk(self._timeout)
                await send({"type": "http.response.body", "body": chunk, "more_body": bool(chunk)})
                if not chunk:
                    return sent
                sent += len(chunk)
        except (Broken, Late) as error:
            log.warning(
                "answer broke off", request_id=exchange.context.request_id, reason=type(error).__name__
            )
        finally:
            gone.cancel()
        return sent


async def _left(exchange: Exchange) -> None:
    """Returns when the client is gone."""
    while (await exchange.receive())["type"] != "http.disconnect":
        pass


def _gone() -> ApiError:
    return ApiError(ErrorCode.CLIENT_TIMEOUT, "The client left.", retry_after=1)


def _unreachable() -> ApiError:
    return ApiError(ErrorCode.BAD_GATEWAY, "This part of the server does not answer.", retry_after=1)
