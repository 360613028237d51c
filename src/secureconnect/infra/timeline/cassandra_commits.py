"""Commits that were decided are written to Cassandra: by whoever decided them, or when that one is gone, by
whoever comes next (ADR 0031).
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from secureconnect.infra.database.base import BatchDatabase, BatchTx
from secureconnect.infra.telemetry.log import get_logger
from secureconnect.infra.timeline import decided_heads, intents
from secureconnect.infra.timeline.base import StoredEvent
from secureconnect.infra.timeline.cassandra_head import head_row
from secureconnect.infra.timeline.cassandra_link import Link, unavailable
from secureconnect.infra.timeline.cassandra_order import Order, Turn
from secureconnect.infra.timeline.cassandra_projection import Projector
from secureconnect.infra.timeline.cassandra_read import Reader
from secureconnect.infra.timeline.intents import Plan
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ApiError

__all__ = ["Commits"]

log = get_logger()

_BATCH: Final = 100
_LOOKS: Final = 20
_KEPT: Final = 86_400_000  # ms

Tell = Callable[[Sequence[StoredEvent]], None]
#: The plans for a log that are not known to be done, in their order.
Open = Callable[[], Awaitable[list[Plan]]]


class Commits:
    """The commits of one process. `tell` hears events that were committed for somebody that is gone."""

    def __init__(self, database: BatchDatabase, clock: Clock, tell: Tell) -> None:
        #: Ids of plans in transactions that are not known to be committed.
        self.proposed: set[str] = set()
        self.projector = Projector()
        self.reader = Reader()
        self._database = database
        self._clock = clock
        self._tell = tell
        self._order = Order()
        #: Plans of this process that are on their way, or not noted as done yet.
        self._ours: set[str] = set()
        self._done: list[tuple[str, str]] = []

    async def reach(self, link: Link, conversation_id: str) -> None:
        """Before anything is decided about a log: while the cluster does not answer, nothing is. Under load
        its last answer is enough.

        Raises:
            ApiError: `TIMELINE_UNAVAILABLE`.
        """
        if link.in_doubt:
            await head_row(link, conversation_id)

    def decided(self, plans: Sequence[Plan]) -> Turn:
        """These were committed right now; their events are told when their turn has come. Whoever gets it
        ends it."""
        keys = [plan.plan_id for plan in plans]
        self._ours.update(keys)
        self.proposed.difference_update(keys)
        return self._order.turn({plan.conversation_id for plan in plans})

    async def idle(self, conversation_id: str) -> None:
        """Wait for what was decided last about a log in this process."""
        await self._order.idle(conversation_id)

    async def carry_out(self, link: Link, plans: Sequence[Plan]) -> dict[str, Exception]:
        """Write commits, those of one log in their order; when this returns, everybody sees them, but for the
        logs for which it returns an error.
        """
        logs = _by_log(plans)
        try:
            await asyncio.gather(*(self._before(link, some[0]) for some in logs))
            await self.projector.project(link, plans)
        except ApiError as error:
            if len(logs) == 1:
                self._let_go(plans)
                return {plans[0].conversation_id: error}
            # Only a part of the cluster may be away: not everybody has to bear that.
            failed: dict[str, Exception] = {}
            for some in await asyncio.gather(*(self.carry_out(link, some) for some in logs)):
                failed |= some
            return failed
        except BaseException:
            self._let_go(plans)
            raise
        self._done += ((plan.plan_id, plan.kind) for plan in plans)
        return {}

    def _let_go(self, plans: Sequence[Plan]) -> None:
        """They are anybody's now."""
        self._ours.difference_update(plan.plan_id for plan in plans)

    async def settle(self, link: Link, conversation_id: str, revision: int, find_open: Open) -> None:
        """Make sure that everything up to a commit is written and shown. Plans that are written here stay
        open: whoever decided them tells of them, or the repair does.

        Raises:
            ApiError: `TIMELINE_UNAVAILABLE`.
        """
        for _ in range(_LOOKS):
            if self.projector.known(conversation_id, revision):
                return
            head = await head_row(link, conversation_id)
            seen = 0 if head is None else head.revision
            if seen < revision:
                plans = [plan for plan in await find_open() if seen < plan.revision <= revision]
                if [plan.revision for plan in plans] != list(range(seen + 1, revision + 1)):
                    continue  # somebody was done with some of them after we looked at the head
                await self.projector.project(link, plans)
            self.projector.remember(conversation_id, revision)
            return
        log.error("a log in Cassandra ends before it should", conversation_id=conversation_id)
        raise unavailable("The log of the conversation is incomplete; nothing was stored.")

    async def settled(self, link: Link, conversation_id: str, revision: int) -> None:
        """The same outside of a transaction."""
        await self.settle(link, conversation_id, revision, lambda: self._open(conversation_id))

    async def _open(self, conversation_id: str) -> list[Plan]:
        return await self._database.read(lambda conn: intents.of_log(conn, conversation_id))

    async def _before(self, link: Link, plan: Plan) -> None:
        await self.settled(link, plan.conversation_id, plan.base.revision)

    def take_done(self) -> list[tuple[str, str]]:
        """What is done and not noted yet, for a transaction that notes it on its way."""
        done, self._done = self._done, []
        return done

    def noted(self, done: Sequence[tuple[str, str]]) -> None:
        """It was noted."""
        self._ours.difference_update(key for key, _ in done)

    def put_back(self, done: Sequence[tuple[str, str]]) -> None:
        """It was not noted."""
        self._done += done

    async def note_done(self) -> None:
        """Note it now."""
        done = self.take_done()
        now = self._clock.now()

        def note(tx: BatchTx) -> None:
            intents.settle(tx, done, now)

        if done:
            try:
                await self._database.write_locked(note)
            except ApiError:
                self.put_back(done)
                raise
            self.noted(done)

    async def repair(self, link: Link, older_than: int) -> int:
        """Finish what was decided and not done, by anybody; returns how many intents are open after that."""
        await self.note_done()
        before = self._clock.now() - older_than + 1
        for plan in await self._database.read(lambda conn: intents.open_plans(conn, before, _BATCH)):
            if plan.plan_id not in self._ours:
                await self._finish(link, plan)
        await self.note_done()
        await self._database.write(lambda tx: intents.forget(tx, before - _KEPT))
        return await self._database.read(lambda conn: intents.pending(conn, before))

    async def _finish(self, link: Link, plan: Plan) -> None:
        """Carry out a plan of somebody that is gone, and tell of its events."""
        key = plan.conversation_id
        if await self._database.read(lambda conn: decided_heads.exists(conn, key)):
            await self.settled(link, key, plan.revision)
        else:  # the log was ended, in this commit or in one after it
            await self.projector.project(link, [plan])
        log.info("finished the intent of a transaction that is gone", kind=plan.kind)
        if plan.event_ids:
            start, count = plan.base.last_seq, len(plan.event_ids)
            self._tell(await self.reader.events(link, key, start, start + count + 1, count))
        self._done.append((plan.plan_id, plan.kind))


def _by_log(plans: Sequence[Plan]) -> list[list[Plan]]:
    logs: dict[str, list[Plan]] = {}
    for plan in plans:
        logs.setdefault(plan.conversation_id, []).append(plan)
    return list(logs.values())
