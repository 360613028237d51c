"""Claims on logs: taken, given back, carried out, and what becomes of those whose owner is gone (ADR
0021)."""

import asyncio
import random
import time
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from secureconnect.infra.database.base import BatchDatabase
from secureconnect.infra.telemetry.log import get_logger
from secureconnect.infra.timeline import cassandra_intents as intents
from secureconnect.infra.timeline.base import StoredEvent
from secureconnect.infra.timeline.cassandra_head import HeadRow, Held, acquire, head_now, release, resolve
from secureconnect.infra.timeline.cassandra_intents import Plan
from secureconnect.infra.timeline.cassandra_lanes import Lanes
from secureconnect.infra.timeline.cassandra_link import Link, unavailable
from secureconnect.infra.timeline.cassandra_read import Reader
from secureconnect.infra.timeline.cassandra_redo import Projector, encode
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ApiError
from secureconnect.kit.ids import new_id

__all__ = ["Claims"]

log = get_logger()

#: How long somebody else's claim is left alone, in seconds. Recovering is safe at any time; this only spares
#: transactions that are still at work.
_PATIENCE: Final = 1.0
_DEADLINE: Final = 8.0
_PAUSE: Final = (0.001, 0.01)
_KNOWN: Final = 50_000
_BATCH: Final = 100
_KEPT: Final = 86_400_000  # ms

Tell = Callable[[Sequence[StoredEvent]], None]


class Claims:
    """The claims of one process. `tell` hears events that were committed for somebody that is gone."""

    def __init__(self, database: BatchDatabase, clock: Clock, tell: Tell) -> None:
        self.lanes = Lanes()
        self.projector = Projector()
        self.reader = Reader(self.projector)
        self._database = database
        self._clock = clock
        self._tell = tell
        self._heads: dict[str, HeadRow] = {}
        self._done: list[tuple[str, str]] = []

    async def try_claim(self, link: Link, conversation_id: str) -> HeadRow | None:
        """Claim a log whose lane is taken; None when there is none.

        Raises:
            Held: another process has it.
        """
        head = await acquire(link, conversation_id, new_id(), self._heads.pop(conversation_id, None))
        if head is not None:
            await self.projector.settle(link, conversation_id, head.revision)
        return head

    async def claim(self, link: Link, conversation_id: str) -> HeadRow | None:
        """The same, after waiting for whoever has it; if that one is gone, its work is finished first.

        Raises:
            ApiError: `TIMELINE_UNAVAILABLE` when it does not come free.
        """
        started = seen = time.monotonic()
        holder = ""
        while True:
            try:
                return await self.try_claim(link, conversation_id)
            except Held as held:
                now = time.monotonic()
                if held.claim != holder:
                    holder, seen = held.claim, now
            if now - started > _DEADLINE:
                raise unavailable("The conversation is being changed; nothing was stored.")
            if now - seen > _PATIENCE:
                await self.recover(link, conversation_id, holder)
            await asyncio.sleep(random.uniform(*_PAUSE))  # noqa: S311 - no secret

    async def give_back(self, link: Link, conversation_id: str, base: HeadRow) -> None:
        """Give up a claim under which nothing was committed."""
        await release(link, conversation_id, base.claim, unborn=base.revision == 0)
        if base.revision:
            self._heads[conversation_id] = msgspec.structs.replace(base, claim="")

    async def carry_out(self, link: Link, plan: Plan) -> bool:
        """Commit a plan; when this returns, everybody sees it. False when somebody else has committed it, or
        when the claim was lost before anything was decided.
        """
        key, to = plan.conversation_id, plan.to
        if not await resolve(link, key, plan.base, to, encode(plan.mutations)):
            head = await head_now(link, key)
            if head is not None:
                await self.projector.settle(link, key, head.revision)
            return False
        await self.projector.project(link, key, to.revision, plan.mutations)
        if len(self._heads) >= _KNOWN:
            self._heads.clear()
        if not to.claim:
            self._heads[key] = to
        return True

    async def recover(self, link: Link, conversation_id: str, claim: str) -> None:
        """Finish what the owner of a claim decided, or see to it that it will not decide any more.

        Raises:
            ApiError: one of the stores does not answer.
        """
        now = self._clock.now()
        plan = await self._database.write(lambda tx: intents.decide(tx, claim, conversation_id, now))
        if plan is not None:
            await self.finish(link, plan)
            return
        head = await head_now(link, conversation_id)
        if head is not None and head.claim == claim:
            log.info("released the claim of a transaction that is gone", conversation_id=conversation_id)
            await self.give_back(link, conversation_id, head)

    async def finish(self, link: Link, plan: Plan) -> None:
        """Carry out a plan of somebody that is gone, and tell of its events."""
        plan = msgspec.structs.replace(plan, to=msgspec.structs.replace(plan.to, claim=""))
        if await self.carry_out(link, plan):
            log.info("finished the intent of a transaction that is gone", kind=plan.kind)
            if plan.event_ids:
                key, base, to = plan.conversation_id, plan.base, plan.to
                self._tell(await self.reader.events(link, key, base.last_seq, to.last_seq + 1, _KEPT))
        self.done(plan)

    def done(self, plan: Plan) -> None:
        """Have it noted, some time soon, that a plan with an intent was carried out."""
        self._done.append((plan.base.claim, plan.kind))

    async def note_done(self) -> None:
        """Note it."""
        plans, self._done = self._done, []
        now = self._clock.now()
        if plans:
            try:
                await self._database.write_locked(lambda tx: intents.settle(tx, plans, now))
            except ApiError:
                self._done += plans
                raise

    async def repair(self, link: Link, older_than: int) -> int:
        """Finish what was decided and not done, by anybody; returns how many intents are open after that."""
        await self.note_done()
        before = self._clock.now() - older_than + 1
        for plan in await self._database.read(lambda conn: intents.open_plans(conn, before, _BATCH)):
            if self.lanes.try_take(plan.conversation_id):
                try:
                    await self.finish(link, plan)
                finally:
                    self.lanes.give(plan.conversation_id)
        await self.note_done()
        await self._database.write(lambda tx: intents.forget(tx, before - _KEPT))
        return await self._database.read(lambda conn: intents.pending(conn, before))
