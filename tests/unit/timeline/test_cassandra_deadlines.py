"""One timer for all that waits for Cassandra."""

import asyncio

import pytest

from secureconnect.infra.timeline.cassandra_deadlines import Deadlines


async def never() -> None:
    await asyncio.get_running_loop().create_future()


async def soon() -> str:
    await asyncio.sleep(0)
    return "done"


async def test_what_takes_too_long_is_ended_and_the_rest_is_not() -> None:
    deadlines = Deadlines()
    waiting = asyncio.create_task(deadlines.within(3_600, never()))
    late = asyncio.create_task(deadlines.within(0, never()))
    assert await deadlines.within(3_600, soon()) == "done"
    with pytest.raises(TimeoutError):
        await late
    assert late.cancelling() == 0
    assert not waiting.done()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    # The timer starts again for whoever comes after a pause.
    with pytest.raises(TimeoutError):
        await asyncio.create_task(deadlines.within(0, never()))


async def test_who_is_cancelled_when_it_is_late_stays_cancelled() -> None:
    deadlines = Deadlines()

    async def stubborn() -> None:
        task = asyncio.current_task()
        assert task is not None
        try:
            await never()
        finally:
            task.cancel()  # somebody else, at the same moment

    late = asyncio.create_task(deadlines.within(0, stubborn()))
    await asyncio.wait([late])
    assert late.cancelled()
