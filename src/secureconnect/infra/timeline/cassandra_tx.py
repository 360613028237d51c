"""One relational transaction and the logs in Cassandra that it changes."""

from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from typing import Any, TypeVar

from sqlalchemy import Connection

from secureconnect.infra.database.base import WriteTx
from secureconnect.infra.telemetry.log import get_logger
from secureconnect.infra.timeline import decided_heads, intents
from secureconnect.infra.timeline.base import NewEvent, StoredEvent, StoredMessage
from secureconnect.infra.timeline.cassandra_bridge import Bridge
from secureconnect.infra.timeline.cassandra_commits import Commits
from secureconnect.infra.timeline.cassandra_draft import Draft
from secureconnect.infra.timeline.cassandra_link import Link
from secureconnect.infra.timeline.cassandra_order import Turn
from secureconnect.infra.timeline.cassandra_rows import Bare, complete, place_of
from secureconnect.infra.timeline.intents import Plan

__all__ = ["LogTx", "Unsettled"]

log = get_logger()
T = TypeVar("T")

#: A sink and its item, or None and a callback.
Call = tuple[Callable[[Sequence[Any]], None] | None, Any]


class Unsettled(Exception):
    """The transaction wants to read what another one of the same group changed: after that is committed."""

    def __init__(self, conversation_id: str) -> None:
        self.conversation_id = conversation_id
        super().__init__(conversation_id)


class LogTx:
    """The `WriteTx` of a transaction that may change logs.

    The first thing that it does to a log is to lock its head. From then on nobody else commits there, so the
    seqs of the events to come are known; before it reads there, everything up to that head is brought to
    Cassandra. What it does is collected in drafts, which its own reads see, and becomes a plan with its last
    statement.
    """

    def __init__(self, tx: WriteTx, commits: Commits, bridge: Bridge, now: int) -> None:
        self._tx = tx
        self._commits = commits
        self._bridge = bridge
        self._now = now
        self._drafts: dict[str, Draft] = {}
        self._calls: list[Call] = []
        self._plans: list[Plan] = []
        self._proposed = commits.proposed
        self._turn: Turn | None = None

    @property
    def conn(self) -> Connection:
        return self._tx.conn

    def run(self, sql: str, params: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        return self._tx.run(sql, params)

    def after_commit(self, callback: Callable[[], None]) -> None:
        self._calls.append((None, callback))

    def deliver(self, sink: Callable[[Sequence[Any]], None], item: object) -> None:
        self._calls.append((sink, item))

    def ask(self, work: Callable[[Link], Coroutine[Any, Any, T]]) -> T:
        """What Cassandra says, waited for here."""
        return self._bridge.call(work)

    def draft(self, conversation_id: str) -> Draft | None:
        """The changes of a log, whose head is locked; None without a log.

        Raises:
            ApiError: `TIMELINE_UNAVAILABLE`.
        """
        known = self._drafts.get(conversation_id)
        if known is None:
            self._reach(conversation_id)
            base = decided_heads.lock(self._tx, conversation_id)
            if base is None:
                return None
            known = self._drafts[conversation_id] = Draft(conversation_id, base)
        return None if known.ended else known

    def read(self, draft: Draft, work: Callable[[Link], Coroutine[Any, Any, T]]) -> T:
        """What Cassandra says of a log whose head is locked, when everything up to that is there.

        Raises:
            Unsettled: a part of it is not committed yet.
            ApiError: `TIMELINE_UNAVAILABLE`.
        """
        key, revision = draft.conversation_id, draft.base.revision
        if self._commits.projector.known(key, revision):
            return self.ask(work)
        plans = intents.of_log_in(self._tx, key)
        if not self._proposed.isdisjoint(plan.plan_id for plan in plans):
            raise Unsettled(key)

        async def there() -> list[Plan]:
            return plans

        async def settled(link: Link) -> T:
            await self._commits.settle(link, key, revision, there)
            return await work(link)

        return self.ask(settled)

    def settle(self, draft: Draft) -> None:
        """Whoever reads the head again sees what this transaction found."""
        self.read(draft, _nothing_there)

    def append(self, draft: Draft, event: NewEvent) -> StoredEvent:
        """Put an event at the next place of a log.

        Raises:
            Unsettled, ApiError: it looks at other messages, and see `read`.
        """
        message = event.message
        if message is None:
            alone = event.target_id is None
        else:
            alone = message.quote is None and message.thread_root_id is None
        if alone:
            return draft.bring(event)
        return self.read(draft, lambda link: draft.append(link, event))

    def _reach(self, conversation_id: str) -> None:
        if self._bridge.in_doubt:
            self.ask(partial(self._commits.reach, conversation_id=conversation_id))

    def open(self, conversation_id: str) -> None:
        """Begin a log.

        Raises:
            IntegrityError: there is one.
            ApiError: `TIMELINE_UNAVAILABLE`.
        """
        self._reach(conversation_id)
        base = decided_heads.begin(self._tx, conversation_id)
        self._drafts[conversation_id] = Draft(conversation_id, base)

    def locked(self, message_id: str) -> tuple[Draft, Bare] | None:
        """A message as this transaction sees it, and the changes of its log."""
        for draft in self._drafts.values():
            if message_id in draft.overlay.messages:
                return draft, draft.overlay.messages[message_id]
        place = self.ask(lambda link: place_of(link, message_id))
        found = None if place is None else self.draft(place[0])
        if found is None:
            return None
        message = self.read(found, partial(found.find, message_id=message_id))
        return None if message is None else (found, message)

    def message(self, message_id: str, viewer_id: str | None) -> StoredMessage | None:
        """See `Timeline.message_in`."""
        locked = self.locked(message_id)
        if locked is None:
            return None
        draft, found = locked
        return self.read(draft, lambda link: complete(link, [found], viewer_id, draft.overlay))[0]

    def seal(self) -> None:
        """Decide the changes together with the transaction; its last act."""
        for key, draft in self._drafts.items():
            if not draft.changed:
                continue
            plan = draft.plan()
            self._proposed.add(plan.plan_id)
            intents.propose(self._tx, plan, self._now)
            if plan.to is None:
                decided_heads.end(self._tx, key)
            else:
                decided_heads.move(self._tx, key, plan.to)
            self._plans.append(plan)
        if self._plans:
            self._tx.after_commit(self._take_turn)
            return
        for sink, item in self._calls:
            if sink is None:
                self._tx.after_commit(item)
            else:
                self._tx.deliver(sink, item)

    def withdraw(self) -> None:
        """The transaction was not committed, as far as anybody knows."""
        self._proposed.difference_update(plan.plan_id for plan in self._plans)

    def _take_turn(self) -> None:
        self._turn = self._commits.decided(self._plans)

    async def finish(self, link: Link) -> None:
        """The transaction was committed: carry its plans out, then tell.

        Raises:
            ApiError: `TIMELINE_UNAVAILABLE`; the rest is done by whoever finds it undone.
        """
        if self._turn is None:
            return
        try:
            failed = await self._commits.carry_out(link, self._plans)
            await self._turn.come()
            self._tell(failed)
        finally:
            self._turn.end()
        for error in failed.values():
            raise error

    def _tell(self, failed: dict[str, Exception]) -> None:
        """Neighbours with the same sink share one call. Nothing is heard of events that are not there yet."""
        waiting: list[Any] = []
        last: Callable[[Sequence[Any]], None] | None = None
        for sink, item in [*self._calls, (None, _nothing)]:
            if waiting and sink is not last and last is not None:
                _guarded(last, waiting)
                waiting = []
            if sink is None:
                _guarded(item)
            elif getattr(item, "conversation_id", None) not in failed:
                waiting.append(item)
            last = sink


def _nothing() -> None:
    pass


async def _nothing_there(_: Link) -> None:
    pass


def _guarded(call: Callable[..., None], *args: Any) -> None:
    try:
        call(*args)
    except Exception:
        log.exception("a listener failed after a commit")
