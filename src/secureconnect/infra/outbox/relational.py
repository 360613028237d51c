"""The Outbox on the Database: one table, and lanes that run what is in it."""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from typing import Final, Protocol

import msgspec

from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.infra.outbox import tables
from secureconnect.infra.outbox.base import KINDS, GaveUp, Handler, Job, Kind, LeaseLost, Queue, Work
from secureconnect.infra.outbox.lanes import Lane, LaneRules
from secureconnect.infra.telemetry import tracing
from secureconnect.infra.timeline.base import Statement
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ApiError
from secureconnect.kit.ids import new_time_id

__all__ = ["OutboxMetrics", "RelationalOutbox"]

_COUNT_EVERY = 5.0
_HURRY_AT_MOST_EVERY = 30.0
_COUNT_AT_MOST_EVERY = 1.0
_FAILED_KEPT_MS: Final = 7 * 24 * 3600 * 1000
_BATCH = 1000


class OutboxMetrics(Protocol):
    """Shows how much waits."""

    def outbox(self, kind: str, pending: int, oldest_age: float) -> None:
        """The jobs of one kind that wait, and the age of the oldest in seconds."""


class RelationalOutbox:
    """Implements `Outbox`. Between `start` and `stop` it runs the jobs whose kinds have a handler.

    Args:
        alone: no other process runs jobs of this store: what is leased or postponed at the start was so by
            a process that is gone, and is tried at once.
        poll: seconds after which lanes look although nobody woke them.
        grace: seconds that running attempts get when the outbox stops.
        chance: random numbers in 0…1, for jitter.
        elsewhere: told of work of a kind that this process does not run, so that another one looks.
    """

    def __init__(
        self,
        database: Database,
        clock: Clock,
        metrics: OutboxMetrics,
        *,
        alone: bool,
        poll: float = 10,
        grace: float = 5,
        chance: Callable[[], float] = random.random,
        elsewhere: Callable[[Kind], None] | None = None,
    ) -> None:
        self._elsewhere = elsewhere
        self._kinds: Collection[Kind] = KINDS  # those that run here
        self._database = database
        self._clock = clock
        self._metrics = metrics
        self._alone = alone
        self._poll = poll
        self._grace = grace
        self._chance = chance
        self._lanes: dict[Kind, Lane] = {}
        self._counting: asyncio.Task[None] | None = None
        self._touched = asyncio.Event()
        self._hurried: dict[Kind, float] = {}

    def handle(
        self,
        kind: Kind,
        handler: Handler,
        *,
        at_once: int = 4,
        timeout: float = 30,
        gave_up: GaveUp | None = None,
    ) -> None:
        assert kind not in self._lanes, f"{kind} has a handler"
        rules = LaneRules(kind, handler, at_once, timeout, gave_up)
        self._lanes[kind] = Lane(
            self._database,
            self._clock,
            rules,
            poll=self._poll,
            chance=self._chance,
            marked=self._touched.set,
        )

    def enqueue_in(self, tx: WriteTx, job: Job) -> str:
        due_at, expires_at = self._times(job)
        payload = msgspec.json.encode(job.payload).decode()
        if job.dedup_key is not None:
            merged = tables.merge(tx, job.dedup_key, payload, due_at, expires_at)
            if merged is not None:
                tx.deliver(self._wake, job.kind)
                return merged
        job_id = new_time_id()
        tables.add(
            tx,
            {
                "job_id": job_id,
                "kind": job.kind,
                "dedup_key": job.dedup_key,
                "payload": payload,
                "next_at": due_at,
                "expires_at": expires_at,
                "created_at": due_at,
                "origin": _origin(),
            },
        )
        tx.deliver(self._wake, job.kind)
        return job_id

    def riding(self, job: Job) -> Statement:
        assert job.dedup_key is None, "a job that rides has no key"
        due_at, expires_at = self._times(job)
        rest = msgspec.json.encode(job.payload).decode().removeprefix("{")
        if rest != "}":
            rest = f",{rest}"
        return Statement(
            tables.RIDING, (rest, new_time_id(), job.kind, due_at, expires_at, due_at, _origin())
        )

    def wake(self, kind: Kind) -> None:
        lane = self._lanes.get(kind)
        if lane is not None and kind in self._kinds:
            lane.wake()
        elif self._elsewhere is not None:
            self._elsewhere(kind)

    async def hurry(self, kind: Kind) -> int:
        moment = self._clock.monotonic()
        if moment - self._hurried.get(kind, -_HURRY_AT_MOST_EVERY) < _HURRY_AT_MOST_EVERY:
            return 0
        self._hurried[kind] = moment
        now = self._clock.now()
        found = await self._database.write(lambda tx: tables.hurry(tx, kind, now))
        self.wake(kind)
        return found

    def look(self, kind: str) -> None:
        """Another process has put a job of `kind` there."""
        for own, lane in self._lanes.items():
            if own == kind:
                lane.wake()

    def finish_in(self, tx: WriteTx, work: Work) -> None:
        if not tables.finish(tx, work):
            if not tables.run_again(tx, work, self._clock.now()):
                raise LeaseLost
            tx.deliver(self._wake, work.kind)
        lane = self._lanes[work.kind]
        tx.after_commit(lambda: lane.finished(work))

    async def discard(self, kind: Kind, unwanted: Callable[[bytes], bool]) -> int:
        removed, after = 0, ""
        while page := await self._database.read(lambda conn, after=after: tables.payloads(conn, kind, after)):  # type: ignore[misc]
            after = page[-1][0]
            ids = [job_id for job_id, payload in page if unwanted(payload.encode())]
            if ids:
                removed += await self._database.write(lambda tx, ids=ids: tables.remove(tx, ids))  # type: ignore[misc]
        return removed

    async def queues(self) -> list[Queue]:
        standings = await self._database.read(tables.standings)
        now = self._clock.now()
        pending, failed, ages = Counter[str](), Counter[str](), dict.fromkeys(KINDS, 0.0)
        for standing in standings:
            if standing.state == "pending":
                pending[standing.kind] = standing.jobs
                ages[standing.kind] = max(0.0, (now - standing.first) / 1000)
            else:
                failed[standing.kind] = standing.jobs
        return [Queue(kind, pending[kind], ages[kind], failed[kind]) for kind in KINDS]

    async def start(self, kinds: Collection[Kind] = KINDS) -> None:
        """Run jobs of these kinds from now on; other processes run the others."""
        self._kinds = kinds
        if self._alone:
            now = self._clock.now()
            await self._database.write(lambda tx: tables.release_all(tx, now))
        for kind, lane in self._lanes.items():
            if kind in kinds:
                lane.start()
        self._counting = asyncio.create_task(self._count(), name="outbox counts")

    async def stop(self) -> None:
        """Take no more; running attempts may end, those that do not are given back."""
        if self._counting is not None:
            self._counting.cancel()
            await asyncio.gather(self._counting, return_exceptions=True)
        await asyncio.gather(*(lane.stop(self._grace) for lane in self._lanes.values()))

    async def purge(self) -> int:
        """Forget jobs that were given up a week ago; returns how many."""
        before = self._clock.now() - _FAILED_KEPT_MS
        return await self._database.write(lambda tx: tables.forget_failed(tx, before, _BATCH))

    async def _count(self) -> None:
        """Keep the gauges true: soon after a change, and now and then while nothing but age changes."""
        while True:
            self._touched.clear()
            try:
                queues = await self.queues()
            except ApiError:
                queues = []  # the store is away: the last figures stand
            for queue in queues:
                self._metrics.outbox(queue.kind, queue.pending, queue.oldest_age)
            await asyncio.sleep(_COUNT_AT_MOST_EVERY)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_COUNT_EVERY - _COUNT_AT_MOST_EVERY):
                    await self._touched.wait()

    def _wake(self, kinds: Sequence[Kind]) -> None:
        self._touched.set()
        for kind in set(kinds):
            self.wake(kind)

    def _times(self, job: Job) -> tuple[int, int]:
        due_at = self._clock.now() + int(job.delay * 1000)
        return due_at, due_at + int(job.max_age * 1000)


def _origin() -> str | None:
    here = tracing.current()
    return None if here is None else tracing.traceparent(here)
