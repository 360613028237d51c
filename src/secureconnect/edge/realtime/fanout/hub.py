"""Who is connected to this process, and where the hints of the bus go.

Events may come on `conv:` and on `user:` channels (for new members, whose lane may not exist yet), repeated,
reordered or not at all: the lanes sort it out by seq, the store fills what is missing.
"""

from collections.abc import Callable, Iterator

from secureconnect.edge.realtime.background import Background
from secureconnect.edge.realtime.base import Endings, EventSource, Memberships
from secureconnect.edge.realtime.close import CloseCode
from secureconnect.edge.realtime.fanout.doubt import Doubts
from secureconnect.edge.realtime.fanout.interest import Interest
from secureconnect.edge.realtime.fanout.lane import Lane, Pace, newcomers
from secureconnect.edge.realtime.fanout.local_user import LocalUser
from secureconnect.edge.realtime.fanout.repair import repair
from secureconnect.edge.realtime.metrics import RealtimeMetrics
from secureconnect.edge.realtime.session.chat import Session
from secureconnect.infra.bus.base import Bus, Unsubscribe
from secureconnect.infra.telemetry.log import get_logger
from secureconnect.kit.clock import Clock
from secureconnect.kit.hints import (
    CONTROL,
    ConversationFrame,
    ConversationGone,
    EventHint,
    Hint,
    SessionEnded,
    UserFrame,
)

__all__ = ["Hub", "SocketListener"]

log = get_logger()

_REMEMBERED = 4096  # ended sessions

SocketListener = Callable[[str, Session], None]


class Hub:
    """The connected users of this process.

    All calls on the event loop. `draining` is set when no new sockets are wanted.
    """

    def __init__(
        self,
        *,
        bus: Bus,
        memberships: Memberships,
        source: EventSource,
        metrics: RealtimeMetrics,
        clock: Clock,
        background: Background,
        endings: Endings,
        pace: Pace | None = None,
    ) -> None:
        self.draining = False
        self.interest = Interest(
            bus=bus,
            memberships=memberships,
            source=source,
            metrics=metrics,
            clock=clock,
            background=background,
            pace=pace or Pace(),
            on_user=self._on_user_channel,
            on_conversation=self._on_channel,
        )
        self._bus = bus
        self._doubts = Doubts(self, endings)
        self._control: Unsubscribe | None = None
        #: Sessions that ended lately, and how: an upgrade checked before may still be under way.
        self._ended_sessions: dict[str, CloseCode] = {}
        self._on_socket: list[SocketListener] = []

    async def open(self) -> None:
        """Listen for what concerns every process."""
        self._control = await self._bus.subscribe(CONTROL, self._on_channel)
        self._bus.on_doubt(self._doubts.doubt)

    def close(self) -> None:
        """End every interest; sockets are the business of whoever drains them."""
        if self._control is not None:
            self._control()
            self._control = None
        self.interest.close()

    # For features

    def online(self, user_id: str) -> bool:
        """True while the user has an open socket in this process."""
        return bool(self.sessions_of(user_id))

    def sessions_of(self, user_id: str) -> tuple[Session, ...]:
        """The user's open sockets in this process, in the order of opening."""
        user = self.interest.users.get(user_id)
        return () if user is None else user.sessions

    def sessions(self) -> Iterator[Session]:
        """All open sockets of this process."""
        for user in list(self.interest.users.values()):
            yield from user.sessions

    def on_socket(self, listener: SocketListener) -> None:
        """Call `listener(user_id, session)` when any socket here is open, before its `welcome`."""
        self._on_socket.append(listener)

    # Sockets

    async def expect(self, user_id: str) -> LocalUser:
        """Follow everything of a user whose socket is about to open; ends with one `attach` or `missed`.

        Raises:
            ApiError: the memberships could not be read; then neither must follow.
        """
        return await self.interest.expect(user_id)

    def missed(self, user: LocalUser) -> None:
        """The expected socket did not come."""
        user.admissions -= 1
        self.interest.release(user)

    def attach(self, session: Session) -> None:
        """The expected socket is open: live events reach its session from now on."""
        user = session.user
        user.admissions -= 1
        user.sessions = (*user.sessions, session)
        self._tell(self._on_socket, session)

    def detach(self, session: Session) -> None:
        """The socket is gone."""
        user = session.user
        if session not in user.sessions:
            return
        user.sessions = tuple(other for other in user.sessions if other is not session)
        if not user.sessions:
            self.interest.release(user)

    def ended(self, session_id: str) -> CloseCode | None:
        """The close code of a session that ended a short while ago."""
        return self._ended_sessions.get(session_id)

    async def repair(self) -> None:
        """Deliver what a broken bus may have swallowed: events, and memberships that came or went.

        Raises:
            ApiError: the store could not be read; what was repaired until then stays.
        """
        await repair(self.interest)

    # Hints

    def _on_channel(self, hint: Hint) -> None:
        lanes = self.interest.lanes
        match hint:
            case EventHint():
                if (lane := lanes.get(hint.conversation_id)) is not None:
                    lane.hint(hint)
            case ConversationFrame():
                if (lane := lanes.get(hint.conversation_id)) is not None:
                    lane.ephemeral(hint.frame, hint.except_user)
            case UserFrame():
                for session in self.sessions_of(hint.user_id):
                    if session.connection_id != hint.except_connection and (
                        hint.except_session is None or session.principal.session_id != hint.except_session
                    ):
                        session.ephemeral(hint.frame, None)
            case ConversationGone():
                self._gone(hint)
            case SessionEnded():
                self.end_session(hint)
            case _:
                pass  # caches listen to the others

    def _on_user_channel(self, hint: Hint) -> None:
        if not isinstance(hint, EventHint) or hint.conversation_id in self.interest.lanes:
            self._on_channel(hint)
            return
        for user in newcomers(self.interest.users, hint):
            user.changes += 1
            if user.loading is None:
                lane = self.interest.hold(hint.conversation_id)
                lane.pending = {hint.seq: hint}  # lets all of them in
                self.interest.start(self.interest.discover(lane, hint.seq, user))
                break

    def _gone(self, hint: ConversationGone) -> None:
        users, lane = self.interest.users, self.interest.lanes.get(hint.conversation_id)
        if hint.user_id is None:
            for user in users.values():
                user.changes += 1
            if lane is not None:
                for user in list(lane.members.values()):
                    lane.dismiss(user, hint.reason)
                self.interest.drop_lane(lane)
        elif (leaving := users.get(hint.user_id)) is not None:
            leaving.changes += 1
            if lane is not None:
                self._leave_when_idle(lane, leaving, hint.reason)

    def _leave_when_idle(self, lane: Lane, user: LocalUser, reason: str) -> None:
        def leave() -> None:
            if lane.members.get(user.user_id) is user:
                lane.dismiss(user, reason)
                self.interest.idle(lane)

        lane.once_idle(leave)

    def end_session(self, hint: SessionEnded) -> None:
        """Close the sockets of a session, those too that are about to open."""
        code = CloseCode(hint.close)
        self._ended_sessions[hint.session_id] = code
        if len(self._ended_sessions) > _REMEMBERED:
            del self._ended_sessions[next(iter(self._ended_sessions))]
        for session in self.sessions_of(hint.user_id):
            if session.principal.session_id == hint.session_id:
                session.close(code)

    def _tell(self, listeners: list[SocketListener], session: Session) -> None:
        for listener in listeners:
            try:
                listener(session.principal.user_id, session)
            except Exception:  # one feature's defect must not keep a socket from opening or closing
                log.exception("socket listener failed")
