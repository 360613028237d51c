"""Routes as declarations, and the tree that finds them."""

import enum
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import cache
from types import UnionType
from typing import Any, Generic, TypeVar

import msgspec

from secureconnect.kit.errors import ErrorCode
from secureconnect.kit.ids import normalise_uuid
from secureconnect.kit.principal import Principal, RequestContext

__all__ = [
    "Access",
    "Call",
    "Done",
    "Handler",
    "Redirect",
    "Reply",
    "Route",
    "Router",
    "done",
    "limit_key",
    "parameters",
]

B = TypeVar("B")
Q = TypeVar("Q")


class Access(enum.Enum):
    """Who may call a route (docs/reference/conventions.md §3.1)."""

    PUBLIC = "public"
    USER = "user"
    ADMIN = "admin"


class Call(msgspec.Struct, Generic[B, Q]):
    """One request that passed every check before the handler.

    `path` holds the path parameters, those named `…id` as lower-case UUIDs. `principal` is None exactly on
    public routes; others use `caller`. `raw` is the body as it came, on routes that ask for it.
    """

    path: Mapping[str, str]
    body: B
    query: Q
    context: RequestContext
    headers: Mapping[bytes, bytes]
    principal: Principal | None = None
    raw: bytes = b""

    @property
    def caller(self) -> Principal:
        """The authenticated caller; only on routes that need one."""
        assert self.principal is not None
        return self.principal


class Reply(msgspec.Struct):
    """What a handler answers: the `data` of the envelope and the status."""

    data: Any
    status: int = 200


class Redirect(msgspec.Struct, frozen=True):
    """An answer without envelope that leads elsewhere; `location` is a URL."""

    location: str


class Done(msgspec.Struct, frozen=True):
    """One short English sentence for developers."""

    message: str


def done(message: str, status: int = 200) -> Reply:
    """The answer of routes that return only a sentence."""
    return Reply(Done(message), status)


Handler = Callable[[Call[Any, Any]], Awaitable[Reply | Redirect]]


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """One method on one path, with everything that is true about it.

    Args:
        method: never HEAD or OPTIONS, which follow from the others.
        path: `{name}` marks a parameter; one that ends in `id` is checked to be a UUID.
        row: the rate-limit row; None for routes without limit.
        limit_by: the path parameter, an id, by which a public route counts instead of by client address.
        scope: the scope that lets a bot token in; None refuses bot tokens.
        fresh: needs a recent authentication.
        body: the Struct of the JSON body, or None when no body is defined.
        query: the Struct of the query parameters.
        returns: status → Struct of `data`, or a union of the Structs that it may be.
        errors: codes beyond those every route can give.
        raw: takes a body of any media type, as bytes.
        critical: served as long as there is a connection to the database; others are refused while nearly
            all of them are in use (docs/reference/operations.md §9).
        replayable: whether `Idempotency-Key` applies (docs/reference/conventions.md §3.6).
        summary: one line for the reference.
    """

    method: str
    path: str
    handler: Handler
    summary: str
    tag: str
    returns: Mapping[int, type[Any] | UnionType]
    access: Access = Access.USER
    row: str | None = "default"
    limit_by: str | None = None
    scope: str | None = None
    fresh: bool = False
    body: type[Any] | None = None
    query: type[Any] | None = None
    errors: tuple[ErrorCode, ...] = ()
    raw: bool = False
    replayable: bool = True
    critical: bool = False


def limit_key(route: Route, values: tuple[str, ...], client_ip: str) -> str:
    """By what a public route counts a request whose path has these values."""
    if route.limit_by is None:
        return client_ip
    return normalise_uuid(values[parameters(route.path).index(route.limit_by)]) or client_ip


@cache
def parameters(path: str) -> tuple[str, ...]:
    """The names of the parameters of a route template, in order."""
    return tuple(segment[1:-1] for segment in path.split("/") if segment.startswith("{"))


class _Node:
    __slots__ = ("children", "methods", "parameter", "template")

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.parameter: _Node | None = None
        self.methods: dict[str, Route] = {}
        self.template = ""


class Router:
    """Finds routes by path; literal segments win over parameters."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._root = _Node()
        self._static: dict[str, _Node] = {}
        self.routes: list[Route] = []
        for route in routes:
            self._add(route)

    def _add(self, route: Route) -> None:
        node = self._root
        for segment in route.path.split("/")[1:]:
            if segment.startswith("{"):
                node.parameter = node = node.parameter or _Node()
            else:
                node = node.children.setdefault(segment, _Node())
        if route.method in node.methods:
            raise ValueError(f"{route.method} {route.path} is declared twice")
        node.methods[route.method] = route
        node.template = route.path
        self.routes.append(route)
        if "{" not in route.path:
            self._static[route.path] = node

    def find(self, path: str) -> tuple[Mapping[str, Route], tuple[str, ...]] | None:
        """The methods of the route at `path` and its parameter values in order, or None."""
        node = self._static.get(path)
        if node is not None:
            return node.methods, ()
        values: list[str] = []
        found = _descend(self._root, path.split("/")[1:], 0, values)
        return (found.methods, tuple(values)) if found is not None else None


def _descend(node: _Node, segments: list[str], at: int, values: list[str]) -> _Node | None:
    if at == len(segments):
        return node if node.methods else None
    segment = segments[at]
    child = node.children.get(segment)
    if child is not None:
        found = _descend(child, segments, at + 1, values)
        if found is not None:
            return found
    if node.parameter is not None and segment:
        values.append(segment)
        found = _descend(node.parameter, segments, at + 1, values)
        if found is not None:
            return found
        values.pop()
    return None
