"""Between a caller and a dependency: room, time, the breaker; and retries within a budget."""

import asyncio

import pytest

from secureconnect.infra.resilience.breaker import Breaker, BreakerRules
from secureconnect.infra.resilience.guard import Guard, Unavailable
from secureconnect.infra.resilience.retries import Retries, RetryRules
from tests.contract.manual_clock import ManualClock
from tests.unit.resilience.test_breaker import Shown


def guard(*, limit: int = 2, timeout: float = 5, failures: int = 3) -> tuple[Guard, Breaker]:
    breaker = Breaker("blobs", BreakerRules(failures=failures), Shown(), ManualClock())
    return Guard(
        breaker, limit=limit, timeout=timeout, counts=lambda error: isinstance(error, OSError)
    ), breaker


async def test_results_and_errors_come_through() -> None:
    way, breaker = guard()

    async def good() -> str:
        return "bytes"

    async def bad() -> str:
        raise OSError("reset")

    assert await way.call(good) == "bytes"
    for _ in range(3):
        with pytest.raises(OSError, match="reset"):
            await way.call(bad)
    assert not breaker.closed
    with pytest.raises(Unavailable) as refused:
        await way.call(good)
    assert (refused.value.reason, refused.value.dependency) == ("open", "blobs")


async def test_what_does_not_answer_in_time_counts_as_a_failure() -> None:
    way, breaker = guard(timeout=0.01, failures=1)

    async def never() -> None:
        await asyncio.Event().wait()

    with pytest.raises(Unavailable) as refused:
        await way.call(never)
    assert refused.value.reason == "timeout"
    assert not breaker.closed


async def test_a_callers_own_timeout_is_not_ours() -> None:
    way, breaker = guard(failures=1)

    async def gives_up() -> None:
        raise TimeoutError("its own")

    with pytest.raises(TimeoutError, match="its own"):
        await way.call(gives_up)
    assert not breaker.closed  # TimeoutError is an OSError


async def test_as_many_wait_as_work_and_more_are_refused() -> None:
    way, _ = guard(limit=2)
    release, running, most = asyncio.Event(), 0, 0

    async def slow() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await release.wait()
        running -= 1

    calls = [asyncio.create_task(way.call(slow)) for _ in range(5)]
    async with asyncio.timeout(5):
        done, _ = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
    release.set()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert len(done) == 1
    assert [result.reason for result in results if isinstance(result, Unavailable)] == ["full"]
    assert most == 2


async def test_retries_pause_longer_each_time_and_end() -> None:
    pauses: list[float] = []
    attempts = 0

    async def pause(seconds: float) -> None:
        pauses.append(seconds)

    async def fails() -> None:
        nonlocal attempts
        attempts += 1
        raise OSError(str(attempts))

    retries = Retries(RetryRules(attempts=4, first=1, most=3), chance=lambda: 1.0, pause=pause)
    with pytest.raises(OSError, match="4"):
        await retries.call(fails, again=lambda error: isinstance(error, OSError))
    assert pauses == [1, 2, 3]
    with pytest.raises(OSError, match="5"):
        await retries.call(fails, again=lambda _error: False)
    assert len(pauses) == 3


async def test_a_dependency_in_trouble_gets_few_retries() -> None:
    attempts = 0

    async def pause(seconds: float) -> None:
        assert 0 < seconds <= 2

    async def fails() -> None:
        nonlocal attempts
        attempts += 1
        raise OSError

    retries = Retries(RetryRules(attempts=3, share=0.2), pause=pause)
    for _ in range(1000):
        with pytest.raises(OSError):
            await retries.call(fails, again=lambda _error: True)
    assert 1200 <= attempts <= 1215
