"""The bus between processes: reach, order, outages, and that what may have been missed is said."""

import asyncio
import functools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec
import pytest

from secureconnect.infra.bus.redis import RedisBus
from secureconnect.kit.hints import CONTROL, ConversationFrame, EventHint, FactsChanged, Hint, PresenceChanged
from stack.valkey import Valkey
from stack.valkey_groups import ValkeyCluster, ValkeyGroup

from .conftest import Url
from .redis_worlds import Figures, fresh_database, opened_bus, opened_link, until

Open = Callable[..., "asyncio.Future[RedisBus]"]


@pytest.fixture
async def buses() -> AsyncIterator[Callable[..., "asyncio.Task[RedisBus]"]]:
    """Opens buses, each as in a process of its own."""
    async with AsyncExitStack() as stack:

        def opened(url: str, *args: object, **kwargs: float) -> "asyncio.Task[RedisBus]":
            make = functools.partial(opened_bus, url, *args, **kwargs)  # type: ignore[arg-type]
            return asyncio.ensure_future(stack.enter_async_context(make()))

        yield opened


@pytest.fixture(params=["valkey", "cluster"])
def shared(request: pytest.FixtureRequest, redis_url: Url) -> str:
    """A server, or a cluster."""
    return fresh_database(redis_url(request.param))


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Valkey]:
    """A server that a test may end."""
    with Valkey(tmp_path / "valkey") as server:
        yield server


def event(seq: int) -> EventHint:
    return EventHint("c", seq, "message_created", "a", None, b"x" * 200, None, 1.5)


async def test_hints_reach_other_processes_in_order_and_the_own_one_once(
    shared: str, buses: Callable[..., "asyncio.Task[RedisBus]"]
) -> None:
    one, two = await buses(shared), await buses(shared)
    here: list[Hint] = []
    there: list[Hint] = []
    await one.subscribe("conv:c", here.append)
    await two.subscribe("conv:c", there.append)
    sent = [event(seq) for seq in range(1, 300)]
    for at, hint in enumerate(sent):
        one.publish("conv:c", hint)
        if at % 7 == 0:
            await asyncio.sleep(0)
    assert here == sent  # at once
    await until(lambda: len(there) >= len(sent))
    two.publish("conv:c", FactsChanged("back"))
    await until(lambda: here[-1] == FactsChanged("back"))
    assert there == [*sent, FactsChanged("back")]
    assert here == [*sent, FactsChanged("back")]


async def test_what_is_published_after_subscribing_returned_arrives(
    shared: str, buses: Callable[..., "asyncio.Task[RedisBus]"]
) -> None:
    one, two = await buses(shared), await buses(shared)
    for number in range(50):
        seen: list[Hint] = []
        leave = await two.subscribe(f"user:{number % 3}", seen.append)
        one.publish(f"user:{number % 3}", PresenceChanged(str(number)))
        await until(lambda seen=seen: len(seen) == 1)  # type: ignore[misc]
        assert seen == [PresenceChanged(str(number))]
        leave()


async def test_many_channels_at_once(shared: str, buses: Callable[..., "asyncio.Task[RedisBus]"]) -> None:
    one, two = await buses(shared), await buses(shared)
    seen: dict[str, list[Hint]] = {f"conv:{number}": [] for number in range(700)}
    await asyncio.gather(*(two.subscribe(name, found.append) for name, found in seen.items()))
    for name in seen:
        one.publish(name, FactsChanged(name))
    await until(lambda: all(seen.values()))
    assert all(found == [FactsChanged(name)] for name, found in seen.items())


async def test_a_plain_server_serves_too(redis_url: Url) -> None:
    """As before version 7, without sharded channels."""
    url = fresh_database(redis_url("valkey"))
    async with opened_bus(url) as one, opened_bus(url) as two:
        seen: list[Hint] = []
        for bus in (one, two):
            bus._sharded = False
            bus.publish("conv:x", FactsChanged("x"))
        await two.subscribe("conv:c", seen.append)
        one.publish("conv:c", event(1))
        await until(lambda: len(seen) == 1)
        assert seen == [event(1)]


async def test_strangers_on_the_channel_are_ignored(redis_url: Url) -> None:
    url = fresh_database(redis_url("valkey"))
    async with opened_bus(url) as one, opened_bus(url) as two, opened_link(url) as link:
        seen: list[Hint] = []
        await two.subscribe("conv:c", seen.append)
        known = msgspec.msgpack.encode(["conv_frame", "c", b"f", None, "a field of a later version"])
        unknown = msgspec.msgpack.encode(["of a later version", "c", 3])
        other = b"12345678"
        for message in (
            b"",
            b"no message of ours",
            b"\x02\x00" + other + b"\x90",  # a later format
            b"\x01\x09" + other + b"\x90",  # a later kind
            b"\x01\x00" + other + b"\x95",  # damaged
            b"\x01\x00" + other + b"\x92" + unknown + known,
        ):
            await link.call(b"sc:conv:c", "SPUBLISH", "sc:conv:c", message)
        one.publish("conv:c", FactsChanged("end"))
        await until(lambda: FactsChanged("end") in seen)
        assert seen == [ConversationFrame("c", b"f", None), FactsChanged("end")]


async def test_a_healthy_bus_is_never_in_doubt(
    shared: str, buses: Callable[..., "asyncio.Task[RedisBus]"]
) -> None:
    figures = Figures()
    one, two = await buses(shared, figures), await buses(shared)
    doubts: list[bool] = []
    one.on_doubt(doubts.append)
    two.on_doubt(doubts.append)
    seen: list[Hint] = []
    await two.subscribe("conv:c", seen.append)
    for seq in range(2000):
        one.publish("conv:c", event(seq))
    await until(lambda: len(seen) == 2000)
    await until(lambda: figures.published["ok"] == 2000)
    assert doubts == []
    assert figures.published == {"ok": 2000, "failed": 0, "dropped": 0}


async def test_a_server_that_dies_and_comes_back(
    own: Valkey, buses: Callable[..., "asyncio.Task[RedisBus]"]
) -> None:
    figures = Figures()
    one, two = await buses(own.url, figures), await buses(own.url)
    here: list[Hint] = []
    there: list[Hint] = []
    doubts: list[bool] = []
    two.on_doubt(doubts.append)
    await one.subscribe("conv:c", here.append)
    await two.subscribe("conv:c", there.append)
    own.kill()
    await until(lambda: bool(doubts) and not one.ready and figures.state == 2)
    assert figures.up is False
    one.publish("conv:c", event(1))
    assert here == [event(1)]  # the own process hears it at once
    await two.subscribe("conv:later", there.append)  # and nobody waits for what cannot be
    await until(lambda: doubts.count(False) >= 2)  # said again and again
    own.restart()
    await until(lambda: True in doubts and one.ready)
    assert figures.state == 0
    for name in ("conv:c", "conv:later"):
        one.publish(name, FactsChanged(name))
    await until(lambda: len(there) == 2)
    assert set(there) == {FactsChanged("conv:c"), FactsChanged("conv:later")}  # event 1 is not replayed
    assert figures.published["dropped"] == 1


async def test_a_server_that_hangs_is_noticed_before_it_times_out(
    own: Valkey, buses: Callable[..., "asyncio.Task[RedisBus]"]
) -> None:
    figures = Figures()
    bus = await buses(own.url, figures, timeout=1, health_interval=1)
    doubts: list[bool] = []
    bus.on_doubt(doubts.append)
    own.pause()
    try:
        await until(lambda: bool(doubts))
        # Nobody is kept waiting by a server that does not answer.
        async with asyncio.timeout(5):
            leave = await bus.subscribe("conv:c", lambda _hint: None)
        leave()
        await until(lambda: figures.state > 0)
    finally:
        own.resume()
    await until(lambda: True in doubts and figures.state == 0)
    assert "timeout" in figures.failed


async def test_one_cut_connection_is_mended_at_once_and_told_as_a_gap(
    own: Valkey, buses: Callable[..., "asyncio.Task[RedisBus]"]
) -> None:
    figures = Figures()
    one, two = await buses(own.url), await buses(own.url, figures)
    seen: list[Hint] = []
    doubts: list[bool] = []
    two.on_doubt(doubts.append)
    await two.subscribe("conv:c", seen.append)
    with own.client() as client:
        client.client_kill_filter(_type="pubsub")
    await until(lambda: True in doubts and one.ready and two.ready)
    one.publish("conv:c", event(1))
    await until(lambda: bool(seen))
    assert seen == [event(1)]
    assert figures.state == 0
    assert figures.up is None  # Redis was never away


async def test_others_are_told_when_hints_were_lost_that_they_could_have_heard(
    redis_url: Url, buses: Callable[..., "asyncio.Task[RedisBus]"]
) -> None:
    url = fresh_database(redis_url("valkey"))
    one, two = await buses(url), await buses(url)
    doubts: list[bool] = []
    two.on_doubt(doubts.append)
    await two.subscribe(CONTROL, lambda _hint: None)
    one._drop(1)
    await until(lambda: bool(doubts))
    assert doubts == [True]


class Calls:
    """Distress that two processes share."""

    def __init__(self) -> None:
        self.calling = False

    async def call(self) -> None:
        self.calling = True

    async def heard(self) -> bool:
        return self.calling


async def test_distress_of_another_process_is_doubt_here(
    redis_url: Url, buses: Callable[..., "asyncio.Task[RedisBus]"]
) -> None:
    distress = Calls()
    bus = await buses(fresh_database(redis_url("valkey")), None, distress)
    doubts: list[bool] = []
    bus.on_doubt(doubts.append)
    distress.calling = True
    await until(lambda: doubts.count(False) >= 2)
    distress.calling = False
    await until(lambda: doubts[-1])
    assert doubts.count(True) == 1


async def test_a_process_without_redis_calls_for_help(
    own: Valkey, buses: Callable[..., "asyncio.Task[RedisBus]"]
) -> None:
    distress = Calls()
    await buses(own.url, None, distress)
    assert not distress.calling
    own.kill()
    await until(lambda: distress.calling)


async def test_a_node_of_a_cluster_dies_and_comes_back(tmp_path: Path) -> None:
    """Part of a bus is none: there is doubt until every slot is served again, and then everything travels."""
    with ValkeyCluster(tmp_path) as cluster:
        async with opened_bus(cluster.url) as one, opened_bus(cluster.url) as two:
            seen: list[Hint] = []
            doubts: list[bool] = []
            two.on_doubt(doubts.append)
            channels = [f"conv:{number}" for number in range(30)]  # on all nodes
            for channel in channels:
                await two.subscribe(channel, seen.append)
            cluster.nodes[1].kill()
            await until(lambda: bool(doubts) and not one.ready)
            cluster.nodes[1].restart()
            await until(lambda: doubts[-1] and one.ready and two.ready, seconds=40)
            for channel in channels:
                one.publish(channel, FactsChanged(channel))
            await until(lambda: len(seen) == len(channels))
            assert {hint.conversation_id for hint in seen if isinstance(hint, FactsChanged)} == set(channels)


async def test_sentinels_name_the_next_master(tmp_path: Path) -> None:
    with ValkeyGroup(tmp_path) as group:
        async with opened_bus(group.url, health_interval=0.5) as one, opened_bus(group.url) as two:
            seen: list[Hint] = []
            doubts: list[bool] = []
            two.on_doubt(doubts.append)
            await two.subscribe("conv:c", seen.append)
            one.publish("conv:c", event(1))
            await until(lambda: len(seen) == 1)
            group.primary.kill()
            await until(lambda: True in doubts and one.ready, seconds=40)
            one.publish("conv:c", event(2))
            await until(lambda: len(seen) == 2)
            assert seen == [event(1), event(2)]
