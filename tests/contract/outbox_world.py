"""An outbox over a store, and the handlers of its jobs."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.infra.outbox.base import Ending, Job, Queue, Work
from secureconnect.infra.outbox.relational import RelationalOutbox

from .manual_clock import ManualClock


async def until(condition: Callable[[], Awaitable[object]]) -> None:
    """Return once it holds."""
    async with asyncio.timeout(10):
        while not await condition():  # noqa: ASYNC110 - the condition lives in the store
            await asyncio.sleep(0.005)


class Gauges:
    """The last figures of each kind."""

    def __init__(self) -> None:
        self.shown: dict[str, tuple[int, float]] = {}

    def outbox(self, kind: str, pending: int, oldest_age: float) -> None:
        self.shown[kind] = pending, oldest_age


class Desk:
    """An outbox whose `mail` is done by what a test says; it hears of every attempt."""

    def __init__(self, database: Database, clock: ManualClock) -> None:
        self.database = database
        self.clock = clock
        self.gauges = Gauges()
        self.seen: list[Work] = []
        self.given_up: list[tuple[str, str, str]] = []
        self.answer: Callable[[Work], Awaitable[None]] = self.fine
        self._heard = asyncio.Condition()
        self.outbox = self.open()

    def open(self) -> RelationalOutbox:
        """As another process on the same store would."""
        outbox = RelationalOutbox(
            self.database, self.clock, self.gauges, alone=True, poll=3600, grace=0.2, chance=lambda: 0.5
        )
        outbox.handle("mail", self._handle, at_once=2, timeout=20, gave_up=self._gave_up)
        return outbox

    async def fine(self, work: Work) -> None:
        """Every attempt succeeds."""

    async def _handle(self, work: Work) -> None:
        async with self._heard:
            self.seen.append(work)
            self._heard.notify_all()
        await self.answer(work)

    def _gave_up(self, tx: WriteTx, work: Work, ending: Ending, reason: str) -> None:
        tx.after_commit(lambda: self.given_up.append((work.job_id, ending, reason)))

    async def add(self, payload: Any = None, **fields: Any) -> str:
        job = Job("mail", payload or {}, **fields)
        return await self.database.write(lambda tx: self.outbox.enqueue_in(tx, job))

    async def attempts(self, count: int) -> list[Work]:
        """Wait until so many attempts were made."""
        async with asyncio.timeout(10), self._heard:
            await self._heard.wait_for(lambda: len(self.seen) >= count)
        return self.seen

    async def mail(self) -> Queue:
        return next(queue for queue in await self.outbox.queues() if queue.kind == "mail")

    async def settled(self, *, pending: int = 0, failed: int = 0) -> Queue:
        """Wait until the store shows that."""

        async def shown() -> bool:
            queue = await self.mail()
            return (queue.pending, queue.failed) == (pending, failed)

        await until(shown)
        return await self.mail()

    async def next_at(self) -> list[int]:
        """When the waiting jobs are due, without leases."""
        rows = await self.database.read(
            lambda conn: conn.exec_driver_sql(
                "SELECT next_at FROM outbox WHERE state = 'pending' AND lease_until IS NULL ORDER BY 1"
            ).fetchall()
        )
        return [row[0] for row in rows]

    async def postponed(self) -> float:
        """Wait until one attempt was marked; the seconds until the next."""
        await until(self.next_at)
        return ((await self.next_at())[0] - self.clock.now()) / 1000

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.outbox.wake("mail")
