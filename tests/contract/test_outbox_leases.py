"""The outbox: order, keys, leases, stops and crashes."""

import asyncio

import pytest

from secureconnect.infra.database.base import WriteTx
from secureconnect.infra.outbox.base import KINDS, Job, LeaseLost, Queue, RetryLater, Work
from secureconnect.infra.outbox.relational import RelationalOutbox
from tests.contract.outbox_world import Desk, until


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
        **dict.fromkeys(KINDS, (0, 0)),
        "mail": (2, 90),
    }
    gate.set()
    await desk.settled()


async def test_work_of_another_process_is_announced_and_looked_for(desk: Desk) -> None:
    """A process without a handler for a kind tells; one that has it looks when told."""
    told: list[str] = []
    writer = RelationalOutbox(
        desk.database, desk.clock, desk.gauges, alone=False, poll=3600, elsewhere=told.append
    )
    await desk.outbox.start()
    await desk.database.write(lambda tx: writer.enqueue_in(tx, Job("mail", {"to": "ann"})))
    await until(lambda: _true(bool(told)))
    assert told == ["mail"]
    writer.look("mail")  # it has nobody to wake, and tells nobody
    desk.outbox.look("push")
    assert (told, desk.seen) == (["mail"], [])
    desk.outbox.look("mail")
    assert [work.kind for work in await desk.attempts(1)] == ["mail"]


async def test_another_role_is_told_of_what_it_runs(desk: Desk) -> None:
    """Every role has all handlers, and runs its own kinds."""
    told: list[str] = []
    writer = RelationalOutbox(
        desk.database, desk.clock, desk.gauges, alone=False, poll=3600, elsewhere=told.append
    )

    async def never(_: Work) -> None:
        raise AssertionError

    writer.handle("mail", never)
    await writer.start(["push"])
    await desk.database.write(lambda tx: writer.enqueue_in(tx, Job("mail", {"to": "ann"})))
    await until(lambda: _true(bool(told)))
    await writer.stop()
    assert told == ["mail"]


async def _true(value: bool) -> bool:
    return value
