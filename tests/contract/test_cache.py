"""The Cache port: exact sliding windows, fields that expire, one winner per removal."""

import asyncio
import math
from collections import deque

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from secureconnect.infra.cache.base import Cache

from .conftest import OpenCache
from .manual_clock import ManualClock


async def test_a_window_allows_its_limit_and_says_what_is_left(cache: Cache, clock: ManualClock) -> None:
    hits = [await cache.hit("login", "a", 3, 60) for _ in range(4)]
    assert [hit.allowed for hit in hits] == [True, True, True, False]
    assert [hit.remaining for hit in hits] == [2, 1, 0, 0]
    assert {hit.limit for hit in hits} == {3}
    assert hits[3].retry_after == 60
    assert hits[3].reset_at == clock.seconds + 60


async def test_windows_slide(cache: Cache, clock: ManualClock) -> None:
    assert (await cache.hit("r", "a", 2, 10)).allowed
    clock.advance(4)
    assert (await cache.hit("r", "a", 2, 10)).allowed
    clock.advance(5)
    refused = await cache.hit("r", "a", 2, 10)
    assert (refused.allowed, refused.retry_after) == (False, 1)
    # The full limit is free again when the newest counted hit, 5 s ago, has left the window.
    assert refused.reset_at == math.ceil(clock.seconds + 5)
    clock.advance(1)
    assert (await cache.hit("r", "a", 2, 10)).allowed
    assert not (await cache.hit("r", "a", 2, 10)).allowed


async def test_refused_hits_do_not_count(cache: Cache, clock: ManualClock) -> None:
    assert (await cache.hit("r", "a", 1, 10)).allowed
    for _ in range(50):
        assert not (await cache.hit("r", "a", 1, 10)).allowed
    clock.advance(10)
    assert (await cache.hit("r", "a", 1, 10)).allowed


async def test_retry_after_is_at_least_one_second_and_suffices(cache: Cache, clock: ManualClock) -> None:
    await cache.hit("r", "a", 1, 10)
    clock.advance(9.9)
    refused = await cache.hit("r", "a", 1, 10)
    assert refused.retry_after == 1
    clock.advance(refused.retry_after)
    assert (await cache.hit("r", "a", 1, 10)).allowed


async def test_rows_and_keys_are_separate(cache: Cache) -> None:
    assert (await cache.hit("r", "a", 1, 10)).allowed
    assert (await cache.hit("r", "b", 1, 10)).allowed
    assert (await cache.hit("s", "a", 1, 10)).allowed
    assert not (await cache.hit("s", "a", 1, 10)).allowed


async def test_a_limit_of_zero_allows_nothing(cache: Cache) -> None:
    window = await cache.hit("r", "a", 0, 10)
    assert (window.allowed, window.remaining, window.limit) == (False, 0, 0)
    assert window.retry_after >= 1


async def test_a_lowered_limit_counts_at_once(cache: Cache, clock: ManualClock) -> None:
    for _ in range(5):
        await cache.hit("r", "a", 5, 10)
        clock.advance(1)
    refused = await cache.hit("r", "a", 2, 10)
    assert not refused.allowed
    # Two of five must stay: three have to leave, and the fourth place is the repeat's.
    clock.advance(refused.retry_after)
    assert (await cache.hit("r", "a", 2, 10)).allowed


async def test_concurrent_hits_never_exceed_the_limit(cache: Cache) -> None:
    hits = await asyncio.gather(*(cache.hit("r", "a", 10, 60) for _ in range(50)))
    assert sum(hit.allowed for hit in hits) == 10


async def test_fields_live_until_their_time_is_over(cache: Cache, clock: ManualClock) -> None:
    await cache.put("pres:u", "phone", "online", 90)
    clock.advance(30)
    await cache.put("pres:u", "desk", "away", 90)
    assert await cache.fields("pres:u") == {"phone": "online", "desk": "away"}
    clock.advance(60)
    assert await cache.fields("pres:u") == {"desk": "away"}
    clock.advance(30)
    assert await cache.fields("pres:u") == {}


async def test_put_replaces_value_and_expiry(cache: Cache, clock: ManualClock) -> None:
    await cache.put("k", "f", "old", 10)
    clock.advance(9)
    await cache.put("k", "f", "new", 10)
    clock.advance(9)
    assert await cache.fields("k") == {"f": "new"}


async def test_fields_of_many_keys_come_in_their_order(cache: Cache, clock: ManualClock) -> None:
    for number in range(40):
        await cache.put(f"k{number}", "f", str(number), 10 if number % 2 else 90)
    clock.advance(10)
    found = await cache.fields_of([*(f"k{number}" for number in range(40)), "nothing"])
    assert found == [*({} if number % 2 else {"f": str(number)} for number in range(40)), {}]
    assert await cache.fields_of([]) == []


async def test_unknown_keys_have_no_fields(cache: Cache) -> None:
    assert await cache.fields("nothing") == {}
    assert not await cache.drop("nothing", "f")


async def test_a_live_field_is_dropped_by_exactly_one_caller(cache: Cache) -> None:
    await cache.put("ticket", "t", "u", 60)
    dropped = await asyncio.gather(*(cache.drop("ticket", "t") for _ in range(10)))
    assert sorted(dropped) == [False] * 9 + [True]
    assert await cache.fields("ticket") == {}


async def test_an_expired_field_is_nobodys(cache: Cache, clock: ManualClock) -> None:
    await cache.put("ticket", "t", "u", 60)
    await cache.put("ticket", "other", "u", 600)
    clock.advance(60)
    assert not await cache.drop("ticket", "t")
    assert await cache.fields("ticket") == {"other": "u"}


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    limit=st.integers(1, 5),
    window=st.floats(20, 90),  # long enough for servers whose keys expire by a clock of their own
    pauses=st.lists(st.floats(0, 60), min_size=1, max_size=60),
)
async def test_windows_follow_the_definition(
    open_cache: OpenCache, limit: int, window: float, pauses: list[float]
) -> None:
    """A hit is allowed exactly when fewer than `limit` allowed ones lie in the last `window` seconds."""
    clock = ManualClock()
    async with open_cache(clock) as cache:
        counted: deque[float] = deque()
        for pause in pauses:
            clock.advance(pause)
            while counted and counted[0] <= clock.seconds - window:
                counted.popleft()
            expected = len(counted) < limit
            if expected:
                counted.append(clock.seconds)
            hit = await cache.hit("r", "k", limit, window)
            assert hit.allowed is expected
            assert hit.remaining == limit - len(counted)
