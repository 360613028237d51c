"""The one way to change a call: what follows from a change is written in the transaction of the change."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from secureconnect.features.audit.api import Audit, AuditEntry
from secureconnect.features.calls import store
from secureconnect.features.calls.rules import CallRecord, Participant, Talk, no_call
from secureconnect.features.calls.service.announcing import Announcer, Cause
from secureconnect.features.calls.service.logbook import Logbook, ended
from secureconnect.features.calls.service.metrics import CallMetrics
from secureconnect.features.calls.service.summons import Summons
from secureconnect.features.calls.store import CallChanged
from secureconnect.features.users.api import Users
from secureconnect.infra.database.base import WriteTx
from secureconnect.infra.telemetry.log import get_logger
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.events import CallRecordingStarted, CallRecordingStopped

__all__ = ["Changed", "Decide", "Desk"]

T = TypeVar("T")

log = get_logger()

_ATTEMPTS = 5

#: From the call before to the call after; runs in the transaction, perhaps again.
Decide = Callable[[WriteTx, Talk], Talk]
Listener = Callable[[Talk, Talk], None]


class Changed(Struct, frozen=True):
    """A call before and after; equal when nothing changed."""

    before: Talk
    after: Talk


class Desk:
    """Changes calls."""

    def __init__(
        self,
        logbook: Logbook,
        users: Users,
        audit: Audit,
        summons: Summons,
        announcer: Announcer,
        metrics: CallMetrics,
    ) -> None:
        self._logbook = logbook
        self._users = users
        self._audit = audit
        self._summons = summons
        self._announcer = announcer
        self._metrics = metrics
        self._listeners: list[Listener] = []

    def on_change(self, listener: Listener) -> None:
        """Call `listener(before, after)` after each commit."""
        self._listeners.append(listener)

    async def change(self, call_id: str, decide: Decide, cause: Cause) -> Changed:
        """Change a call in a transaction of its own.

        Raises:
            ApiError: `NOT_FOUND`; what `decide` raises.
        """

        def work(tx: WriteTx, later: bool) -> Changed:
            return self.change_in(tx, call_id, decide, replace(cause, later=later))

        return await self.settled(lambda: self._logbook.write(work))

    async def settled(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do `work` until nobody else changes the call in between."""
        for _ in range(_ATTEMPTS):
            try:
                return await work()
            except CallChanged:
                continue
        raise ApiError(ErrorCode.SERVICE_UNAVAILABLE, "The call keeps changing.", retry_after=1)

    def change_in(self, tx: WriteTx, call_id: str, decide: Decide, cause: Cause) -> Changed:
        """Change a call in this transaction.

        Raises:
            ApiError: `NOT_FOUND`; what `decide` raises.
            CallChanged: the caller has to begin again.
        """
        before = store.find(tx.conn, call_id)
        if before is None:
            raise no_call()
        after = decide(tx, before)
        if after == before:
            return Changed(before, before)
        after = store.save(tx, before, after)
        self.follow_in(tx, before, after, cause)
        return Changed(before, after)

    def follow_in(self, tx: WriteTx, before: Talk, after: Talk, cause: Cause) -> None:
        """Write what follows from a change that was stored, and tell of it after the commit."""
        users = self._users.many_in(tx.conn, list(after.people))
        for person in after.people.values():
            known = before.people.get(person.user_id)
            if known is not None:
                self._person_in(tx, after.call, known, person, cause)
        seq = self._end_in(tx, after, cause) if after.call.over and not before.call.over else None
        self._summons.follow_in(tx, before, after, users, seq)
        tx.after_commit(lambda: self._committed(before, after))
        tx.after_commit(lambda: self._announcer.tell(before, after, users, cause))

    def _person_in(
        self,
        tx: WriteTx,
        call: CallRecord,
        known: Participant,
        person: Participant,
        cause: Cause,
    ) -> None:
        if person.recording != known.recording:
            kind = CallRecordingStarted if person.recording else CallRecordingStopped
            data = kind(call_id=call.call_id, user_id=person.user_id)
            if not cause.later:
                self._logbook.append_in(tx, call, data, person.user_id)
            elif person.recording:  # who leaves or ends a call stops recording anyway
                raise ApiError(
                    ErrorCode.TIMELINE_UNAVAILABLE, "Nobody can be told of a recording now.", retry_after=2
                )
            self._record_in(tx, call, kind.kind, person.user_id, cause)
        moved = person.session_id != known.session_id
        if person.taking_part and (moved or not known.taking_part):
            self._record_in(tx, call, "call_joined", person.user_id, cause, takeover=known.taking_part)
        elif known.taking_part and not person.taking_part:
            self._record_in(tx, call, "call_left", person.user_id, cause, reason=cause.why)
        elif person.state == "declined" != known.state:
            self._record_in(tx, call, "call_declined", person.user_id, cause)
        elif known.state == "reconnecting" and person.state == "joined":
            self._record_in(tx, call, "call_recovered", person.user_id, cause)

    def _end_in(self, tx: WriteTx, after: Talk, cause: Cause) -> int | None:
        call = after.call
        self._audit.record_in(
            tx,
            AuditEntry(
                event="call_missed" if call.status == "missed" else "call_ended",
                actor_id=cause.actor_id,
                actor_type="user" if cause.actor_id is not None else "system",
                session_id=cause.session_id,
                target_type="call",
                target_id=call.call_id,
                context=cause.context,
                details={
                    "status": call.status,
                    "reason": str(call.end_reason),
                    "duration": str(call.duration),
                },
            ),
        )
        if cause.later:
            self._logbook.owe_in(tx, call)
            return None
        return self._logbook.append_in(tx, call, ended(after), None)

    def _record_in(
        self, tx: WriteTx, call: CallRecord, event: str, user_id: str, cause: Cause, **details: object
    ) -> None:
        own = cause.actor_id == user_id
        said = {name: str(value).lower() for name, value in details.items() if value}
        self._audit.record_in(
            tx,
            AuditEntry(
                event=event,
                actor_id=user_id,
                actor_type="user",
                session_id=cause.session_id if own else None,
                target_type="call",
                target_id=call.call_id,
                context=cause.context if own else None,
                details={**said, **(cause.details if own else {})},
            ),
        )

    def _committed(self, before: Talk, after: Talk) -> None:
        call = after.call
        if call.over and not before.call.over:
            self._metrics.call_over(
                call.call_type, call.status, call.duration if call.started_at is not None else None
            )
        for listener in self._listeners:
            try:
                listener(before, after)
            except Exception:
                log.exception("call listener failed")
