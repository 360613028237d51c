"""In which order the commits of one process are told."""

import asyncio

from secureconnect.infra.timeline.cassandra_order import Order


async def test_whoever_is_done_first_waits_for_those_before() -> None:
    order = Order()
    told: list[str] = []

    async def tells(name: str, *logs: str) -> None:
        turn = order.turn(logs)
        written = done[name]
        try:
            await written.wait()
            await turn.come()
            told.append(name)
        finally:
            turn.end()

    done = {name: asyncio.Event() for name in "abcd"}
    commits = [("a", ["one"]), ("b", ["one", "two"]), ("c", ["two"]), ("d", ["three"])]
    tasks = [asyncio.create_task(tells(name, *logs)) for name, logs in commits]
    for name in "dcba":
        done[name].set()
        for _ in range(10):  # turns of the loop
            await asyncio.sleep(0)
    await asyncio.gather(*tasks)
    assert told == ["d", "a", "b", "c"]


async def test_a_turn_that_ends_without_having_come_holds_nobody_up() -> None:
    order = Order()
    first, second = order.turn(["one"]), order.turn(["one"])
    idle = asyncio.create_task(order.idle("one"))
    first.end()
    first.end()
    await second.come()
    assert not idle.done()
    second.end()
    await idle
    await order.idle("one")
