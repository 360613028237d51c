"""A bounded number at work, a bounded number waiting."""

import asyncio

import pytest

from secureconnect.gateway.turns import Full, Turns


async def test_whoever_does_not_fit_is_told_at_once() -> None:
    turns = Turns(1, waiting=1, patience=60)
    await turns.enter()
    second = asyncio.create_task(turns.enter())
    await asyncio.sleep(0)
    with pytest.raises(Full):
        await turns.enter()
    assert not second.done()
    turns.leave()
    await second
    turns.leave()
    await turns.enter()


async def test_patience_ends() -> None:
    turns = Turns(1, waiting=10, patience=0)
    await turns.enter()
    with pytest.raises(Full):
        await turns.enter()
    turns.leave()
    await turns.enter()


async def test_turns_come_in_order_and_those_who_left_are_skipped() -> None:
    turns, order = Turns(1, waiting=10, patience=60), []

    async def work(number: int) -> None:
        await turns.enter()
        order.append(number)
        turns.leave()

    await turns.enter()
    tasks = [asyncio.create_task(work(number)) for number in range(4)]
    await asyncio.sleep(0)
    tasks[1].cancel()
    await asyncio.sleep(0)
    turns.leave()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert order == [0, 2, 3]
    await turns.enter()
    turns.leave()


async def test_a_turn_given_to_somebody_who_just_left_is_not_lost() -> None:
    turns = Turns(1, waiting=10, patience=60)
    await turns.enter()
    leaving = asyncio.create_task(turns.enter())
    await asyncio.sleep(0)
    turns.leave()
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    async with asyncio.timeout(5):
        await turns.enter()
