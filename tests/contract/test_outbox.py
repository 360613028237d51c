"""The Outbox port: jobs are done once their cause is committed, tried again until then, and never doubled."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.infra.outbox.base import Ending, Gone, Job, LeaseLost, Queue, RetryLater, Work
from secureconnect.infra.outbox.relational import RelationalOutbox

from .conftest import ManualClock


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


@pytest.fixture
async def desk(database: Database, clock: ManualClock) -> AsyncIterator[Desk]:
    made = Desk(database, clock)
    yield made
    await made.outbox.stop()


async def test_a_job_starts_with_the_commit_of_its_cause(desk: Desk) -> None:
    await desk.outbox.start()
    job_id = await desk.add({"to": "a"})
    (work,) = await desk.attempts(1)
    assert (work.job_id, work.kind, work.attempt) == (job_id, "mail", 1)
    assert work.decode(dict[str, str]) == {"to": "a"}
    await desk.settled()


async def test_without_the_cause_there_is_no_job(desk: Desk) -> None:
    await desk.outbox.start()

    def work(tx: WriteTx) -> None:
        desk.outbox.enqueue_in(tx, Job("mail", {}))
        raise LookupError

    with pytest.raises(LookupError):
        await desk.database.write(work)
    await desk.add({"second": True})
    assert [work.payload for work in await desk.attempts(1)] == [b'{"second":true}']
    await desk.settled()
    assert len(desk.seen) == 1


async def test_failures_are_tried_again_after_1_2_4_seconds_and_no_more_than_300(desk: Desk) -> None:
    async def down(work: Work) -> None:
        raise RetryLater("no answer")

    desk.answer = down
    await desk.outbox.start()
    await desk.add(max_age=100_000)
    waits = []
    for attempt in range(1, 12):
        await desk.attempts(attempt)
        waits.append(await desk.postponed())
        desk.pass_time(waits[-1])
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    assert [work.attempt for work in desk.seen[:11]] == list(range(1, 12))
    assert len({work.job_id for work in desk.seen}) == 1


async def test_a_job_waits_as_long_as_its_receiver_asks(desk: Desk) -> None:
    async def busy(work: Work) -> None:
        if work.attempt == 1:
            raise RetryLater("slow down", after=37)

    desk.answer = busy
    await desk.outbox.start()
    await desk.add()
    await desk.attempts(1)
    assert await desk.postponed() == 37
    desk.pass_time(36.9)
    assert (await desk.mail()).pending == 1
    desk.pass_time(0.1)
    await desk.settled()
    assert len(desk.seen) == 2


async def test_a_defect_is_tried_again_and_said_once(desk: Desk) -> None:
    async def broken(work: Work) -> None:
        if work.attempt < 3:
            raise KeyError("a name that must not be stored")

    desk.answer = broken
    await desk.outbox.start()
    await desk.add()
    for attempt in (1, 2):
        await desk.attempts(attempt)
        wait = await desk.postponed()
        (error,) = await desk.database.read(
            lambda conn: conn.exec_driver_sql("SELECT last_error FROM outbox").scalars().all()
        )
        assert error == "KeyError"
        desk.pass_time(wait)
    await desk.settled()


async def test_an_attempt_without_an_end_is_cut_off(database: Database, clock: ManualClock) -> None:
    outbox = RelationalOutbox(database, clock, Gauges(), alone=True, poll=3600, chance=lambda: 0.5)
    cancelled = asyncio.Event()

    async def hang(work: Work) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    outbox.handle("push", hang, timeout=0.01)
    await outbox.start()
    await database.write(lambda tx: outbox.enqueue_in(tx, Job("push", {})))
    async with asyncio.timeout(10):
        await cancelled.wait()
    await outbox.stop()
    (row,) = await database.read(
        lambda conn: conn.exec_driver_sql("SELECT last_error, lease_until FROM outbox").fetchall()
    )
    assert tuple(row) == ("no answer in time", None)


async def test_what_cannot_succeed_is_given_up_at_once_and_keeps_no_content(desk: Desk) -> None:
    async def refused(work: Work) -> None:
        raise Gone("no such mailbox")

    desk.answer = refused
    await desk.outbox.start()
    job_id = await desk.add({"to": "a secret address"}, dedup_key="k")
    await desk.settled(failed=1)
    assert desk.given_up == [(job_id, "failed", "no such mailbox")]
    (payload,) = await desk.database.read(
        lambda conn: conn.exec_driver_sql("SELECT payload FROM outbox").scalars().all()
    )
    assert payload == "{}"
    # Its key is free, and it is forgotten after a week.
    assert await desk.add({}, dedup_key="k") != job_id
    await desk.settled(failed=2)
    desk.clock.advance(8 * 86_400)
    assert await desk.outbox.purge() == 2
    await desk.settled()


async def test_what_was_never_done_in_time_is_given_up(desk: Desk) -> None:
    async def down(work: Work) -> None:
        raise RetryLater("no answer")

    desk.answer = down
    await desk.outbox.start()
    await desk.add(max_age=45)
    attempts = 0
    while not desk.given_up:
        attempts += 1
        await desk.attempts(attempts)
        if attempts == 6:  # at 0, 1, 3, 7, 15 and 31 s; the next would be at 63 s
            break
        desk.pass_time(await desk.postponed())
    await desk.settled(failed=1)
    assert [(ending, reason) for _, ending, reason in desk.given_up] == [("expired", "no answer")]


async def test_what_expired_while_nobody_worked_is_not_done(desk: Desk) -> None:
    job_id = await desk.add(max_age=45)
    desk.clock.advance(46)
    await desk.outbox.start()
    await desk.settled(failed=1)
    assert desk.seen == []
    assert desk.given_up == [(job_id, "expired", "not done in time")]


async def test_a_delayed_job_waits(desk: Desk) -> None:
    await desk.outbox.start()
    await desk.add(delay=60, max_age=10)
    await desk.add({"now": True})
    await desk.settled(pending=1)
    assert (await desk.mail()).oldest_age == 0
    desk.pass_time(60)
    await desk.settled()
    assert [work.payload for work in desk.seen] == [b'{"now":true}', b"{}"]


async def test_two_at_once_and_the_longest_due_first(desk: Desk) -> None:
    gate = asyncio.Event()

    async def wait(work: Work) -> None:
        await gate.wait()

    desk.answer = wait
    for number in range(5):
        await desk.add({"n": number})
        desk.clock.advance(1)
    await desk.outbox.start()
    await desk.attempts(2)
    assert {work.payload for work in desk.seen} == {b'{"n":0}', b'{"n":1}'}
    gate.set()
    await desk.settled()
    assert len(desk.seen) == 5


async def test_a_key_joins_jobs_that_wait(desk: Desk) -> None:
    first = await desk.add({"v": 1}, dedup_key="k")
    assert await desk.add({"v": 2}, dedup_key="k") == first
    await desk.outbox.start()
    await desk.settled()
    assert [work.payload for work in desk.seen] == [b'{"v":2}']
    assert await desk.add({"v": 3}, dedup_key="k") != first
    await desk.settled()
    assert len(desk.seen) == 2


async def test_a_key_asked_for_while_its_job_runs_runs_once_more(desk: Desk) -> None:
    gates = [asyncio.Event(), asyncio.Event()]
    running = 0

    async def wait(work: Work) -> None:
        nonlocal running
        running += 1
        assert running == 1, "one at a time"
        await gates[len(desk.seen) - 1].wait()
        running -= 1

    desk.answer = wait
    await desk.outbox.start()
    await desk.add({"v": 1}, dedup_key="k")
    await desk.attempts(1)
    for version in (2, 3):
        await desk.add({"v": version}, dedup_key="k")
    gates[0].set()
    await desk.attempts(2)
    gates[1].set()
    await desk.settled()
    assert [work.payload for work in desk.seen] == [b'{"v":1}', b'{"v":3}']


async def test_a_handler_may_finish_its_job_with_its_effect(desk: Desk) -> None:
    async def finish(work: Work) -> None:
        await desk.database.write(lambda tx: desk.outbox.finish_in(tx, work))
        raise KeyError("after the effect is committed nothing is tried again")

    desk.answer = finish
    await desk.outbox.start()
    await desk.add()
    await desk.settled()
    await desk.add()
    await desk.settled()
    assert len(desk.seen) == 2


async def test_a_lost_lease_finishes_nothing(desk: Desk) -> None:
    lost = asyncio.Event()

    async def slow(work: Work) -> None:
        def taken_over(tx: WriteTx) -> None:
            tx.run("UPDATE outbox SET lease_until = lease_until + 1, next_at = next_at + 1")

        await desk.database.write(taken_over)
        with pytest.raises(LeaseLost):
            await desk.database.write(lambda tx: desk.outbox.finish_in(tx, work))
        lost.set()

    desk.answer = slow
    await desk.outbox.start()
    await desk.add()
    async with asyncio.timeout(10):
        await lost.wait()
    await desk.outbox.stop()
    assert (await desk.mail()).pending == 1


async def test_a_stop_lets_attempts_end_and_gives_the_others_back(desk: Desk) -> None:
    hold = asyncio.Event()

    async def work_on(work: Work) -> None:
        if work.payload == b'{"slow":true}':
            await asyncio.Event().wait()
        await hold.wait()

    desk.answer = work_on
    await desk.outbox.start()
    await desk.add({"slow": True})
    await desk.add({"slow": False})
    await desk.attempts(2)
    stopping = asyncio.create_task(desk.outbox.stop())
    await asyncio.sleep(0)
    hold.set()
    await stopping
    rows = await desk.database.read(
        lambda conn: conn.exec_driver_sql("SELECT payload, attempts, lease_until FROM outbox").fetchall()
    )
    assert [tuple(row) for row in rows] == [('{"slow":true}', 0, None)]


async def test_what_a_killed_process_held_is_done_by_the_next(desk: Desk) -> None:
    hold = asyncio.Event()

    async def hang(work: Work) -> None:
        await hold.wait()

    desk.answer = hang
    await desk.outbox.start()
    job_id = await desk.add()
    await desk.attempts(1)
    # The first process is as good as dead: it never marks anything.
    second = desk.open()
    desk.answer = desk.fine
    await second.start()
    await desk.attempts(2)
    await desk.settled()
    await second.stop()
    assert [(work.job_id, work.attempt) for work in desk.seen] == [(job_id, 1), (job_id, 2)]
    hold.set()


async def test_a_restart_tries_at_once_what_was_postponed_and_not_what_was_delayed(desk: Desk) -> None:
    async def down(work: Work) -> None:
        raise RetryLater("no answer", after=300)

    desk.answer = down
    await desk.outbox.start()
    await desk.add({"tried": True})
    await desk.attempts(1)
    await desk.postponed()
    await desk.add({"later": True}, delay=60)
    await desk.outbox.stop()
    desk.answer = desk.fine
    second = desk.open()
    await second.start()
    await desk.settled(pending=1)
    await second.stop()
    assert [work.payload for work in desk.seen] == [b'{"tried":true}'] * 2


async def test_a_job_rides_with_an_event(desk: Desk) -> None:
    """As `Timeline.append` runs it: with the seq as first parameter."""
    for payload in ({"a": "b"}, {}):
        statement = desk.outbox.riding(Job("mail", payload))
        await desk.database.write(lambda tx, s=statement: tx.run(s.sql, (7, *s.params)))  # type: ignore[misc]
    await desk.outbox.start()
    await desk.settled()
    assert {work.payload for work in desk.seen} == {b'{"seq":7,"a":"b"}', b'{"seq":7}'}


async def test_queues_and_gauges_say_how_much_waits(desk: Desk) -> None:
    await desk.add()
    desk.clock.advance(90)
    await desk.add()
    assert await desk.mail() == Queue("mail", 2, 90.0, 0)
    gate = asyncio.Event()

    async def wait(work: Work) -> None:
        await gate.wait()

    desk.answer = wait
    await desk.outbox.start()

    async def shown() -> bool:
        return "mail" in desk.gauges.shown

    await until(shown)
    assert desk.gauges.shown == {
        **dict.fromkeys(
            ("push", "index", "thumbnail", "erase", "export", "notify", "delete_objects"), (0, 0)
        ),
        "mail": (2, 90),
    }
    gate.set()
    await desk.settled()
