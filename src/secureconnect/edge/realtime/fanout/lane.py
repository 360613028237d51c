"""The events of one conversation on their way to this process's sockets: in order, each once, none left out.

A hint that follows the last delivered event goes straight out. Anything else (a jump, somebody joining) is
done by one task per conversation, `catch_up`, and only this conversation waits for it.
"""

import asyncio
from collections.abc import Callable, Collection, Coroutine
from typing import Any, Protocol

import msgspec

from secureconnect.edge.realtime.base import EventSource, Memberships
from secureconnect.edge.realtime.close import CloseCode
from secureconnect.edge.realtime.fanout import catch_up
from secureconnect.edge.realtime.fanout.local_user import LocalUser
from secureconnect.edge.realtime.frames import EventHead, conversation_removed_frame
from secureconnect.infra.telemetry.log import get_logger
from secureconnect.kit.hints import EventHint

__all__ = ["Lane", "LaneHost", "Pace", "newcomers"]

log = get_logger()

_PENDING = 512  # hints kept while a lane is busy; what they say is in the store too


class Pace(msgspec.Struct, frozen=True):
    """Waits of a lane in seconds: for a late hint before the store is asked, and between failed reads."""

    reorder: float = 0.02
    retry_first: float = 0.05
    retry_most: float = 2.0


class LaneHost(Protocol):
    """What lanes need from the hub."""

    users: dict[str, LocalUser]
    memberships: Memberships
    source: EventSource
    pace: Pace

    def start(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Run a coroutine in the background."""

    def idle(self, lane: "Lane") -> None:
        """The lane has nothing to do; it may be dropped when nobody follows it."""

    def evict(self, user: LocalUser, code: CloseCode) -> None:
        """Close all sockets of a user whom this process cannot serve without a gap."""

    def caught_up(self, events: int) -> None:
        """Events were delivered that no hint brought."""

    def written(self, committed_at: float | None, sockets: int) -> None:
        """An event was handed to so many live sockets."""


class Lane:
    """Fan-out of one conversation.

    `position` is the seq of the last event delivered here; -1 until it is known. `wanted` is the highest seq
    known to exist. `holds` keeps an empty lane alive. `epoch` orders the subscription against reads of
    memberships (see `interest`).
    """

    __slots__ = (
        "_late",
        "_task",
        "arrival",
        "conversation_id",
        "epoch",
        "holds",
        "host",
        "members",
        "pending",
        "position",
        "unsubscribe",
        "wanted",
    )

    def __init__(self, host: LaneHost, conversation_id: str) -> None:
        self.host = host
        self.conversation_id = conversation_id
        self.members: dict[str, LocalUser] = {}
        self.position = -1
        self.wanted = 0
        self.pending: dict[int, EventHint] | None = None
        self.arrival: asyncio.Event | None = None
        self.unsubscribe: Callable[[], None] | None = None
        self.epoch = 0
        self.holds = 0
        self._task: asyncio.Task[None] | None = None
        self._late: list[Callable[[], None]] | None = None

    @property
    def busy(self) -> bool:
        """True while the task of this lane has something to do."""
        return self._task is not None

    # What comes in

    def hint(self, hint: EventHint) -> None:
        """An event exists."""
        seq = hint.seq
        if (
            seq == self.position + 1
            and self._task is None
            and not hint.personal
            and not newcomers(self.host.users, hint, self.members)
        ):
            self.deliver_hint(hint)
        elif seq > self.position:
            if self.pending is None:
                self.pending = {}
            if len(self.pending) < _PENDING:
                self.pending[seq] = hint
            self.want(seq)

    def want(self, seq: int) -> None:
        """Everything up to `seq` exists; deliver what has not been."""
        self.wanted = max(self.wanted, seq)
        if self.arrival is not None:
            self.arrival.set()
        if self._task is None and -1 < self.position < self.wanted:
            self._task = self.host.start(catch_up.work(self))

    def begin(self, position: int) -> None:
        """Deliver from `position` + 1 on; called once, when it is known."""
        self.position = position
        self.prune()
        self.want(max(self.pending) if self.pending else 0)

    def subscribed(self, unsubscribe: Callable[[], None], epoch: int) -> None:
        """Hints of this conversation come in now."""
        if self.unsubscribe is not None:
            unsubscribe()  # somebody was faster
            return
        self.unsubscribe = unsubscribe
        self.epoch = epoch

    def stop(self) -> None:
        """Deliver nothing more."""
        if self.unsubscribe is not None:
            self.unsubscribe()
            self.unsubscribe = None
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self.pending = None
        for user in list(self.members.values()):
            self.part(user)

    def once_idle(self, work: Callable[[], None]) -> None:
        """Do `work` behind everything that is on its way."""
        if self._task is None:
            work()
        elif self._late is None:
            self._late = [work]
        else:
            self._late.append(work)

    async def settled(self, seconds: float) -> None:
        """Wait until nothing is on its way, or for so long."""
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=seconds)

    def caught_up(self) -> None:
        """The task has nothing left to do."""
        self._task = None
        self.prune()
        late, self._late = self._late, None
        for work in late or ():
            work()
        self.host.idle(self)

    def prune(self) -> None:
        """Forget hints of what was delivered."""
        if self.pending is not None:
            for seq in [seq for seq in self.pending if seq <= self.position]:
                del self.pending[seq]
            if not self.pending:
                self.pending = None

    # Who is here

    def join(self, user: LocalUser) -> None:
        """Deliver to this user from now on."""
        self.members[user.user_id] = user
        user.lanes[self.conversation_id] = self

    def part(self, user: LocalUser) -> None:
        """Deliver nothing more to this user."""
        self.members.pop(user.user_id, None)
        user.lanes.pop(self.conversation_id, None)
        user.drop_floor(self.conversation_id)

    def dismiss(self, user: LocalUser, reason: str, seq: int | None = None) -> None:
        """Tell this user's sockets that the conversation is over for them, by the event `seq` if by one."""
        frame = conversation_removed_frame(self.conversation_id, reason)
        self.part(user)
        for session in user.sessions:
            session.ended(self.conversation_id, frame, seq)

    # What goes out

    def ephemeral(self, frame: bytes, except_user: str | None) -> None:
        """A frame that may be lost, for the members' sockets."""
        for user in list(self.members.values()):
            if user.user_id != except_user:
                for session in user.sessions:
                    session.ephemeral(frame, self.conversation_id)

    def deliver_hint(self, hint: EventHint) -> None:
        """The next event, with the frames that came on the bus."""
        frame, own, actor = hint.frame, hint.sender_frame, hint.actor_id
        conversation_id, seq = self.conversation_id, hint.seq
        sockets = 0
        self.position = seq
        for user in list(self.members.values()):
            if user.floors is not None and self._below_floor(user, seq):
                continue
            out = own if own is not None and user.user_id == actor else frame
            for session in user.sessions:
                try:
                    if session.direct:
                        session.socket.send(out)
                        sockets += 1
                    else:
                        session.event(conversation_id, seq, out)
                except Exception:
                    log.exception("delivery failed")
                    session.close(CloseCode.INTERNAL_ERROR)
        self.host.written(hint.committed_at, sockets)
        if hint.kind == "member_removed" and hint.subject_id is not None:
            self._removed(hint.subject_id, seq, hint.actor_id)

    def deliver_read(self, head: EventHead, frames: dict[str, bytes]) -> None:
        """The next event, rendered from the store for each user."""
        self.position = head.seq
        for user in list(self.members.values()):
            if user.floors is not None and self._below_floor(user, head.seq):
                continue
            for session in user.sessions:
                session.event(self.conversation_id, head.seq, frames[user.user_id])
        self.host.written(None, 0)
        if head.kind == "member_removed":
            for subject in head.subjects:
                self._removed(subject, head.seq, head.actor_id)

    def _below_floor(self, user: LocalUser, seq: int) -> bool:
        if seq <= user.floor(self.conversation_id):
            return True
        user.drop_floor(self.conversation_id)
        return False

    def _removed(self, user_id: str, seq: int, actor_id: str | None) -> None:
        user = self.host.users.get(user_id)
        if user is None:
            return
        user.changes += 1
        if user_id in self.members and seq > user.floor(self.conversation_id):
            self.dismiss(user, "left" if actor_id == user_id else "removed", seq)
            if not self.members and self._task is None:
                self.host.idle(self)


def newcomers(users: dict[str, LocalUser], hint: EventHint, members: Collection[str] = ()) -> list[LocalUser]:
    """The users of this process whom `hint` makes members and who are not yet."""
    if hint.kind not in catch_up.ADDING:
        return []
    return [
        users[user_id]
        for user_id in catch_up.subjects_of(hint)
        if user_id in users and user_id not in members
    ]
