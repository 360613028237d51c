"""A process that the machine stops for longer than its leases last (X8)."""

import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.processes.pair import Pair, at, metric, two_processes
from tests.scenarios.patience import eventually
from tests.scenarios.steps import direct, register, send, stranger, whole_log, ws

pytestmark = pytest.mark.faults

_JOB = "scheduled_messages"


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    async with two_processes(tmp_path) as started:
        yield started


async def test_nothing_is_lost_or_done_twice(pair: Pair) -> None:
    ann = await register(stranger(pair.one.url, "ann"))
    ben = at(pair.two, await register(stranger(pair.one.url, "ben")))
    chat = (await direct(ann, ben))["conversation_id"]

    async def runs(number: int) -> float:
        return await metric(pair.pieces[number], "job_runs_total", job=_JOB)

    async def one_runs() -> bool:
        return await runs(0) > 0 or await runs(1) > 0

    await eventually(one_runs, seconds=30)
    runner = 0 if await runs(0) > 0 else 1
    paused, other = pair.pieces[runner], pair.pieces[1 - runner]
    async with ws(at(paused, ann)) as here, ws(at(other, ben)) as there:
        before = await runs(runner)
        paused.signal(signal.SIGSTOP)
        began = time.monotonic()
        for number in range(10):
            (await send(at(other, ben), chat, str(number), f"k{number}")).ok(201)
        await there.frame(type="event", seq=11)

        async def taken_over() -> bool:
            return await runs(1 - runner) > 0

        await eventually(taken_over, seconds=60)
        print(f"taken over after {time.monotonic() - began:.1f} s")
        paused.signal(signal.SIGCONT)
        await here.frame(type="event", seq=11, timeout=20)
        assert [event["seq"] for event in here.events(chat)] == list(range(2, 12))
        # The job has one runner: the one that took it over.
        at_most = before + 1  # a turn may have begun before the stop
        turns = await runs(1 - runner)

        async def goes_on() -> bool:
            return await runs(1 - runner) >= turns + 3

        await eventually(goes_on, seconds=60)
        assert await runs(runner) <= at_most
        (await send(at(paused, ann), chat, "awake", "awake")).ok(201)
        for socket in (here, there):
            await socket.frame(type="event", seq=12)
    log = await whole_log(at(other, ann), chat)
    assert [event["seq"] for event in log] == list(range(1, 13))
