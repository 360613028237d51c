"""One signaling socket's meaning, from its `welcome` to its close (docs/reference/realtime.md §10)."""

from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from msgspec import Struct

from secureconnect.edge.realtime.base import Socket
from secureconnect.edge.realtime.close import CloseCode
from secureconnect.edge.realtime.frames import token_expiring_frame
from secureconnect.edge.realtime.places import Place
from secureconnect.edge.realtime.session.limits import CommandBucket
from secureconnect.edge.realtime.session.reception import Reception
from secureconnect.infra.telemetry.log import get_logger
from secureconnect.kit.ids import new_id
from secureconnect.kit.principal import Principal, RequestContext

if TYPE_CHECKING:
    from secureconnect.edge.realtime.signaling.host import SignalHost

__all__ = ["RELAYED", "SignalContext", "SignalSession"]

log = get_logger()

_EXPIRING_MS = 60_000

#: What two devices need of each other until media flows: quick bursts that have a pace of their own (§8).
RELAYED = frozenset({"offer", "answer", "ice_candidate", "encrypted"})


class _RelayPace(Struct, frozen=True):
    commands_per_second: float = 50
    commands_burst: int = 200


_RELAY_PACE = _RelayPace()


class SignalContext(NamedTuple):
    """Who sent a command, on which socket."""

    principal: Principal
    session: "SignalSession"

    @property
    def request(self) -> RequestContext:
        """Where the socket came from, for audit records."""
        return self.session.request


class _SignalInbox(Reception):
    """The commands of one signaling socket."""

    __slots__ = ("_relay_bucket",)

    kind: ClassVar[str] = "signaling"
    _session: "SignalSession"

    def __init__(self, session: "SignalSession", context: RequestContext) -> None:
        super().__init__(session, context)
        self._relay_bucket: CommandBucket | None = None

    def context_of(self, ref: str | None) -> SignalContext:  # noqa: ARG002
        return SignalContext(self._session.principal, self._session)

    def pace_of(self, name: Any, now: float) -> CommandBucket:
        if type(name) is str and name in RELAYED:
            if self._relay_bucket is None:
                self._relay_bucket = CommandBucket(_RELAY_PACE, now)
            return self._relay_bucket
        if self._bucket is None:
            self._bucket = CommandBucket(self._session.host.settings, now)
        return self._bucket

    def taken(self, name: str, ref: str | None, raw: dict[str, Any]) -> bool:  # noqa: ARG002
        return False

    def answered(self) -> None:
        if self._session.leaving:
            self._session.close(CloseCode.NORMAL)


class SignalSession:
    """The Receiver of one signaling socket. Lives on the event loop; nothing here blocks.

    `joined`: the user takes part in the call through this socket. `leaving`: it said `leave`, and closes once
    that is answered.
    """

    __slots__ = (
        "_closed",
        "_expiring_sent",
        "_inbox",
        "_opened_at",
        "_place",
        "call_id",
        "connection_id",
        "conversation_id",
        "due_tick",
        "host",
        "joined",
        "leaving",
        "principal",
        "socket",
    )

    def __init__(
        self,
        host: "SignalHost",
        socket: Socket,
        *,
        call_id: str,
        principal: Principal,
        place: Place,
        context: RequestContext,
    ) -> None:
        self.host = host
        self.socket = socket
        self.call_id = call_id
        #: Where the call takes place; set by the feature with the `welcome`.
        self.conversation_id = ""
        self.principal = principal
        self.connection_id = new_id()
        self.joined = False
        self.leaving = False
        self.due_tick = -1
        self._place = place
        self._closed = False
        self._expiring_sent = False
        self._opened_at = host.clock.monotonic()
        self._inbox = _SignalInbox(self, context)

    @property
    def request(self) -> RequestContext:
        """The request that became this socket."""
        return self._inbox.context

    @property
    def open(self) -> bool:
        """Whether it is of use to say something here."""
        return not self._closed and self.socket.open

    def start(self) -> None:
        """The socket opened; called once. Nothing is read until it was greeted."""
        host = self.host
        host.metrics.opened("signaling")
        log.info(
            "socket opened",
            connection_id=self.connection_id,
            user_id=self.principal.user_id,
            session_id=self.principal.session_id,
            call_id=self.call_id,
            request_id=self.request.request_id,
            client_ip=self.request.client_ip,
        )
        self.socket.pause_reading()
        self._schedule()
        host.background.start(self._enter())

    async def _enter(self) -> None:
        try:
            await self.host.calls.enter(self)
        except Exception:
            log.exception("signaling socket could not start", call_id=self.call_id)
            self.close(CloseCode.INTERNAL_ERROR)
        else:
            self.socket.resume_reading()

    # The transport's side

    def text(self, payload: bytes) -> None:
        """One message of the client."""
        if self.open:
            self._inbox.receive(payload)

    def closed(self, code: int) -> None:
        """The socket is gone. What was received is still carried out, unless the server closed it."""
        if self._closed:
            return
        self._closed = True
        host = self.host
        host.timers.forget(self)
        host.metrics.closed("signaling", code)
        if code == CloseCode.SLOW_CONSUMER:
            host.metrics.overflow()
        log.info(
            "socket closed",
            code=code,
            duration_s=round(host.clock.monotonic() - self._opened_at, 3),
            connection_id=self.connection_id,
            user_id=self.principal.user_id,
            call_id=self.call_id,
        )
        took_part = host.rooms.leave(self)
        self._place.release()
        if took_part and not self.leaving:
            host.background.start(host.calls.lost(self))

    # For the rooms and the feature

    def reply(self, frame: bytes) -> None:
        """Send an answer, or what must not be lost."""
        self.host.metrics.messages("signaling", "out", 1)
        self.socket.send(frame)

    def close(self, code: CloseCode, *, retry_after_ms: int | None = None) -> None:
        """Close from the server's side; commands that have not begun are forgotten."""
        self._inbox.revoke()
        self.socket.close(code, retry_after_ms=retry_after_ms)

    def push(self, frame: bytes) -> None:
        """Send what may be lost."""
        self.host.metrics.messages("signaling", "out", 1)
        self.socket.send(frame, ephemeral=True)

    # Time

    def due(self) -> None:
        """The token expires, now or in a minute."""
        if self._closed:
            return
        left = self.principal.expires_at - self.host.clock.now()
        if left <= 0:
            self.close(CloseCode.TOKEN_EXPIRED)
            return
        if not self._expiring_sent and left <= _EXPIRING_MS:
            self._expiring_sent = True
            self.push(token_expiring_frame(self.principal.expires_at))
        self._schedule()

    def renew(self, principal: Principal) -> None:
        """`token_refresh` brought another token of the same session."""
        self.principal = principal
        self._expiring_sent = False
        self.due()

    def _schedule(self) -> None:
        seconds = (self.principal.expires_at - self.host.clock.now()) / 1000
        if not self._expiring_sent:
            seconds = max(seconds - _EXPIRING_MS / 1000, 0)
        self.host.timers.wake(self, seconds)
