"""Which signaling sockets this process holds, and where the others of each call are.

Sockets of one process are told directly, so that a call whose people are all here goes on whatever becomes
of the bus; what concerns others goes over the channel of the call. Who takes part through which process is
stored with the call: a room reads it when its first socket opens and follows the hints after that.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

from secureconnect.edge.realtime.close import CloseCode
from secureconnect.edge.realtime.signaling.base import Roster
from secureconnect.infra.bus.base import Bus, Unsubscribe
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.hints import (
    CONTROL,
    CallPlace,
    CallRelay,
    CallTold,
    Hint,
    SessionEnded,
    call_channel,
)
from secureconnect.kit.ids import new_id

if TYPE_CHECKING:
    from secureconnect.edge.realtime.signaling.session import SignalSession

__all__ = ["Rooms"]

_REMEMBERED = 4096  # ended sessions
_READS = 5  # of the places of a call, before it is left to the next turn


class _Room:
    """One call: its sockets by connection id, who takes part here, and who on which other process."""

    __slots__ = ("elsewhere", "here", "moves", "sessions", "unsubscribe", "version")

    def __init__(self) -> None:
        self.sessions: dict[str, SignalSession] = {}
        self.here: dict[str, SignalSession] = {}
        self.elsewhere: dict[str, str] = {}
        self.moves = 0  # hints about `elsewhere` so far
        self.unsubscribe: Unsubscribe | None = None
        self.version = 0


class Rooms:
    """The calls with a socket on this process. All calls on the event loop.

    Args:
        process_id: tells this process from the others; another one at each start.
    """

    def __init__(
        self,
        bus: Bus,
        roster: Roster,
        *,
        process_id: str | None = None,
    ) -> None:
        self.process_id = process_id or new_id()
        self.draining = False
        self._bus = bus
        self._roster = roster
        self._bus_works = True
        self._rooms: dict[str, _Room] = {}
        self._ended: dict[str, CloseCode] = {}
        self._control: Unsubscribe | None = None

    def __len__(self) -> int:
        return len(self._rooms)

    @property
    def sockets(self) -> int:
        """The signaling sockets of this process."""
        return sum(len(room.sessions) for room in self._rooms.values())

    async def open(self) -> None:
        """Listen for sessions that end."""
        self._control = await self._bus.subscribe(CONTROL, self._on_control)
        self._bus.on_doubt(self._doubted)

    def close(self) -> None:
        """Listen no more; sockets are the business of whoever drains them."""
        if self._control is not None:
            self._control()
        for room in self._rooms.values():
            if room.unsubscribe is not None:
                room.unsubscribe()

    def sessions(self) -> Iterator["SignalSession"]:
        """All signaling sockets of this process."""
        for room in list(self._rooms.values()):
            yield from list(room.sessions.values())

    def connections(self) -> set[str]:
        """The sockets here through which somebody takes part."""
        return {each.connection_id for room in self._rooms.values() for each in room.here.values()}

    def ended(self, session_id: str) -> CloseCode | None:
        """The close code of a session that ended a short while ago."""
        return self._ended.get(session_id)

    def versions(self) -> dict[str, int]:
        """The calls with a socket here, and how often each was changed when it was told of last."""
        return {call_id: room.version for call_id, room in self._rooms.items()}

    # Sockets

    def attach(self, session: "SignalSession") -> None:
        """A socket opened."""
        room = self._rooms.get(session.call_id)
        if room is None:
            room = self._rooms[session.call_id] = _Room()
        room.sessions[session.connection_id] = session

    async def follow(self, call_id: str) -> None:
        """Hear what other processes say about a call with a socket here, and know who is there."""
        room = self._rooms.get(call_id)
        if room is None or room.unsubscribe is not None:
            return
        unsubscribe = await self._bus.subscribe(call_channel(call_id), self._on_call)
        if self._rooms.get(call_id) is not room or room.unsubscribe is not None:
            unsubscribe()
            return
        room.unsubscribe = unsubscribe
        # Read after the subscription, so that nothing falls between.
        if not await self._read_places(call_id, room):
            room.version = -1

    def place(self, session: "SignalSession") -> None:
        """The user takes part through this socket from now on, and through no other."""
        room, user_id = self._rooms.get(session.call_id), session.principal.user_id
        if room is None or session.connection_id not in room.sessions:
            return
        before = room.here.get(user_id)
        session.joined = True
        room.here[user_id] = session
        room.elsewhere.pop(user_id, None)
        if before is not None and before is not session:
            before.joined = False
            before.close(CloseCode.REPLACED)
        self._publish(session.call_id, CallPlace(session.call_id, self.process_id, user_id, here=True))

    def replace_others(self, session: "SignalSession") -> None:
        """Another socket of the same session gives way to this one."""
        room = self._rooms.get(session.call_id)
        for other in list(room.sessions.values()) if room is not None else ():
            same = other.principal.session_id == session.principal.session_id
            if same and other is not session:
                other.close(CloseCode.REPLACED)

    def leave(self, session: "SignalSession") -> bool:
        """The socket is gone; whether somebody took part through it."""
        call_id, user_id = session.call_id, session.principal.user_id
        room = self._rooms.get(call_id)
        if room is None or room.sessions.pop(session.connection_id, None) is None:
            return False
        took_part = room.here.get(user_id) is session
        session.joined = False
        if took_part:
            del room.here[user_id]
            self._publish(call_id, CallPlace(call_id, self.process_id, user_id, here=False))
        if not room.sessions:
            del self._rooms[call_id]
            if room.unsubscribe is not None:
                room.unsubscribe()
        return took_part

    # What is said

    def relay(self, session: "SignalSession", target_id: str | None, frame: bytes) -> None:
        """Pass a frame on, to `target_id` or to everybody else who takes part.

        Raises:
            ApiError: `NOT_FOUND` for somebody who does not take part; `SERVICE_UNAVAILABLE` for who does so
                on a process that cannot be reached now.
        """
        call_id, sender_id = session.call_id, session.principal.user_id
        room = self._rooms.get(call_id)
        if room is None:
            return
        if target_id is not None and target_id != sender_id and (there := room.here.get(target_id)):
            there.reply(frame)
            return
        if target_id is not None and (target_id == sender_id or target_id not in room.elsewhere):
            raise ApiError(ErrorCode.NOT_FOUND, "That user takes no part in this call.")
        if room.elsewhere and not self._bus_works:
            raise ApiError(
                ErrorCode.SERVICE_UNAVAILABLE, "Others cannot be reached at the moment.", retry_after=1
            )
        if target_id is None:
            _spread(room, sender_id, frame)
        if room.elsewhere:
            self._publish(call_id, CallRelay(call_id, self.process_id, sender_id, target_id, frame))

    def spread(self, session: "SignalSession", frame: bytes) -> None:
        """Pass on to everybody else who takes part what was stored already, as far as they can be reached."""
        call_id, sender_id = session.call_id, session.principal.user_id
        room = self._rooms.get(call_id)
        if room is None:
            return
        _spread(room, sender_id, frame)
        if room.elsewhere:
            self._publish(call_id, CallRelay(call_id, self.process_id, sender_id, None, frame))

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
        """Send to every socket of a call, here and elsewhere, then close them with `close`; with `user_id`
        only to those of that user. `version` is that of the call that the frames show. `here_only`: the
        other processes know."""
        told = CallTold(
            call_id, self.process_id, tuple(frames), except_user, user_id, except_session, close, version
        )
        self._told(told)
        if not here_only:
            self._publish(call_id, told)

    def noted(self, call_id: str, version: int) -> None:
        """The sockets here were told how the call stands at this version."""
        room = self._rooms.get(call_id)
        if room is not None:
            room.version = max(room.version, version)

    async def refresh(self, call_id: str, version: int) -> None:
        """Read again who takes part elsewhere, after hints may have been lost."""
        room = self._rooms.get(call_id)
        if room is None:
            return
        if await self._read_places(call_id, room):
            self.noted(call_id, version)

    async def stale(self) -> Collection[str]:
        """Calls with a socket here that were changed, or are gone, without their sockets being told."""
        known = self.versions()
        stored = await self._roster.versions(list(known)) if known else {}
        return [call_id for call_id, version in known.items() if stored.get(call_id) != version]

    async def _read_places(self, call_id: str, room: _Room) -> bool:
        """Read who takes part elsewhere; False when it changed all the while. What a hint says during a read
        may be newer than what is read, and is not said twice."""
        for _ in range(_READS):
            moves = room.moves
            places = await self._roster.places(call_id)
            if room.moves == moves:
                room.elsewhere = {user: where for user, where in places.items() if where != self.process_id}
                return True
        return False

    # Hints

    def _doubted(self, works: bool) -> None:
        """What the others do may pass us by; what they did meanwhile is read by `stale` and `refresh`."""
        self._bus_works = works
        if works:
            for room in self._rooms.values():
                room.version = -1

    def _publish(self, call_id: str, hint: Hint) -> None:
        channel = call_channel(call_id)
        if self._bus.listened(channel):
            self._bus.publish(channel, hint)

    def _on_call(self, hint: Hint) -> None:
        match hint:
            case CallRelay(origin=origin) if origin != self.process_id:
                room = self._rooms.get(hint.call_id)
                if room is None:
                    return
                if hint.target_id is None:
                    _spread(room, hint.sender_id, hint.frame)
                elif there := room.here.get(hint.target_id):
                    there.reply(hint.frame)
            case CallTold(origin=origin) if origin != self.process_id:
                self._told(hint)
            case CallPlace(origin=origin) if origin != self.process_id:
                self._placed(hint)
            case _:
                pass

    def _placed(self, hint: CallPlace) -> None:
        room = self._rooms.get(hint.call_id)
        if room is None:
            return
        room.moves += 1
        if not hint.here:
            if room.elsewhere.get(hint.user_id) == hint.origin:
                del room.elsewhere[hint.user_id]
            return
        room.elsewhere[hint.user_id] = hint.origin
        before = room.here.pop(hint.user_id, None)
        if before is not None:
            before.joined = False
            before.close(CloseCode.REPLACED)

    def _told(self, told: CallTold) -> None:
        room = self._rooms.get(told.call_id)
        if room is None:
            return
        room.version = max(room.version, told.version)
        for session in list(room.sessions.values()):
            principal = session.principal
            if principal.user_id == told.except_user or session.leaving:
                continue
            if told.user_id is not None and principal.user_id != told.user_id:
                continue
            if told.except_session is not None and principal.session_id == told.except_session:
                continue
            for frame in told.frames:
                session.reply(frame)
            if told.close is not None:
                session.close(CloseCode(told.close))

    def _on_control(self, hint: Hint) -> None:
        if not isinstance(hint, SessionEnded):
            return
        code = CloseCode(hint.close)
        self._ended[hint.session_id] = code
        if len(self._ended) > _REMEMBERED:
            del self._ended[next(iter(self._ended))]
        for session in self.sessions():
            if session.principal.session_id == hint.session_id:
                session.close(code)


def _spread(room: _Room, sender_id: str, frame: bytes) -> None:
    for user_id, session in list(room.here.items()):
        if user_id != sender_id:
            session.reply(frame)
