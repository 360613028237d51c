"""Who may open a chat socket (docs/reference/realtime.md §1), checked in the order of
docs/reference/conventions.md §3.7.
"""

from collections.abc import Callable
from typing import NamedTuple, Protocol
from urllib.parse import parse_qs

from secureconnect.edge.access import Authenticator
from secureconnect.edge.realtime.base import Admission, Memberships, Receiver, Refusal, Socket, UpgradeRequest
from secureconnect.edge.realtime.close import CloseCode
from secureconnect.edge.realtime.fanout.hub import Hub
from secureconnect.edge.realtime.fanout.local_user import LocalUser
from secureconnect.edge.realtime.metrics import Refused
from secureconnect.edge.realtime.places import Place, Places, soon
from secureconnect.edge.realtime.session.chat import Session
from secureconnect.edge.realtime.session.commands import CommandLimits
from secureconnect.edge.realtime.session.host import SessionHost
from secureconnect.edge.realtime.settings import PROTOCOL
from secureconnect.kit.errors import ApiError, ErrorCode, invalid
from secureconnect.kit.ids import normalise_uuid
from secureconnect.kit.principal import Principal, RequestContext

__all__ = ["CHAT_PATH", "ChatGate", "Tickets"]

CHAT_PATH = "/v1/ws/chat"
_BEARER = "bearer."


class Tickets(Protocol):
    """Single-use tickets; offered by the auth feature."""

    async def redeem(self, ticket: str, purpose: str, conversation_id: str | None) -> Principal:
        """Use `ticket` up. Raises ApiError `UNAUTHORIZED`: it is bad, used, expired or for something else."""


class _Credentials(NamedTuple):
    token: str | None
    ticket: str | None
    subprotocol: str | None


class ChatGate:
    """The Gate of the chat socket.

    Args:
        own_origin: the origin that this request's own host stands for, or None when unknown.
        origin_allowed: whether pages of an origin may open sockets (`http.allowed_origins`).
        context: request id and client address of an upgrade.
        render: makes the HTTP answer of a refusal.
    """

    def __init__(
        self,
        *,
        host: SessionHost,
        hub: Hub,
        places: Places,
        authenticator: Authenticator,
        tickets: Tickets,
        limits: CommandLimits,
        memberships: Memberships,
        own_origin: Callable[[UpgradeRequest], str | None],
        origin_allowed: Callable[[str], bool],
        context: Callable[[UpgradeRequest], RequestContext],
        render: Callable[[UpgradeRequest, ApiError], Refusal],
    ) -> None:
        self._host = host
        self._hub = hub
        self._places = places
        self._authenticator = authenticator
        self._tickets = tickets
        self._limits = limits
        self._memberships = memberships
        self._own_origin = own_origin
        self._origin_allowed = origin_allowed
        self._context = context
        self._render = render

    async def admit(self, request: UpgradeRequest) -> Admission:
        """Check everything, take a place, and follow what the user follows. Raises ApiError to refuse."""
        if request.path != CHAT_PATH:
            raise ApiError(ErrorCode.NOT_FOUND)
        self._check_draining()
        query = parse_qs(request.query.decode("latin-1"), keep_blank_values=True)
        credentials = _credentials(request, query.get("ticket", []))
        wanted = query.get("conversation_id", [])
        principal = await self._authenticate(credentials, wanted)
        await self._limits.check("ws_connect", principal.user_id, write=False)
        context = self._context(request)
        try:
            _check_scope(principal)
            filter_id = _filter(wanted)
            if filter_id is not None:
                await self._memberships.require(principal.user_id, filter_id)
            self._check_origin(request)
        except ApiError as error:
            if error.code.status == 403:
                self._host.denials.denied(principal, context, f"GET {CHAT_PATH}", error)
            raise
        place = self._places.take(principal.user_id)
        try:
            user = await self._hub.expect(principal.user_id)
        except BaseException:
            place.release()
            raise
        if self._hub.draining:  # it began while the memberships were read
            self._give_back(user, place)
            self._check_draining()
        return Admission(
            subprotocol=credentials.subprotocol,
            max_frame_bytes=self._host.settings.max_frame_bytes,
            opened=lambda socket: self._opened(socket, principal, user, place, context, filter_id),
            abandoned=lambda: self._give_back(user, place),
        )

    def refuse(self, request: UpgradeRequest, error: ApiError) -> Refusal:
        """The HTTP answer, counted."""
        self._host.metrics.refused("chat", _result(error))
        return self._render(request, error)

    def _opened(
        self,
        socket: Socket,
        principal: Principal,
        user: LocalUser,
        place: Place,
        context: RequestContext,
        filter_id: str | None,
    ) -> Receiver:
        session = Session(
            self._host,
            socket,
            principal=principal,
            user=user,
            place=place,
            context=context,
            filter_id=filter_id,
        )
        self._hub.attach(session)
        session.open()
        # What happened between the checks and now.
        ended = self._hub.ended(principal.session_id)
        if ended is not None:
            session.close(ended)
        elif self._hub.draining:
            session.close(CloseCode.SHUTTING_DOWN, retry_after_ms=soon() * 1000)
        elif user.dropped:
            session.close(CloseCode.INTERNAL_ERROR)
        elif filter_id is not None and filter_id not in user.lanes:
            session.close(CloseCode.REMOVED)
        return session

    def _give_back(self, user: LocalUser, place: Place) -> None:
        self._hub.missed(user)
        place.release()

    def _check_draining(self) -> None:
        if self._hub.draining:
            raise ApiError(ErrorCode.SHUTTING_DOWN, retry_after=soon())

    async def _authenticate(self, credentials: _Credentials, wanted: list[str]) -> Principal:
        if credentials.token is not None:
            return await self._authenticator.authenticate(credentials.token)
        assert credentials.ticket is not None
        bound = wanted[0] if len(wanted) == 1 else None
        if bound is not None:
            bound = normalise_uuid(bound) or bound
        return await self._tickets.redeem(credentials.ticket, "chat", bound)

    def _check_origin(self, request: UpgradeRequest) -> None:
        origin = request.headers.get("origin")
        if origin is None:
            return
        origin = origin.lower()
        if not self._origin_allowed(origin) and origin != self._own_origin(request):
            raise ApiError(ErrorCode.ORIGIN_NOT_ALLOWED)


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


def _check_scope(principal: Principal) -> None:
    if principal.kind == "bot" and "messages:read" not in principal.scopes:
        raise ApiError(ErrorCode.INSUFFICIENT_SCOPE)


def _filter(wanted: list[str]) -> str | None:
    if not wanted:
        return None
    conversation_id = normalise_uuid(wanted[0]) if len(wanted) == 1 else None
    if conversation_id is None:
        raise invalid("conversation_id", "one UUID")
    return conversation_id


def _result(error: ApiError) -> Refused:
    if error.code.status == 401:
        return "unauthorized"
    if error.code.status == 403:
        return "forbidden"
    if error.code.status == 429 or error.code is ErrorCode.TOO_MANY_CONNECTIONS:
        return "limit"
    return "other"
