"""The signaling sockets of calls: who comes, who is lost, and what is passed on.

Membership is checked for each frame: a socket whose user does not take part relays nothing, and one whose
user left the conversation is closed.
"""

from collections.abc import Mapping
from typing import Any

from secureconnect.edge.realtime.close import CloseCode
from secureconnect.edge.realtime.frames import json_frame, welcome_frame
from secureconnect.edge.realtime.signaling.rooms import Rooms
from secureconnect.edge.realtime.signaling.session import SignalContext, SignalSession
from secureconnect.features.calls.rules import Talk
from secureconnect.features.calls.service import (
    Admissions,
    AnswerService,
    CallMetrics,
    CallReadService,
    Placement,
    Presences,
    Pulse,
    RecordingService,
    rendering,
)
from secureconnect.features.calls.socket.bodies import JoinAck
from secureconnect.features.conversations.api import Conversations
from secureconnect.kit.clock import Clock, rfc3339
from secureconnect.kit.errors import ApiError, Detail, ErrorCode
from secureconnect.kit.principal import Principal

__all__ = ["Switchboard"]


class Switchboard:
    """Implements `CallSockets`, and the commands of its sockets."""

    def __init__(
        self,
        rooms: Rooms,
        reading: CallReadService,
        answering: AnswerService,
        recordings: RecordingService,
        presences: Presences,
        pulse: Pulse,
        admissions: Admissions,
        conversations: Conversations,
        metrics: CallMetrics,
        clock: Clock,
    ) -> None:
        self._rooms = rooms
        self._reading = reading
        self._answering = answering
        self._recordings = recordings
        self._presences = presences
        self._pulse = pulse
        self._admissions = admissions
        self._conversations = conversations
        self._metrics = metrics
        self._clock = clock

    # Sockets

    async def admit(self, principal: Principal, call_id: str) -> None:
        """See `CallSockets`."""
        await self._reading.signalable(principal.user_id, call_id)

    async def enter(self, session: SignalSession) -> None:
        """See `CallSockets`."""
        call_id, principal = session.call_id, session.principal
        try:
            await self._pulse.awake()
            await self._rooms.follow(call_id)
            talk = await self._reading.signalable(principal.user_id, call_id)
        except ApiError as error:
            session.close(_closing(error))
            return
        session.conversation_id = talk.call.conversation_id
        self._rooms.noted(call_id, talk.call.version)
        person = talk.people[principal.user_id]
        returns = (
            person.taking_part
            and person.session_id == principal.session_id
            and person.connection_id is not None
        )
        await self._greet(session, talk, reconnected=returns)
        if returns:
            await self._return(session)
        self._rooms.replace_others(session)

    async def lost(self, session: SignalSession) -> None:
        """See `CallSockets`."""
        await self._presences.lost(session.call_id, session.principal.user_id, session.connection_id)

    async def _greet(self, session: SignalSession, talk: Talk, *, reconnected: bool) -> None:
        settings, principal = session.host.settings, session.principal
        session.reply(
            welcome_frame(
                connection_id=session.connection_id,
                user_id=principal.user_id,
                session_id=principal.session_id,
                server_time_ms=self._clock.now(),
                token_expires_at_ms=principal.expires_at,
                ping_interval=settings.ping_interval,
                idle_timeout=settings.idle_timeout,
                max_frame_bytes=settings.max_signaling_frame_bytes,
                call=await self._reading.shown(talk),
                ice_servers=self._admissions.ice(principal.user_id).ice_servers,
                reconnected=reconnected,
            )
        )

    async def _return(self, session: SignalSession) -> None:
        """The socket of somebody who takes part already."""
        try:
            changed = await self._presences.returned(
                session.principal, session.request, session.call_id, self._place(session)
            )
        except ApiError as error:
            session.close(_closing(error))
            return
        if changed is None or not session.open:
            return  # its time was over, or the socket is gone again
        self._rooms.place(session)
        call = await self._reading.shown(changed.after)
        self._rooms.tell(session.call_id, [rendering.reconnected_frame(call, session.principal.user_id)])

    def _place(self, session: SignalSession) -> Placement:
        return Placement(session.connection_id, self._rooms.process_id)

    # Commands

    async def join(self, context: SignalContext, *, takeover: bool) -> JoinAck:
        """Take part through this socket, and say so to the others.

        Raises:
            ApiError: like `AnswerService.join`.
        """
        session, principal = context.session, context.principal
        again = session.joined
        changed = await self._answering.join(
            principal, context.request, session.call_id, takeover=takeover, place=self._place(session)
        )
        talk = changed.after
        call = await self._reading.shown(talk)
        if session.open:
            self._rooms.place(session)
            if not again:
                (me,) = (each for each in call.participants if each.user_id == principal.user_id)
                self._rooms.tell(
                    session.call_id,
                    [rendering.join_frame(session.call_id, me)],
                    except_user=principal.user_id,
                )
                self._metrics.signaled("join")
        else:  # it was lost while it joined
            await self.lost(session)
        return JoinAck(call, self._admissions.entrance(talk, principal.user_id))

    async def leave(self, context: SignalContext) -> None:
        """Get out; the socket closes behind the answer."""
        session = context.session
        self._check_joined(session)
        session.leaving = True
        try:
            await self._answering.leave(context.principal, context.request, session.call_id)
        except BaseException:
            session.leaving = False
            raise
        self._metrics.signaled("leave")

    async def relay(
        self,
        context: SignalContext,
        name: str,
        target_id: str | None,
        fields: Mapping[str, Any],
        *,
        clear: bool,
    ) -> None:
        """Pass on what devices say to each other. `clear`: the server could read it.

        Raises:
            ApiError: `CONFLICT`, `FORBIDDEN`, `E2EE_REQUIRED`, `NOT_FOUND`, `SERVICE_UNAVAILABLE`.
        """
        session = context.session
        self._check_joined(session)
        await self._check_member(session, clear=clear)
        frame = self._frame(session, name, fields, target_id)
        self._rooms.relay(session, target_id, frame)
        self._metrics.signaled(name)

    async def show(
        self, context: SignalContext, name: str, state: Mapping[str, bool], fields: Mapping[str, Any]
    ) -> None:
        """Store what a participant shows, and pass it on to all others.

        Raises:
            ApiError: `CONFLICT`, `FORBIDDEN`, `CALL_ENDED`.
        """
        session = context.session
        self._check_joined(session)
        await self._check_member(session, clear=False)
        await self._presences.show(context.principal, context.request, session.call_id, state)
        self._rooms.spread(session, self._frame(session, name, fields, None))
        self._metrics.signaled(name)

    async def record(self, context: SignalContext, name: str, *, recording: bool) -> None:
        """Like `show`, with an event of the conversation.

        Raises:
            ApiError: `CONFLICT`, `FORBIDDEN`, `CALL_ENDED`.
        """
        session = context.session
        self._check_joined(session)
        await self._recordings.set(context.principal, context.request, session.call_id, recording=recording)
        self._rooms.spread(session, self._frame(session, name, {}, None))
        self._metrics.signaled(name)

    def _frame(
        self, session: SignalSession, name: str, fields: Mapping[str, Any], target_id: str | None
    ) -> bytes:
        return json_frame(
            {
                "type": name,
                **({"target_id": target_id} if target_id is not None else {}),
                **fields,
                "call_id": session.call_id,
                "sender_id": session.principal.user_id,
                "timestamp": rfc3339(self._clock.now()),
            }
        )

    @staticmethod
    def _check_joined(session: SignalSession) -> None:
        if not session.joined:
            first = [Detail("type", "join comes first")]
            raise ApiError(ErrorCode.CONFLICT, "This socket has not joined the call.", details=first)

    async def _check_member(self, session: SignalSession, *, clear: bool) -> None:
        facts = await self._conversations.facts(session.conversation_id)
        if facts is None or session.principal.user_id not in facts.members:
            session.close(CloseCode.REMOVED)
            raise ApiError(ErrorCode.FORBIDDEN, "You are no member of this conversation any more.")
        if clear and facts.settings.is_e2ee_enabled:
            raise ApiError(ErrorCode.E2EE_REQUIRED, "Signaling of this conversation is encrypted.")


def _closing(error: ApiError) -> CloseCode:
    """How a socket ends that was let in a moment before."""
    if error.code is ErrorCode.CALL_ENDED:
        return CloseCode.CALL_ENDED
    if error.code.status in {403, 404}:
        return CloseCode.REMOVED
    return CloseCode.DEPENDENCY_UNAVAILABLE
