"""Who may open a signaling socket (docs/reference/realtime.md §1, §10), and the gate of all sockets."""

from secureconnect.edge.realtime.base import Admission, Receiver, Refusal, Socket, UpgradeRequest
from secureconnect.edge.realtime.close import CloseCode
from secureconnect.edge.realtime.entrance import Entrance, Visitor, one_id
from secureconnect.edge.realtime.places import Place, soon
from secureconnect.edge.realtime.signaling.host import SignalHost
from secureconnect.edge.realtime.signaling.session import SignalSession
from secureconnect.kit.errors import ApiError, ErrorCode

__all__ = ["SIGNALING_PATH", "SignalGate"]

SIGNALING_PATH = "/v1/ws/signaling"


class SignalGate:
    """The Gate of the signaling socket."""

    def __init__(self, *, host: SignalHost, entrance: Entrance) -> None:
        self._host = host
        self._entrance = entrance

    async def admit(self, request: UpgradeRequest) -> Admission:
        """Check everything and take a place. Raises ApiError to refuse."""
        if request.path != SIGNALING_PATH:
            raise ApiError(ErrorCode.NOT_FOUND)
        self._check_draining()
        visitor = await self._entrance.identify(request, "signaling", "call_id")
        try:
            if visitor.principal.kind == "bot":
                raise ApiError(ErrorCode.INSUFFICIENT_SCOPE)  # noqa: TRY301 - recorded like any refusal
            call_id = one_id(visitor.wanted, "call_id")
            await self._host.calls.admit(visitor.principal, call_id)
            self._entrance.check_origin(request)
        except ApiError as error:
            self._entrance.denied(visitor, SIGNALING_PATH, error)
            raise
        place = self._entrance.take_place(visitor)
        return Admission(
            subprotocol=visitor.subprotocol,
            max_frame_bytes=self._host.settings.max_signaling_frame_bytes,
            opened=lambda socket: self._opened(socket, visitor, place, call_id),
            abandoned=place.release,
        )

    def refuse(self, request: UpgradeRequest, error: ApiError) -> Refusal:
        """The HTTP answer, counted."""
        return self._entrance.refuse(request, error, "signaling")

    def _opened(self, socket: Socket, visitor: Visitor, place: Place, call_id: str) -> Receiver:
        rooms = self._host.rooms
        session = SignalSession(
            self._host,
            socket,
            call_id=call_id,
            principal=visitor.principal,
            place=place,
            context=visitor.context,
        )
        rooms.attach(session)
        session.start()
        # What happened between the checks and now.
        ended = rooms.ended(visitor.principal.session_id)
        if ended is not None:
            session.close(ended)
        elif rooms.draining:
            session.close(CloseCode.SHUTTING_DOWN, retry_after_ms=soon() * 1000)
        return session

    def _check_draining(self) -> None:
        if self._host.rooms.draining:
            raise ApiError(ErrorCode.SHUTTING_DOWN, retry_after=soon())
