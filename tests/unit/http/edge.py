"""The HTTP edge with neighbours that do as they are told, asked without a network."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from msgspec import Meta, Struct

from secureconnect.edge.http.admission import Admission
from secureconnect.edge.http.answers import Answers, PageReply
from secureconnect.edge.http.client_address import ClientAddress
from secureconnect.edge.http.cors import Cors
from secureconnect.edge.http.dispatch import HttpEdge
from secureconnect.edge.http.front import Page
from secureconnect.edge.http.idempotency import Idempotency
from secureconnect.edge.http.routing import Access, Call, Reply, Route, Router
from secureconnect.edge.http.streams import StreamRouter
from secureconnect.edge.limits import RateLimiter
from secureconnect.infra.cache.memory import MemoryCache
from secureconnect.infra.crypto.sealing import Sealer
from secureconnect.infra.database.base import Database
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.principal import Principal, RequestContext
from tests.unit.serving import FakeClock

__all__ = ["GOOD", "ID", "Got", "House"]

ID = "0a1b2c3d-0000-4000-8000-00000000abcd"
GOOD = "Bearer good"


class Body(Struct):
    name: Annotated[str, Meta(min_length=2, max_length=5)]
    size: int = 0


class Query(Struct):
    limit: Annotated[int, Meta(ge=1, le=10)] = 3


class Got:
    """One answer."""

    def __init__(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        self.status = status
        self.raw_headers = headers
        self.headers = {name.decode(): value.decode() for name, value in headers}
        self.raw = body

    @property
    def body(self) -> Any:
        return json.loads(self.raw)

    @property
    def code(self) -> str:
        assert self.body["success"] is False
        return str(self.body["error"]["code"])

    @property
    def fields(self) -> list[str]:
        return [detail["field"] for detail in self.body["error"]["details"]]


@dataclass
class House:
    """An edge with a few routes; what happens behind them is up to the test."""

    database: Database
    do: Callable[[Call[Any, Any]], Awaitable[Any]] | None = None
    draining: bool = False
    admin: bool = False
    fresh: bool = False
    limit: int = 1000
    timeout: float = 5.0
    max_body: int = 1000

    def __post_init__(self) -> None:
        self.clock = FakeClock()
        self.calls: list[Call[Any, Any]] = []
        self.denied_: list[tuple[str, str]] = []
        self.finished_: list[tuple[str, str, int]] = []
        self.in_flight = 0
        cors = Cors(["https://chat.example.test"])
        rows = {"default": self.limit, "login": self.limit}
        self.shed_ = 0
        self.admission = Admission(self)
        self.edge = HttpEdge(
            router=Router(self._routes()),
            streams=StreamRouter([]),
            pages=[Page("/health", self._page), Page("/broken", self._broken)],
            authenticator=self,
            limiter=RateLimiter(MemoryCache(self.clock), rows, self, enabled=True),
            idempotency=Idempotency(self.database, Sealer(bytes(32)), self.clock),
            denials=self,
            metrics=self,
            answers=Answers(self.clock, cors),
            cors=cors,
            address=ClientAddress([]),
            max_body_bytes=self.max_body,
            request_timeout=self.timeout,
            draining=lambda: self.draining,
            admission=self.admission,
        )

    def _routes(self) -> list[Route]:
        def route(method: str, path: str, **fields: Any) -> Route:
            return Route(
                method=method, path=path, handler=self._handle, summary="x", tag="x", returns={}, **fields
            )

        return [
            route("POST", "/public", access=Access.PUBLIC, row="login", body=Body),
            route("GET", "/things/{id}", query=Query, scope="things:read"),
            route("POST", "/things/{id}", query=Query, body=Body),
            route("POST", "/once", body=Body),
            route("POST", "/secret", body=Body, replayable=False),
            route("PUT", "/put", body=Body),
            route("POST", "/admin", access=Access.ADMIN, fresh=True, body=Body),
            route("POST", "/fresh", fresh=True, body=Body),
            route("GET", "/free", access=Access.PUBLIC, row=None),
            route("GET", "/named/{code}"),
        ]

    async def _handle(self, call: Call[Any, Any]) -> Reply:
        self.calls.append(call)
        made = await self.do(call) if self.do is not None else {"n": len(self.calls)}
        return made if isinstance(made, Reply) else Reply(made, 201)

    async def _page(self, _: Mapping[bytes, bytes]) -> PageReply:
        return PageReply(b"{}")

    async def _broken(self, _: Mapping[bytes, bytes]) -> PageReply:
        raise RuntimeError("a page with a defect")

    # What the edge asks.

    async def authenticate(self, token: str) -> Principal:
        if token == "expired":
            raise ApiError(ErrorCode.TOKEN_EXPIRED)
        if token not in {"good", "bot", "other"}:
            raise ApiError(ErrorCode.UNAUTHORIZED)
        kind: Any = "bot" if token == "bot" else "user"
        return Principal(token, "session", "jti", "user", 0, kind=kind, scopes=frozenset({"things:read"}))

    async def require_admin(self, principal: Principal) -> None:
        if not self.admin:
            raise ApiError(ErrorCode.FORBIDDEN)

    async def require_fresh(self, principal: Principal) -> None:
        if not self.fresh:
            raise ApiError(ErrorCode.REAUTH_REQUIRED)

    def denied(self, principal: Principal, context: RequestContext, action: str, error: ApiError) -> None:
        self.denied_.append((action, error.code.name))

    def limited(self, row: str, allowed: bool) -> None:
        pass

    def started(self) -> None:
        self.in_flight += 1

    def refused_early(self, method: str, endpoint: str, status: int) -> None:
        self.finished_.append((method, endpoint, status))

    def shed(self) -> None:
        self.shed_ += 1

    def finished(self, method: str, endpoint: str, status: int, seconds: float) -> None:
        self.in_flight -= 1
        self.finished_.append((method, endpoint, status))

    # What tests ask.

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = GOOD,
        query: bytes = b"",
        peer: str = "198.51.100.1",
        chunks: list[dict[str, Any]] | None = None,
        then_silence: bool = False,
        **headers: str,
    ) -> Got:
        """One request; `headers` have underscores for dashes; a `body` that is no bytes becomes JSON."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if token is not None:
            given.setdefault("authorization", token)
        content = b""
        if body is not None:
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            given.setdefault("content-type", "application/json")
            given.setdefault("content-length", str(len(content)))
        messages = iter(chunks or [{"type": "http.request", "body": content, "more_body": False}])
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            message = next(messages, None)
            if message is None and then_silence:
                await asyncio.Event().wait()
            return message if message is not None else {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "scheme": "http",
            "method": method,
            "path": path,
            "query_string": query,
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in given.items()],
            "client": (peer, 4711),
        }
        await self.edge(scope, receive, send)
        start, end = sent
        assert len({name for name, _ in start["headers"]}) == len(start["headers"]), "each header once"
        got = Got(start["status"], start["headers"], end["body"])
        assert got.headers["content-length"] == str(len(got.raw))
        return got
