"""Further rows of the table of degraded modes: a role without a process, a full disk, dependencies that are
slow, and no monitoring (docs/reference/operations.md §9).
"""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.faults.plan import LONG
from tests.processes.alarms import watching
from tests.processes.pair import Pair, metric
from tests.processes.surroundings import Surroundings, surroundings
from tests.processes.world import World
from tests.scenarios.disks import SmallFileSystem
from tests.scenarios.files import begin
from tests.scenarios.networked import Split
from tests.scenarios.patience import eventually
from tests.scenarios.pieces import Embedded
from tests.scenarios.server import Server, _ready
from tests.scenarios.steps import Answer, direct, register, request, send, stranger, whole_log, ws

pytestmark = [pytest.mark.faults, pytest.mark.asyncio(loop_scope="module")]

needs_time = pytest.mark.skipif(not LONG, reason="takes long: FAULTS=long runs it")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def started(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Surroundings, Pair]]:
    # As many connections as by default: slow ones are all in use for a while.
    async with surroundings(tmp_path_factory.mktemp("surroundings"), pool=25) as made:
        yield made


@needs_time
@pytest.mark.parametrize("dependency", ["database", "object_store", "redis"])
async def test_a_slow_dependency_makes_slow_and_nothing_else(
    started: tuple[Surroundings, Pair], dependency: str
) -> None:
    """300 ms more for each round trip (X15): nothing is refused, taken for down, lost or told twice."""
    around, pair = started
    lines = pair.cables if dependency == "redis" else [around.lines[dependency]]
    async with World.made(around, pair) as world:
        before = len(await whole_log(world.ann, world.chat))
        for line in lines:
            line.delay = 0.15
        try:
            began = time.monotonic()
            answers = await asyncio.gather(
                *(send(world.ann, world.chat, f"slow {number}", f"k{number}") for number in range(10))
            )
            assert [answer.status for answer in answers] == [201] * 10
            assert (await begin(world.ann, 5))["file_id"]
            for number in range(10):
                await world.there.frame(type="event", conversation_id=world.chat, seq=before + 1 + number)
            print(f"{dependency} is slow: ten messages in {time.monotonic() - began:.1f} s")
            assert await world.ready(200, "ready")
            assert not await world.down(dependency)
        finally:
            for line in lines:
                line.delay = 0.0
        await world.talk("quick again")
        log = await whole_log(world.ann, world.chat)
        assert [event["seq"] for event in log] == list(range(1, before + 12))
        assert world.there.events(world.chat) == sorted(
            world.there.events(world.chat), key=lambda one: one["seq"]
        )


@needs_time
async def test_nobody_watches(started: tuple[Surroundings, Pair]) -> None:
    """Without Prometheus everything goes on (X16)."""
    around, pair = started
    async with World.made(around, pair) as world:
        await asyncio.to_thread(around.alarms.prometheus.kill)
        await world.talk("unseen")
        assert await world.ready(200, "ready")
        await asyncio.to_thread(around.alarms.prometheus.start)


@needs_time
async def test_a_role_without_a_process(tmp_path: Path) -> None:
    """Only its own prefixes are refused, the gateway says which role is away, and ServiceDown fires."""
    place = Server(tmp_path / "data", arrange=lambda directory, port, _: Split(directory, port))
    jobs = {f"secureconnect-{piece.name}": [f"127.0.0.1:{piece.port}"] for piece in place.pieces}
    try:
        await place.start()
        async with watching(tmp_path / "monitoring", jobs) as alarms:
            ann, ben = [await register(stranger(place.url, name)) for name in ("ann", "ben")]
            chat = (await direct(ann, ben))["conversation_id"]
            async with ws(ben) as there:
                back = place.piece("storage1")
                assert back.process is not None
                back.process.kill()
                back.process.wait()

                async def refused() -> Answer:
                    return await ann.get("/v1/storage/quota")

                for answer in [await refused() for _ in range(8)]:
                    assert answer.status in {502, 503}, answer.raw
                    assert int(answer.headers["retry-after"]) >= 1
                seq = (await send(ann, chat, "the others go on")).ok(201)["seq"]
                await there.frame(type="event", seq=seq)
                await eventually(lambda: degraded(place))
                await alarms.fires("ServiceDown", f"127.0.0.1:{back.port}")
                gateway = place.piece("gateway")
                assert await metric(gateway, "service_ready") == 1
                assert not [found for found in await alarms.firing() if found[0] == "NotReady"]
                await asyncio.to_thread(back.launch, place.environment, tmp_path)
                await _ready(back, 60)
                began = time.monotonic()

                async def served() -> bool:
                    return (await refused()).status == 200

                await eventually(served)
                print(f"storage is back: served after {time.monotonic() - began:.1f} s")
                await alarms.ends("ServiceDown", f"127.0.0.1:{back.port}")
    finally:
        await asyncio.to_thread(place.clean)


async def degraded(place: Server) -> bool:
    """What the gateway says of storage."""
    answer = await request(place.url, "GET", "/readyz")
    found = answer.body["dependencies"]["storage"]["status"]
    return bool((answer.status, answer.body["status"], found) == (200, "degraded", "down"))


async def test_a_full_disk_is_told(tmp_path: Path) -> None:
    """DiskCritical fires while writes are refused, and ends when there is room."""
    if not SmallFileSystem.possible(tmp_path / "probe"):
        pytest.skip("this machine lets us mount nothing")
    with SmallFileSystem.at(tmp_path / "small") as disk:
        place = Server(disk.data_dir, arrange=lambda directory, port, _: Embedded(directory, port))
        try:
            await place.start()
            target = {"secureconnect": [f"127.0.0.1:{place.port}"]}
            async with watching(tmp_path / "monitoring", target) as alarms:
                ann, ben = [await register(stranger(place.url, name)) for name in ("ann", "ben")]
                chat = (await direct(ann, ben))["conversation_id"]
                disk.fill(place)

                async def refused() -> bool:
                    return (await send(ann, chat, "x" * 3000)).status == 503

                await eventually(refused)
                (await ann.get(f"/v1/conversations/{chat}/events?after_seq=0")).ok()
                await alarms.fires("DiskCritical")
                disk.free(place)
                began = time.monotonic()

                async def taken() -> bool:
                    return (await send(ann, chat, "there is room")).status == 201

                await eventually(taken)
                print(f"the disk has room: written after {time.monotonic() - began:.1f} s")
                await alarms.ends("DiskCritical")
        finally:
            await asyncio.to_thread(place.clean)
