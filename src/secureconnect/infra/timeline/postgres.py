"""The Timeline on a PostgreSQL or CockroachDB server: appends are batched, everything else is the same."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import cast

from sqlalchemy.exc import IntegrityError

from secureconnect.infra.database.base import BatchDatabase, BatchTx, ServerTx, WriteTx
from secureconnect.infra.timeline import relational_changes
from secureconnect.infra.timeline.base import (
    Appended,
    CommitListener,
    NewEvent,
    Statement,
    StoredEvent,
    TimelineMetrics,
)
from secureconnect.infra.timeline.batches import Batches
from secureconnect.infra.timeline.postgres_append import Send, append_all, is_batchable, repeated
from secureconnect.infra.timeline.relational import RelationalTimeline

__all__ = ["PostgresTimeline"]

Outcome = Appended | BaseException

_LOCK = "SELECT last_seq FROM timeline_heads WHERE conversation_id = ? FOR UPDATE"


def _lock_when_repeated(tx: WriteTx, conversation_id: str) -> None:
    """The head of a busy conversation moves with every send of every process."""
    cast("ServerTx", tx).lock_when_repeated(_LOCK, (conversation_id,))


class PostgresTimeline(RelationalTimeline):
    """A `RelationalTimeline` on a server; see there."""

    def __init__(
        self,
        database: BatchDatabase,
        on_commit: CommitListener | None = None,
        metrics: TimelineMetrics | None = None,
    ) -> None:
        super().__init__(database, on_commit, metrics)
        self._server = database
        self._batches = Batches[Send, Appended](
            self._fly, lane=lambda send: send.event.conversation_id, once=repeated
        )

    def _append(self, event: NewEvent, guard: int, also: Sequence[Statement]) -> Awaitable[Appended]:
        if is_batchable(event):
            return self._batches.add(Send(event, guard, also))
        return super()._append(event, guard, also)

    def check_guard_in(self, tx: WriteTx, conversation_id: str, guard: int) -> None:
        # Here and not only when it appends: others may have changed what it touches before that. And the
        # first time as well: one that runs again has locked the head first of all, and would wait for a row
        # of one that does not, and that one for the head.
        _lock_when_repeated(tx, conversation_id)
        relational_changes.check_guard(tx, conversation_id, guard, locking=True)

    def append_in(self, tx: WriteTx, event: NewEvent, *, also: Sequence[Statement] = ()) -> int:
        _lock_when_repeated(tx, event.conversation_id)
        return super().append_in(tx, event, also=also)

    def raise_guard_in(self, tx: WriteTx, conversation_id: str) -> None:
        _lock_when_repeated(tx, conversation_id)
        super().raise_guard_in(tx, conversation_id)

    async def _fly(self, sends: Sequence[Send], _: Callable[[], None]) -> Sequence[Outcome]:
        return await self._run(sends)

    async def _run(self, sends: Sequence[Send]) -> Sequence[Outcome]:
        """Append a batch; when one of it is refused, halves of it, down to the one that is."""
        try:
            stored = await self._server.write_locked(partial(self._append_all, sends))
        except IntegrityError:
            if len(sends) == 1:
                return [await self._alone(sends[0])]
            half = len(sends) // 2
            return [*await self._run(sends[:half]), *await self._run(sends[half:])]
        outcomes: list[Outcome] = []
        for send, event in zip(sends, stored, strict=True):
            # What was left out is a repeat, or decided on stale facts: one by one that is told apart.
            outcomes.append(Appended(event) if event is not None else await self._alone(send))
        return outcomes

    def _append_all(self, sends: Sequence[Send], tx: BatchTx) -> list[StoredEvent | None]:
        stored = append_all(sends, tx)
        for event in stored:
            if event is not None:
                tx.deliver(self._sink, event)
        return stored

    async def _alone(self, send: Send) -> Outcome:
        try:
            return await super()._append(send.event, send.guard, send.also)
        except Exception as error:  # noqa: BLE001 - it is the outcome of this one alone
            return error
