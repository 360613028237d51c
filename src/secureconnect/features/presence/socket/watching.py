"""Sockets that watch users: each change is told, but not more often than others want to know.

One frame per user in `presence.min_interval` seconds, the latest wins. The first frame waits a moment as
well, so that changes which come together (a reconnect, a second device) make one frame.
"""

from collections.abc import Collection
from typing import Protocol

from msgspec import Struct

from secureconnect.edge.realtime.background import Background
from secureconnect.edge.realtime.frames import json_frame
from secureconnect.edge.realtime.session.chat import Session
from secureconnect.edge.realtime.timers import Timers
from secureconnect.features.presence.service import PresenceService, Relations, UserPresence
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.objects import Id

__all__ = ["MAX_WATCHED", "Sockets", "Subscribed", "Watches"]

#: Users that one socket may watch.
MAX_WATCHED = 500

_SETTLE = 0.5


class Sockets(Protocol):
    """The sockets of this process."""

    def sessions_of(self, user_id: str) -> tuple[Session, ...]:
        """The user's open sockets."""


class Subscribed(Struct, frozen=True):
    """The `ack` of a subscription: how those stand whom the caller may see, and whom it may not."""

    presence: list[UserPresence]
    denied: list[Id]


class _Frame(Struct, tag_field="type", tag="presence"):
    user_id: str
    status: str
    status_text: str | None
    last_seen_at: str | None


class _Watch:
    """One watched user and the sockets that watch."""

    __slots__ = ("_owner", "due_tick", "sessions", "told", "told_at", "told_to", "user_id", "waiting")

    def __init__(self, owner: "Watches", user_id: str) -> None:
        self._owner = owner
        self.user_id = user_id
        self.sessions: dict[str, Session] = {}
        self.told: UserPresence | None = None
        self.told_at: float | None = None
        self.told_to: set[str] = set()
        self.waiting = False
        self.due_tick = -1

    def due(self) -> None:
        self._owner.due(self)


class _Recheck:
    """What a process said before it ended has run out by then, and that one cannot tell."""

    __slots__ = ("_owner", "due_tick")

    def __init__(self, owner: "Watches") -> None:
        self._owner = owner
        self.due_tick = -1

    def due(self) -> None:
        self._owner.all_changed()


class Watches:
    """Who is watched by which socket of this process."""

    def __init__(
        self,
        presence: PresenceService,
        relations: Relations,
        sockets: Sockets,
        timers: Timers,
        background: Background,
        clock: Clock,
        *,
        min_interval: float,
    ) -> None:
        self._presence = presence
        self._relations = relations
        self._sockets = sockets
        self._timers = timers
        self._background = background
        self._clock = clock
        self._min_interval = min_interval
        self._watches: dict[str, _Watch] = {}
        self._watched_by: dict[str, set[str]] = {}

    async def subscribe(self, session: Session, user_ids: Collection[str]) -> Subscribed:
        """Watch those of `user_ids` whose presence the caller may see.

        Raises:
            ApiError: `LIMIT_REACHED` when the socket would watch more than 500 users; nothing changes then.
        """
        wanted = list(dict.fromkeys(user_ids))
        seen = await self._relations.seen_by(session.principal.user_id, wanted)
        allowed = [user_id for user_id in wanted if user_id in seen]
        self._watch(session, allowed)
        return Subscribed(
            await self._presence.presences(allowed), [user_id for user_id in wanted if user_id not in seen]
        )

    def unsubscribe(self, session: Session, user_ids: Collection[str]) -> None:
        """Watch them no more; those not watched are left out."""
        watched = self._watched_by.get(session.connection_id, set())
        for user_id in watched.intersection(user_ids):
            watched.discard(user_id)
            self._leave(session, user_id)

    def changed(self, user_id: str) -> None:
        """What others see of this user may have changed."""
        watch = self._watches.get(user_id)
        if watch is None or watch.waiting:
            return
        pause = min(_SETTLE, self._min_interval)
        if watch.told_at is not None:
            pause = max(pause, watch.told_at + self._min_interval - self._clock.monotonic())
        watch.waiting = True
        self._timers.wake(watch, pause)

    def all_changed(self) -> None:
        """What others see of anybody may have changed."""
        for user_id in self._watches:
            self.changed(user_id)

    def look_again(self, seconds: float) -> None:
        """In so many seconds, what others see of anybody may have changed."""
        self._timers.wake(_Recheck(self), seconds)

    def due(self, watch: _Watch) -> None:
        """Time to tell."""
        watch.waiting = False
        if watch.sessions:
            watch.told_at = self._clock.monotonic()
            self._background.start(self._tell(watch))

    async def _tell(self, watch: _Watch) -> None:
        viewers = {session.principal.user_id for session in watch.sessions.values()}
        allowed = await self._relations.viewers_of(watch.user_id, viewers)
        for presence in await self._presence.presences([watch.user_id]):
            # Who could not see it before does not know what the others were told.
            new_to = allowed - watch.told_to if presence == watch.told else allowed
            watch.told, watch.told_to = presence, allowed
            frame = json_frame(
                _Frame(presence.user_id, presence.status, presence.status_text, presence.last_seen_at)
            )
            for session in list(watch.sessions.values()):
                if session.principal.user_id in new_to:
                    session.push(frame)

    def _watch(self, session: Session, user_ids: Collection[str]) -> None:
        # A command may be carried out after its socket closed; then nobody would end what it began.
        if session not in self._sockets.sessions_of(session.principal.user_id):
            return
        watched = self._watched_by.get(session.connection_id, set())
        if len(watched.union(user_ids)) > MAX_WATCHED:
            raise ApiError(ErrorCode.LIMIT_REACHED, f"A socket watches at most {MAX_WATCHED} users.")
        if session.connection_id not in self._watched_by:
            self._watched_by[session.connection_id] = watched
            session.on_close(self._closed)
        for user_id in user_ids:
            watched.add(user_id)
            watch = self._watches.get(user_id)
            if watch is None:
                watch = self._watches[user_id] = _Watch(self, user_id)
            watch.sessions[session.connection_id] = session

    def _closed(self, session: Session, _code: int) -> None:
        for user_id in self._watched_by.pop(session.connection_id, set()):
            self._leave(session, user_id)

    def _leave(self, session: Session, user_id: str) -> None:
        watch = self._watches[user_id]
        del watch.sessions[session.connection_id]
        if not watch.sessions:
            del self._watches[user_id]
            self._timers.forget(watch)
