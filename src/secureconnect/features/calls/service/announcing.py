"""Who is told what of a change, once it is committed: computed from the state before and after."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from secureconnect.edge.realtime.close import CloseCode
from secureconnect.features.calls.api import Call
from secureconnect.features.calls.rules import Departure, Talk
from secureconnect.features.calls.service import rendering as show
from secureconnect.features.users.api import UserRecord
from secureconnect.infra.bus.base import Bus
from secureconnect.kit.hints import UserFrame, user_channel
from secureconnect.kit.principal import RequestContext

__all__ = ["Announcer", "Cause", "Rooms"]


class Cause(Struct, frozen=True):
    """Why a call changes: who acts, and how who goes out does so. `actor_id` None is the server. `later`: the
    timeline is away, and what is said in the conversation follows (`Logbook`)."""

    actor_id: str | None = None
    session_id: str | None = None
    context: RequestContext | None = None
    why: Departure = "left"
    details: Mapping[str, str] = {}
    later: bool = False


class Rooms(Protocol):
    """The signaling sockets of calls, on all processes."""

    def tell(
        self,
        call_id: str,
        frames: Sequence[bytes] = (),
        *,
        user_id: str | None = None,
        except_user: str | None = None,
        except_session: str | None = None,
        close: CloseCode | None = None,
        version: int = 0,
        here_only: bool = False,
    ) -> None:
        """Send to every socket of the call, then close them with `close`; `user_id`: to that user's only.
        `version` is that of the call that the frames show. `here_only`: the other processes know."""

    def noted(self, call_id: str, version: int) -> None:
        """The sockets on this process were told how the call stands at this version."""


class Announcer:
    """Says over both sockets what became of a call."""

    def __init__(self, bus: Bus, rooms: Rooms) -> None:
        self._bus = bus
        self._rooms = rooms

    def tell(self, before: Talk, after: Talk, users: Mapping[str, UserRecord], cause: Cause) -> None:
        """What changed between the two; `users` are all who are in the call."""
        call = show.render_call(after, users)
        self._devices(before, after, call, users, cause)
        self._rooms.noted(after.call.call_id, after.call.version)
        self._sockets(before, after, call, users, cause)

    def _devices(
        self, before: Talk, after: Talk, call: Call, users: Mapping[str, UserRecord], cause: Cause
    ) -> None:
        call_id, over = after.call.call_id, after.call.over
        updated = show.updated_frame(call) if show.render_call(before, users) != call else None
        for person in after.people.values():
            known, user_id = before.people.get(person.user_id), person.user_id
            was_called = known is not None and known.called
            if person.called and (known is None or not was_called):
                caller = users.get(after.call.caller_id)
                if caller is not None:
                    self._send(user_id, show.incoming_frame(call, caller, person.ring_expires_at))
                continue
            if known is None:
                continue
            if person.state == "ringing" and known.state == "invited":
                self._send(after.call.caller_id, show.ringing_frame(call_id, user_id))
            if was_called and not person.called:
                answered = person.taking_part or person.state == "declined"
                if answered and not (over and person.state != "declined"):
                    by = person.session_id if person.taking_part else cause.session_id
                    self._send(user_id, show.answered_elsewhere_frame(call_id, by), except_session=by)
                elif not answered:
                    status = after.call.status if over else "missed"
                    reason = after.call.end_reason if over else "ring_timeout"
                    self._send(user_id, show.cancelled_frame(call_id, status, reason))
            if updated is not None and not person.withdrawn:
                self._send(user_id, updated)

    def _sockets(
        self, before: Talk, after: Talk, call: Call, users: Mapping[str, UserRecord], cause: Cause
    ) -> None:
        call_id = after.call.call_id
        if after.call.over:
            if not before.call.over:
                self._rooms.tell(call_id, [show.ended_frame(after.call)], close=CloseCode.CALL_ENDED)
            return
        for person in after.people.values():
            known = before.people.get(person.user_id)
            if known is None:
                continue
            user_id = person.user_id
            if known.taking_part and not person.taking_part:
                gone = show.leave_frame(call_id, user_id, cause.why)
                self._rooms.tell(call_id, [gone], except_user=user_id)
                if not person.withdrawn:
                    self._rooms.tell(call_id, user_id=user_id, close=CloseCode.NORMAL)
            elif person.taking_part and known.taking_part and person.session_id != known.session_id:
                self._rooms.tell(
                    call_id, user_id=user_id, except_session=person.session_id, close=CloseCode.REPLACED
                )
            if person.withdrawn and not known.withdrawn:
                self._rooms.tell(call_id, user_id=user_id, close=CloseCode.REMOVED)
        if show.render_call(before, users) != call:
            self._rooms.tell(call_id, [show.updated_frame(call)], version=after.call.version)

    def _send(self, user_id: str, frame: bytes, *, except_session: str | None = None) -> None:
        channel = user_channel(user_id)
        if self._bus.listened(channel):
            self._bus.publish(channel, UserFrame(user_id, frame, except_session=except_session))
