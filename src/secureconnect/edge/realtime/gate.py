"""Who may open a chat socket (docs/reference/realtime.md §1), checked in the order of
docs/reference/conventions.md §3.7.
"""

from secureconnect.edge.realtime.base import Admission, Memberships, Receiver, Refusal, Socket, UpgradeRequest
from secureconnect.edge.realtime.close import CloseCode
from secureconnect.edge.realtime.entrance import Entrance, Visitor, one_id
from secureconnect.edge.realtime.fanout.hub import Hub
from secureconnect.edge.realtime.fanout.local_user import LocalUser
from secureconnect.edge.realtime.places import Place, soon
from secureconnect.edge.realtime.session.chat import Session
from secureconnect.edge.realtime.session.host import SessionHost
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.principal import Principal

__all__ = ["CHAT_PATH", "ChatGate"]

CHAT_PATH = "/v1/ws/chat"


class ChatGate:
    """The Gate of the chat socket."""

    def __init__(self, *, host: SessionHost, hub: Hub, memberships: Memberships, entrance: Entrance) -> None:
        self._host = host
        self._hub = hub
        self._memberships = memberships
        self._entrance = entrance

    async def admit(self, request: UpgradeRequest) -> Admission:
        """Check everything, take a place, and follow what the user follows. Raises ApiError to refuse."""
        if request.path != CHAT_PATH:
            raise ApiError(ErrorCode.NOT_FOUND)
        self._check_draining()
        visitor = await self._entrance.identify(request, "chat", "conversation_id")
        principal = visitor.principal
        try:
            _check_scope(principal)
            filter_id = one_id(visitor.wanted, "conversation_id") if visitor.wanted else None
            if filter_id is not None:
                await self._memberships.require(principal.user_id, filter_id)
            self._entrance.check_origin(request)
        except ApiError as error:
            self._entrance.denied(visitor, CHAT_PATH, error)
            raise
        place = self._entrance.take_place(visitor)
        try:
            user = await self._hub.expect(principal.user_id)
        except BaseException:
            place.release()
            raise
        if self._hub.draining:  # it began while the memberships were read
            self._give_back(user, place)
            self._check_draining()
        return Admission(
            subprotocol=visitor.subprotocol,
            max_frame_bytes=self._host.settings.max_frame_bytes,
            opened=lambda socket: self._opened(socket, visitor, user, place, filter_id),
            abandoned=lambda: self._give_back(user, place),
        )

    def refuse(self, request: UpgradeRequest, error: ApiError) -> Refusal:
        """The HTTP answer, counted."""
        return self._entrance.refuse(request, error, "chat")

    def _opened(
        self, socket: Socket, visitor: Visitor, user: LocalUser, place: Place, filter_id: str | None
    ) -> Receiver:
        session = Session(
            self._host,
            socket,
            principal=visitor.principal,
            user=user,
            place=place,
            context=visitor.context,
            filter_id=filter_id,
        )
        self._hub.attach(session)
        session.open()
        # What happened between the checks and now.
        ended = self._hub.ended(visitor.principal.session_id)
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


def _check_scope(principal: Principal) -> None:
    if principal.kind == "bot" and "messages:read" not in principal.scopes:
        raise ApiError(ErrorCode.INSUFFICIENT_SCOPE)
