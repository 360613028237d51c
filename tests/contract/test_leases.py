"""The Leases port: one holder at a time, taken over when its time is over."""

import asyncio

import pytest

from secureconnect.infra.database.base import Database
from secureconnect.infra.leases.base import Expired, Leases
from secureconnect.infra.leases.relational import RelationalLeases

from .manual_clock import ManualClock


@pytest.fixture
def ours(database: Database, clock: ManualClock) -> Leases:
    return RelationalLeases(database, clock, "ours")


@pytest.fixture
def theirs(database: Database, clock: ManualClock) -> Leases:
    return RelationalLeases(database, clock, "theirs")


async def test_one_holds_at_a_time(ours: Leases, theirs: Leases, clock: ManualClock) -> None:
    assert await ours.take(["job:a", "job:b"], 20) == {"job:a", "job:b"}
    assert await theirs.take(["job:a", "job:c"], 20) == {"job:c"}
    clock.advance(19)
    assert await ours.take(["job:a"], 20) == {"job:a"}  # renewed
    clock.advance(19)
    assert await theirs.take(["job:a", "job:b", "job:c"], 20) == {"job:b", "job:c"}
    clock.advance(1)
    assert await theirs.take(["job:a"], 20) == {"job:a"}
    assert await ours.take(["job:a"], 20) == set()


async def test_what_is_given_back_is_free_and_only_by_its_holder(ours: Leases, theirs: Leases) -> None:
    await ours.take(["job:a"], 20)
    await theirs.give_back(["job:a"])
    assert await theirs.take(["job:a"], 20) == set()
    await ours.give_back(["job:a", "job:never"])
    assert await theirs.take(["job:a"], 20) == {"job:a"}


async def test_those_who_ask_together_do_not_get_the_same(database: Database, clock: ManualClock) -> None:
    everybody = [RelationalLeases(database, clock, str(number)) for number in range(8)]
    names = [f"job:{number}" for number in range(6)]
    taken = await asyncio.gather(*(each.take(names, 20) for each in everybody))
    assert sorted(name for held in taken for name in held) == names


async def test_others_are_seen_by_the_beginning_of_their_names(
    ours: Leases, theirs: Leases, clock: ManualClock
) -> None:
    await ours.take(["bus:ours"], 3)
    await ours.take(["bv"], 3)
    assert not await ours.held_elsewhere("bus:")
    assert await theirs.held_elsewhere("bus:")
    assert not await theirs.held_elsewhere("job:")
    clock.advance(3)
    assert not await theirs.held_elsewhere("bus:")


async def test_those_that_ran_out_are_found_and_removed_by_one(
    ours: Leases, theirs: Leases, clock: ManualClock
) -> None:
    until = clock.now() + 20_000
    await theirs.take(["process:theirs", "job:a"], 20)
    clock.advance(19)
    assert await ours.expired("process:") == []
    clock.advance(1)
    assert await ours.expired("process:") == [Expired("process:theirs", until)]
    removed = await asyncio.gather(*(ours.remove(Expired("process:theirs", until)) for _ in range(3)))
    assert sorted(removed) == [False, False, True]
    assert await ours.expired("process:") == []


async def test_one_that_was_renewed_meanwhile_stays(ours: Leases, theirs: Leases, clock: ManualClock) -> None:
    await theirs.take(["process:theirs"], 20)
    clock.advance(20)
    (over,) = await ours.expired("process:")
    await theirs.take(["process:theirs"], 20)
    assert not await ours.remove(over)
