"""What every upgrade is checked for, in the order of docs/reference/conventions.md §3.7, whatever socket it
wants to become.
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol
from urllib.parse import parse_qs

from secureconnect.edge.access import Authenticator, Denials
from secureconnect.edge.realtime.base import Refusal, UpgradeRequest
from secureconnect.edge.realtime.metrics import RealtimeMetrics, Refused
from secureconnect.edge.realtime.places import Place, Places
from secureconnect.edge.realtime.session.commands import CommandLimits
from secureconnect.edge.realtime.settings import PROTOCOL
from secureconnect.kit.errors import ApiError, ErrorCode, invalid
from secureconnect.kit.ids import normalise_uuid
from secureconnect.kit.principal import Principal, RequestContext

__all__ = ["Entrance", "Tickets", "Visitor", "one_id"]

_BEARER = "bearer."


class Tickets(Protocol):
    """Single-use tickets; offered by the auth feature."""

    async def redeem(self, ticket: str, purpose: str, bound: str | None) -> Principal:
        """Use `ticket` up; `bound` is the id of the conversation or call that it has to be for.

        Raises:
            ApiError: `UNAUTHORIZED`: it is bad, used, expired or for something else.
        """


class Visitor(NamedTuple):
    """Who wants in. `wanted` are the values of the query parameter that names what the socket is about."""

    principal: Principal
    context: RequestContext
    subprotocol: str | None
    wanted: list[str]


class _Credentials(NamedTuple):
    token: str | None
    ticket: str | None
    subprotocol: str | None


class Entrance:
    """Credentials, limits, origin and places; what a socket is about is the gates' business.

    Args:
        own_origin: the origin that this request's own host stands for, or None when unknown.
        origin_allowed: whether pages of an origin may open sockets (`http.allowed_origins`).
        context: request id and client address of an upgrade.
        render: makes the HTTP answer of a refusal.
    """

    def __init__(
        self,
        *,
        authenticator: Authenticator,
        tickets: Tickets,
        limits: CommandLimits,
        places: Places,
        denials: Denials,
        metrics: RealtimeMetrics,
        own_origin: Callable[[UpgradeRequest], str | None],
        origin_allowed: Callable[[str], bool],
        context: Callable[[UpgradeRequest], RequestContext],
        render: Callable[[UpgradeRequest, ApiError], Refusal],
    ) -> None:
        self._authenticator = authenticator
        self._tickets = tickets
        self._limits = limits
        self._places = places
        self._denials = denials
        self._metrics = metrics
        self._own_origin = own_origin
        self._origin_allowed = origin_allowed
        self._context = context
        self._render = render

    async def identify(self, request: UpgradeRequest, purpose: str, parameter: str) -> Visitor:
        """The caller behind the one credential, once its rate limit was counted.

        Raises:
            ApiError: `UNAUTHORIZED`, `TOKEN_EXPIRED`, `TOKEN_REVOKED`, `RATE_LIMIT_EXCEEDED`.
        """
        query = parse_qs(request.query.decode("latin-1"), keep_blank_values=True)
        credentials = _credentials(request, query.get("ticket", []))
        wanted = query.get(parameter, [])
        principal = await self._authenticate(credentials, purpose, wanted)
        await self._limits.check("ws_connect", principal.user_id, write=False)
        return Visitor(principal, self._context(request), credentials.subprotocol, wanted)

    def denied(self, visitor: Visitor, path: str, error: ApiError) -> None:
        """Leave a record of refused access."""
        if error.code.status == 403:
            self._denials.denied(visitor.principal, visitor.context, f"GET {path}", error)

    def check_origin(self, request: UpgradeRequest) -> None:
        """Raises ApiError `ORIGIN_NOT_ALLOWED` for pages of other origins than those allowed."""
        origin = request.headers.get("origin")
        if origin is None:
            return
        origin = origin.lower()
        if not self._origin_allowed(origin) and origin != self._own_origin(request):
            raise ApiError(ErrorCode.ORIGIN_NOT_ALLOWED)

    def take_place(self, visitor: Visitor) -> Place:
        """The right to one socket.

        Raises:
            ApiError: `USER_CONNECTION_LIMIT`, `TOO_MANY_CONNECTIONS`.
        """
        return self._places.take(visitor.principal.user_id)

    def refuse(self, request: UpgradeRequest, error: ApiError, kind: str) -> Refusal:
        """The HTTP answer, counted."""
        self._metrics.refused(kind, _result(error))
        return self._render(request, error)

    async def _authenticate(self, credentials: _Credentials, purpose: str, wanted: list[str]) -> Principal:
        if credentials.token is not None:
            return await self._authenticator.authenticate(credentials.token)
        assert credentials.ticket is not None
        bound = wanted[0] if len(wanted) == 1 else None
        if bound is not None:
            bound = normalise_uuid(bound) or bound
        return await self._tickets.redeem(credentials.ticket, purpose, bound)


def one_id(wanted: list[str], parameter: str) -> str:
    """The only value of a query parameter, which has to be a UUID.

    Raises:
        ApiError: `VALIDATION_ERROR`.
    """
    found = normalise_uuid(wanted[0]) if len(wanted) == 1 else None
    if found is None:
        raise invalid(parameter, "one UUID")
    return found


def _credentials(request: UpgradeRequest, tickets: list[str]) -> _Credentials:
    """Exactly one credential; a token in the URL is none."""
    offered = [item.strip() for item in request.headers.get("sec-websocket-protocol", "").split(",")]
    subprotocol = PROTOCOL if PROTOCOL in offered else None
    tokens = [item[len(_BEARER) :] for item in offered if item.startswith(_BEARER)] if subprotocol else []
    authorization = request.headers.get("authorization")
    if authorization is not None:
        scheme, _, token = authorization.partition(" ")
        tokens.append(token.strip() if scheme.lower() == "bearer" else "")
    if len(tokens) + len(tickets) != 1 or not (tokens + tickets)[0]:
        raise ApiError(
            ErrorCode.UNAUTHORIZED, "Exactly one credential is needed: header, subprotocol or ticket."
        )
    return _Credentials(tokens[0] if tokens else None, tickets[0] if tickets else None, subprotocol)


def _result(error: ApiError) -> Refused:
    if error.code.status == 401:
        return "unauthorized"
    if error.code.status == 403:
        return "forbidden"
    if error.code.status == 429 or error.code is ErrorCode.TOO_MANY_CONNECTIONS:
        return "limit"
    return "other"
