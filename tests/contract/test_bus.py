"""The Bus port: order, reach, and that nobody's defect is somebody else's problem."""

import asyncio
from collections.abc import Callable

import pytest

from secureconnect.infra.bus.base import Bus
from secureconnect.kit.hints import FactsChanged, Hint, PresenceChanged, conversation_channel, user_channel


async def until(condition: Callable[[], bool]) -> None:
    """A distributed bus delivers a moment later; an embedded one at once."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - hints arrive by callback, not by an event of ours
            await asyncio.sleep(0)


async def test_subscribers_get_the_hints_of_their_channel_in_order(bus: Bus) -> None:
    mine: list[Hint] = []
    also_mine: list[Hint] = []
    other: list[Hint] = []
    await bus.subscribe("conv:a", mine.append)
    await bus.subscribe("conv:a", also_mine.append)
    await bus.subscribe("conv:b", other.append)
    sent = [FactsChanged(str(number)) for number in range(100)]
    for hint in sent:
        bus.publish("conv:a", hint)
    bus.publish("conv:b", PresenceChanged("u"))
    await until(lambda: len(mine) == len(also_mine) == 100 and len(other) == 1)
    assert mine == also_mine == sent
    assert other == [PresenceChanged("u")]


async def test_channels_without_subscribers_take_hints(bus: Bus) -> None:
    seen: list[Hint] = []
    bus.publish(user_channel("nobody"), PresenceChanged("nobody"))
    await bus.subscribe(user_channel("nobody"), seen.append)
    bus.publish(user_channel("nobody"), PresenceChanged("later"))
    await until(lambda: len(seen) == 1)
    assert seen == [PresenceChanged("later")]


async def test_after_unsubscribing_nothing_comes(bus: Bus) -> None:
    gone: list[Hint] = []
    stays: list[Hint] = []
    unsubscribe = await bus.subscribe("conv:a", gone.append)
    await bus.subscribe("conv:a", stays.append)
    unsubscribe()
    unsubscribe()
    bus.publish("conv:a", FactsChanged("a"))
    await until(lambda: len(stays) == 1)
    assert gone == []


async def test_the_same_handler_may_subscribe_twice(bus: Bus) -> None:
    seen: list[Hint] = []
    first = await bus.subscribe("conv:a", seen.append)
    await bus.subscribe("conv:a", seen.append)
    first()
    first()
    bus.publish("conv:a", FactsChanged("a"))
    await until(lambda: len(seen) >= 1)
    assert seen == [FactsChanged("a")]


async def test_equal_handlers_are_told_apart(bus: Bus) -> None:
    class Listener:
        """Bound methods of equal objects are equal; their subscriptions are not the same."""

        def __init__(self) -> None:
            self.seen: list[Hint] = []

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Listener)

        def __hash__(self) -> int:
            return 1

        def heard(self, hint: Hint) -> None:
            self.seen.append(hint)

    first, second = Listener(), Listener()
    await bus.subscribe("conv:a", first.heard)
    leave = await bus.subscribe("conv:a", second.heard)
    leave()
    bus.publish("conv:a", FactsChanged("a"))
    await until(lambda: len(first.seen) + len(second.seen) >= 1)
    assert (len(first.seen), len(second.seen)) == (1, 0)


async def test_a_failing_handler_stops_nobody(bus: Bus, capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[Hint] = []

    def broken(hint: Hint) -> None:
        raise RuntimeError("defect")

    await bus.subscribe("conv:a", broken)
    await bus.subscribe("conv:a", seen.append)
    bus.publish("conv:a", FactsChanged("a"))
    bus.publish("conv:a", FactsChanged("b"))
    await until(lambda: len(seen) == 2)
    assert seen == [FactsChanged("a"), FactsChanged("b")]


async def test_handlers_may_leave_while_called(bus: Bus) -> None:
    seen: list[str] = []
    leave: list[Callable[[], None]] = []

    def once(hint: Hint) -> None:
        seen.append("once")
        leave.pop()()

    leave.append(await bus.subscribe("conv:a", once))
    await bus.subscribe("conv:a", lambda _hint: seen.append("always"))
    bus.publish("conv:a", FactsChanged("a"))
    await until(lambda: len(seen) == 2)
    bus.publish("conv:a", FactsChanged("b"))
    await until(lambda: len(seen) == 3)
    assert seen == ["once", "always", "always"]


async def test_a_handler_may_publish(bus: Bus) -> None:
    seen: list[Hint] = []
    await bus.subscribe(conversation_channel("a"), lambda _hint: bus.publish("user:b", PresenceChanged("b")))
    await bus.subscribe("user:b", seen.append)
    bus.publish(conversation_channel("a"), FactsChanged("a"))
    await until(lambda: len(seen) == 1)


async def test_order_holds_when_a_handler_publishes_on_its_own_channel(bus: Bus) -> None:
    seen: list[Hint] = []

    def echo(hint: Hint) -> None:
        if hint == FactsChanged("first"):
            bus.publish("conv:a", FactsChanged("second"))

    await bus.subscribe("conv:a", echo)
    await bus.subscribe("conv:a", seen.append)
    bus.publish("conv:a", FactsChanged("first"))
    await until(lambda: len(seen) == 2)
    assert seen == [FactsChanged("first"), FactsChanged("second")]


async def test_a_closed_bus_delivers_nothing_and_does_not_mind(bus: Bus) -> None:
    seen: list[Hint] = []
    leave = await bus.subscribe("conv:a", seen.append)
    await bus.close()
    bus.publish("conv:a", FactsChanged("a"))
    leave()
    await bus.close()
    assert seen == []


async def test_who_was_unsubscribed_by_a_handler_before_it_hears_nothing(bus: Bus) -> None:
    seen: list[Hint] = []
    leave: list[Callable[[], None]] = []
    heard: list[Hint] = []

    def remove(hint: Hint) -> None:
        heard.append(hint)
        leave[0]()

    await bus.subscribe("conv:a", remove)
    leave.append(await bus.subscribe("conv:a", seen.append))
    bus.publish("conv:a", FactsChanged("a"))
    bus.publish("conv:a", FactsChanged("b"))
    await until(lambda: len(heard) == 2)
    assert seen == []
