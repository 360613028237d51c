"""What calls say into their conversations: in the transaction of its cause, or once the timeline is back.

Only a timeline that lies in another store can be away while calls go on. Then a call begins and ends without
its events, and owes them: a job writes them, in their order and once (docs/reference/operations.md §9).
"""

from collections.abc import Callable
from typing import Protocol, TypeVar

from msgspec import Struct

from secureconnect.features.calls import store
from secureconnect.features.calls.rules import OWED, CallRecord, Talk
from secureconnect.features.conversations.api import Conversations, Facts
from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.infra.outbox.base import Handler, Job, Kind, Work
from secureconnect.infra.timeline.base import GuardChanged, NewEvent, Timeline
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.events import CallEnded, CallStarted, EventData, encode_data
from secureconnect.kit.ids import new_time_id

__all__ = ["Logbook", "Owing", "ended"]

T = TypeVar("T")

_PATIENCE = 30 * 86_400  # seconds; longer than a cluster may be away


class Owing(Protocol):
    """The part of the outbox that is needed."""

    def handle(self, kind: Kind, handler: Handler, *, at_once: int = 4) -> None:
        """See `Outbox`."""

    def enqueue_in(self, tx: WriteTx, job: Job) -> str:
        """See `Outbox`."""

    def finish_in(self, tx: WriteTx, work: Work) -> None:
        """See `Outbox`."""


class _Debt(Struct, frozen=True):
    """A call that owes its `call_started`, or, when it is `over`, its `call_ended` too."""

    call_id: str
    over: bool


class Logbook:
    """Writes the events of calls."""

    def __init__(
        self,
        database: Database,
        timeline: Timeline,
        conversations: Conversations,
        outbox: Owing,
        clock: Clock,
    ) -> None:
        self._database = database
        self._timeline = timeline
        self._conversations = conversations
        self._outbox = outbox
        self._clock = clock
        outbox.handle("call_events", self._pay, at_once=1)

    async def write(self, work: Callable[[WriteTx, bool], T]) -> T:
        """Run `work` in a transaction; when the timeline is away once more, told that events come `later`.

        The first transaction may have been committed all the same: `work` has to bear that.
        """
        try:
            return await self._database.write(lambda tx: work(tx, False))
        except ApiError as error:
            _check_away(error)
        return await self._database.write(lambda tx: work(tx, True))

    async def act(self, conversation_id: str, user_id: str, work: Callable[[WriteTx, Facts, bool], T]) -> T:
        """The same for a member, with facts that hold in the transaction; see `Conversations.act`."""
        act, act_unlogged = self._conversations.act, self._conversations.act_unlogged
        try:
            return await act(conversation_id, user_id, lambda tx, facts: work(tx, facts, False))
        except ApiError as error:
            _check_away(error)
        return await act_unlogged(conversation_id, user_id, lambda tx, facts: work(tx, facts, True))

    def append_in(self, tx: WriteTx, call: CallRecord, data: EventData, actor_id: str | None) -> int | None:
        """Write an event of a call, and before it that the call began, if that is owed.

        Returns its seq; None when the conversation is gone, and nobody is left to tell.
        """
        try:
            if call.seq == OWED:
                self._begin_in(tx, call.call_id)
            return self._append_in(tx, call.conversation_id, data, actor_id)
        except GuardChanged:
            return None

    def start_in(self, tx: WriteTx, talk: Talk) -> int:
        """Write that a call begins, which is not stored yet; returns the seq."""
        return self._append_in(tx, talk.call.conversation_id, started(talk), talk.call.caller_id)

    def owe_in(self, tx: WriteTx, call: CallRecord) -> None:
        """Let the events that are missing follow: that the call began, and that it is over if it is."""
        debt = _Debt(call.call_id, call.over)
        key = f"call_events:{call.call_id}"
        self._outbox.enqueue_in(tx, Job("call_events", debt, dedup_key=key, max_age=_PATIENCE))
        self._conversations.touch_in(tx, call.conversation_id, self._clock.now())

    async def _pay(self, work: Work) -> None:
        debt = work.decode(_Debt)

        def pay(tx: WriteTx) -> None:
            talk = store.find(tx.conn, debt.call_id)
            if talk is not None:
                try:
                    self._begin_in(tx, debt.call_id)
                    if debt.over:
                        self._append_in(tx, talk.call.conversation_id, ended(talk), None)
                except GuardChanged:
                    pass  # the conversation is gone
            self._outbox.finish_in(tx, work)

        await self._database.write(pay)

    def _begin_in(self, tx: WriteTx, call_id: str) -> None:
        talk = store.find(tx.conn, call_id)
        if talk is not None and talk.call.seq == OWED:
            store.set_seq(tx, call_id, self.start_in(tx, talk))

    def _append_in(self, tx: WriteTx, conversation_id: str, data: EventData, actor_id: str | None) -> int:
        now = self._clock.now()
        event = NewEvent(conversation_id, new_time_id(), data.kind, actor_id, now, encode_data(data))
        seq = self._timeline.append_in(tx, event)
        self._conversations.touch_in(tx, conversation_id, now)
        return seq


def started(talk: Talk) -> CallStarted:
    """What the event says of the beginning of a call."""
    call = talk.call
    return CallStarted(
        call_id=call.call_id,
        call_type=call.call_type,
        topology=call.topology,
        caller_id=call.caller_id,
        invited=[user_id for user_id in talk.people if user_id != call.caller_id],
    )


def ended(talk: Talk) -> CallEnded:
    """What the event says of a call that is over."""
    call = talk.call
    assert call.end_reason is not None
    assert call.status not in {"ringing", "active"}
    return CallEnded(
        call_id=call.call_id,
        status=call.status,  # type: ignore[arg-type]  # final, as asserted
        end_reason=call.end_reason,
        duration=call.duration,
        participants=[person.user_id for person in talk.people.values() if person.joined_at is not None],
    )


def _check_away(error: ApiError) -> None:
    if error.code is not ErrorCode.TIMELINE_UNAVAILABLE:
        raise error
