"""One chat socket's meaning: welcome, hello, live (docs/reference/realtime.md §3, §9)."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from secureconnect.edge.realtime.base import Socket
from secureconnect.edge.realtime.close import CloseCode
from secureconnect.edge.realtime.frames import frame_head, token_expiring_frame, welcome_frame
from secureconnect.edge.realtime.places import Place
from secureconnect.edge.realtime.session import resume
from secureconnect.edge.realtime.session.backlog import Backlog
from secureconnect.edge.realtime.session.host import SessionHost
from secureconnect.edge.realtime.session.inbox import Inbox
from secureconnect.edge.realtime.session.state import State
from secureconnect.infra.telemetry.log import get_logger
from secureconnect.kit.ids import new_id
from secureconnect.kit.principal import Principal, RequestContext

if TYPE_CHECKING:
    from secureconnect.edge.realtime.fanout.local_user import LocalUser

__all__ = ["CloseListener", "Session"]

log = get_logger()

_EXPIRING_MS = 60_000

CloseListener = Callable[["Session", int], None]


class Session:
    """The Receiver of one chat socket. Lives on the event loop; nothing here blocks.

    Features may use `connection_id`, `principal`, `request`, `device_id`, `push`, `close` and `on_close`.
    """

    __slots__ = (
        "_close_listeners",
        "_expiring_sent",
        "_inbox",
        "_opened_at",
        "_place",
        "backlog",
        "connection_id",
        "device_id",
        "direct",
        "due_tick",
        "filter",
        "host",
        "principal",
        "skip",
        "socket",
        "state",
        "user",
    )

    def __init__(
        self,
        host: SessionHost,
        socket: Socket,
        *,
        principal: Principal,
        user: "LocalUser",
        place: Place,
        context: RequestContext,
        filter_id: str | None,
    ) -> None:
        self.host = host
        self.socket = socket
        self.principal = principal
        self.user = user
        self.filter = filter_id
        self.connection_id = new_id()
        self.device_id: str | None = None
        self.state = State.WAITING
        self.backlog: Backlog | None = Backlog(host.held_frames)
        #: Events up to these seqs are known to the client although fan-out did not reach them yet.
        self.skip: dict[str, int] | None = None
        #: True when live events may go to the socket without any look at this session.
        self.direct = False
        self.due_tick = -1
        self._place = place
        self._close_listeners: tuple[CloseListener, ...] = ()
        self._expiring_sent = False
        self._opened_at = host.clock.monotonic()
        self._inbox = Inbox(self, context)

    @property
    def request(self) -> RequestContext:
        """The request that became this socket."""
        return self._inbox.context

    def open(self) -> None:
        """Greet the client; called once, right after the socket opened and the hub knows this session."""
        host, settings = self.host, self.host.settings
        host.metrics.opened("chat")
        log.info(
            "socket opened",
            connection_id=self.connection_id,
            user_id=self.principal.user_id,
            session_id=self.principal.session_id,
            request_id=self.request.request_id,
            client_ip=self.request.client_ip,
        )
        self.reply(
            welcome_frame(
                connection_id=self.connection_id,
                user_id=self.principal.user_id,
                session_id=self.principal.session_id,
                server_time_ms=host.clock.now(),
                token_expires_at_ms=self.principal.expires_at,
                ping_interval=settings.ping_interval,
                idle_timeout=settings.idle_timeout,
                max_frame_bytes=settings.max_frame_bytes,
            )
        )
        self._schedule()

    @property
    def _hello_until(self) -> float:
        return self._opened_at + self.host.settings.hello_wait

    # The transport's side

    def text(self, payload: bytes) -> None:
        """One message of the client."""
        if self.state is not State.CLOSED and self.socket.open:
            self._inbox.receive(payload)

    def closed(self, code: int) -> None:
        """The socket is gone. What was received is still carried out, unless the server closed it."""
        if self.state is State.CLOSED:
            return
        self.state = State.CLOSED
        self.direct = False
        self.backlog = None
        host = self.host
        host.timers.forget(self)
        host.metrics.closed("chat", code)
        if code == CloseCode.SLOW_CONSUMER:
            host.metrics.overflow()
        log.info(
            "socket closed",
            code=code,
            duration_s=round(host.clock.monotonic() - self._opened_at, 3),
            connection_id=self.connection_id,
            user_id=self.user.user_id,
        )
        listeners, self._close_listeners = self._close_listeners, ()
        for listener in listeners:
            try:
                listener(self, code)
            except Exception:
                log.exception("close listener failed")
        host.roster.detach(self)
        self._place.release()

    # For features

    def push(self, frame: bytes) -> None:
        """Send one ephemeral frame to this socket alone, after its `hello`; the filter does not apply."""
        if self.state < State.REPLAYING:
            if self.backlog is not None:
                self.backlog.ephemeral(frame)
        elif self.state is not State.CLOSED:
            self._count_out()
            self.socket.send(frame, ephemeral=True)

    def close(self, code: CloseCode, *, retry_after_ms: int | None = None) -> None:
        """Close from the server's side; commands that have not begun are forgotten."""
        self._inbox.revoke()
        self.socket.close(code, retry_after_ms=retry_after_ms)

    def on_close(self, listener: CloseListener) -> None:
        """Call `listener(session, code)` once when this socket is gone."""
        self._close_listeners = (*self._close_listeners, listener)

    # Fan-out

    def event(self, conversation_id: str, seq: int, frame: bytes) -> None:
        """One live durable event; seqs of a conversation come ascending and without holes."""
        if self.filter is not None and conversation_id != self.filter:
            return
        if self.skip is not None and (floor := self.skip.get(conversation_id)) is not None:
            if seq <= floor:
                return
            self.unskip(conversation_id)
        backlog = self.backlog
        if backlog is not None and (self.state < State.REPLAYING or conversation_id in backlog.queues):
            backlog.event(conversation_id, seq, frame)
        elif self.state is not State.CLOSED:
            self._count_out()
            self.socket.send(frame)

    def control(self, conversation_id: str, frame: bytes, seq: int | None = None) -> None:
        """A frame that has its place between the events of a conversation, just before or behind `seq`."""
        if self.filter is not None and conversation_id != self.filter:
            return
        if seq is not None and self.skip is not None and seq <= self.skip.get(conversation_id, 0):
            return  # the answer to `hello` took it into account
        backlog = self.backlog
        if backlog is not None and (self.state < State.REPLAYING or conversation_id in backlog.queues):
            backlog.control(conversation_id, frame)
        elif frame:
            self.reply(frame)
        else:
            self.close(CloseCode.REMOVED)

    def ended(self, conversation_id: str, frame: bytes, seq: int | None) -> None:
        """The user may see nothing more of this conversation; `frame` says so."""
        if self.skip is not None and (seq is None or self.skip.get(conversation_id) == resume.END):
            self.unskip(conversation_id)
        self.control(conversation_id, frame, seq)
        if self.filter == conversation_id:
            self.control(conversation_id, resume.CLOSE, seq)

    def ephemeral(self, frame: bytes, conversation_id: str | None) -> None:
        """A frame that may be lost, for all sockets of a user or of a conversation's members."""
        if self.filter is not None and not self._passes(frame, conversation_id):
            return
        if conversation_id is None or self.state >= State.REPLAYING:
            self.push(frame)

    def reply(self, frame: bytes) -> None:
        """Send an answer at once."""
        self._count_out()
        self.socket.send(frame)

    # Start

    def begin(self) -> None:
        """Counts as `hello` without resume."""
        self.state = State.RESUMING
        self.start_replay()

    def start_replay(self) -> None:
        """Send what is owed; at once when nothing must be read or waited for."""
        if self.state is not State.RESUMING:
            return
        self.state = State.REPLAYING
        if not resume.flush(self):
            self.host.background.start(resume.replay(self))
        self.due()

    def go_live(self) -> None:
        """Nothing is owed any more."""
        if self.state is State.REPLAYING:
            self.state = State.LIVE
            self.backlog = None
            self._set_direct()

    def unskip(self, conversation_id: str) -> None:
        """Fan-out passed what the client knew."""
        if self.skip is not None:
            self.skip.pop(conversation_id, None)
            if not self.skip:
                self.skip = None
                self._set_direct()

    def _set_direct(self) -> None:
        self.direct = self.state is State.LIVE and self.skip is None and self.filter is None

    def _passes(self, frame: bytes, conversation_id: str | None) -> bool:
        if conversation_id is not None:
            return conversation_id == self.filter
        head = frame_head(frame)
        return head.conversation_id == self.filter or head.type.startswith("call_")

    # Time

    def due(self) -> None:
        """The timer went off: silence counts as `hello`; tokens expire."""
        if self.state is State.CLOSED:
            return
        clock = self.host.clock
        left = self.principal.expires_at - clock.now()
        if left <= 0:
            self.close(CloseCode.TOKEN_EXPIRED)
            return
        if self.state is State.WAITING and clock.monotonic() >= self._hello_until - 0.001:
            self.begin()  # comes back here
            return
        if self.state >= State.REPLAYING and not self._expiring_sent and left <= _EXPIRING_MS:
            self._expiring_sent = True
            self.push(token_expiring_frame(self.principal.expires_at))
        self._schedule()

    def renew(self, principal: Principal) -> None:
        """`token_refresh` brought another token of the same session."""
        self.principal = principal
        self._expiring_sent = False
        self.due()

    def _schedule(self) -> None:
        clock = self.host.clock
        seconds = (self.principal.expires_at - clock.now()) / 1000
        if self.state is State.WAITING:
            seconds = min(seconds, self._hello_until - clock.monotonic())
        elif not self._expiring_sent:
            seconds = max(seconds - _EXPIRING_MS / 1000, 0)
        self.host.timers.wake(self, seconds)

    def _count_out(self) -> None:
        self.host.metrics.messages("chat", "out", 1)
