"""A store that does not answer is left alone, and found again by its probe."""

import asyncio

import pytest

from secureconnect.infra.blobs.measuring import Measuring
from secureconnect.infra.blobs.s3_client import Refused
from secureconnect.infra.blobs.s3_way import Way
from secureconnect.infra.resilience.breaker import Breaker, BreakerRules
from secureconnect.kit.clock import SystemClock
from secureconnect.kit.errors import ApiError, ErrorCode


class Seen:
    """The metrics of a breaker."""

    def __init__(self) -> None:
        self.states: list[int] = []

    def breaker(self, dependency: str, state: int) -> None:
        self.states.append(state)

    def dependency(self, name: str, *, up: bool) -> None:
        """Not looked at."""


class Store:
    """Asked for a sign of life; says no while `down`."""

    def __init__(self) -> None:
        self.asked = 0
        self.down = False
        self.seen = Seen()
        self.breaker = Breaker("object_store", BreakerRules(5, 0.01, 2), self.seen, SystemClock())
        self.way = Way(self.find, Measuring(None, (OSError, Refused)), self.breaker, limit=1)

    async def find(self) -> None:
        self.asked += 1
        if self.down:
            raise ConnectionRefusedError


async def test_without_a_sign_of_life_nothing_is_asked_until_the_next() -> None:
    store = Store()
    store.down = True
    with pytest.raises(ApiError) as caught:
        await store.way.ping()
    assert caught.value.code is ErrorCode.STORAGE_UNAVAILABLE
    with pytest.raises(ApiError) as caught:
        async with store.way.operation("head"):
            raise AssertionError("it is not asked")
    assert (caught.value.code, caught.value.retry_after) == (ErrorCode.STORAGE_UNAVAILABLE, 5)
    store.down = False
    async with asyncio.timeout(10):
        while not store.breaker.closed:  # noqa: ASYNC110 - the probe tells nobody
            await asyncio.sleep(0.001)
    async with store.way.operation("head"):
        pass
    assert store.seen.states[0] == store.seen.states[-1] == 0
    await store.way.close()


async def test_a_store_that_says_no_is_well() -> None:
    store = Store()
    for _ in range(10):
        with pytest.raises(ApiError):
            async with store.way.operation("head"):
                raise Refused(403, "AccessDenied")
    assert store.breaker.closed
    for _ in range(5):
        with pytest.raises(ApiError):
            async with store.way.operation("head"):
                raise Refused(503, "SlowDown")
    assert store.seen.states[-1] == 2
    await store.way.close()


async def test_more_than_the_limit_waits_and_more_than_twice_is_refused() -> None:
    store = Store()
    go_on = asyncio.Event()

    async def one() -> None:
        async with store.way.operation("get"):
            await go_on.wait()

    running = [asyncio.create_task(one()) for _ in range(2)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    with pytest.raises(ApiError) as caught:
        await one()
    assert caught.value.code is ErrorCode.STORAGE_UNAVAILABLE
    go_on.set()
    await asyncio.gather(*running)
    await store.way.close()
