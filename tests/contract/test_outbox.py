"""The outbox: jobs start with their cause, are tried again, and end."""

import asyncio

import pytest

from secureconnect.infra.database.base import Database, WriteTx
from secureconnect.infra.outbox.base import Gone, Job, RetryLater, Work
from secureconnect.infra.outbox.relational import RelationalOutbox
from tests.contract.outbox_world import Desk, Gauges

from .manual_clock import ManualClock


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


async def test_what_was_postponed_is_hurried_when_its_way_is_free(desk: Desk) -> None:
    async def down(work: Work) -> None:
        raise RetryLater("no answer", after=300)

    desk.answer = down
    await desk.outbox.start()
    await desk.add({"n": 1})
    await desk.attempts(1)
    assert await desk.postponed() == 300
    await desk.add({"n": 2}, delay=3600)
    desk.answer = desk.fine
    assert await desk.outbox.hurry("mail") == 1, "what was not tried yet is not due"
    await desk.settled(pending=1)
    assert [work.attempt for work in desk.seen] == [1, 2]


async def test_who_comes_and_goes_is_not_stormed(desk: Desk) -> None:
    async def down(work: Work) -> None:
        raise RetryLater("no answer", after=300)

    desk.answer = down
    await desk.outbox.start()
    await desk.add()
    await desk.attempts(1)
    assert await desk.postponed() == 300
    assert await desk.outbox.hurry("mail") == 1
    await desk.attempts(2)
    assert await desk.postponed() == 300
    assert await desk.outbox.hurry("mail") == 0
    desk.pass_time(31)
    assert await desk.outbox.hurry("mail") == 1
    await desk.attempts(3)


async def test_what_runs_is_not_hurried(desk: Desk) -> None:
    """A job that got another payload while it runs has no lease; it runs again after this, not beside it."""
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(work: Work) -> None:
        begun.set()
        await go_on.wait()

    desk.answer = slow
    await desk.outbox.start()
    await desk.add({"n": 1}, dedup_key="k")
    await begun.wait()
    await desk.add({"n": 2}, dedup_key="k")
    assert await desk.outbox.hurry("mail") == 0
    go_on.set()
    await desk.settled()
    assert [work.attempt for work in desk.seen] == [1, 1]


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
