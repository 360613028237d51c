"""One process or store is gone and the rest goes on: X2, X8, X14, and kills of everything there is."""

import asyncio
import random
import signal
import time
from pathlib import Path

import pytest

from tests.faults.cluster import Load, cluster
from tests.faults.plan import SEED, kills
from tests.faults.stored import check_log, check_membership, read_stored
from tests.scenarios.crash import Reader
from tests.scenarios.patience import eventually
from tests.scenarios.steps import group, register, send, stranger, whole_log

pytestmark = [
    pytest.mark.faults,
    pytest.mark.only_on("postgres", "cassandra", reason="one process is killed as a whole (X5)"),
]

VICTIMS = (
    "chat1",
    "gateway",
    "valkey",
    "auth1",
    "postgres",
    "video1",
    "storage1",
    "nginx",
    "chat2",
    "seaweed",
)


async def recovered(load: Load) -> float:
    """Seconds until every writer got something through."""
    began = time.monotonic()
    await load.more(len(load.writers))
    return time.monotonic() - began


async def test_anything_may_be_killed(tmp_path: Path) -> None:
    """SIGKILL of each role, of nginx and of each store under load: clients come back by themselves, nothing
    acknowledged is lost, there is one order for everybody, and nothing has to be restarted for it."""
    chance = random.Random(SEED)
    away: dict[str, float] = {}
    async with cluster(tmp_path) as place:
        async with Load.on(place.url, chance) as load:
            for name in VICTIMS * kills(1, long=5):
                await load.more(chance.randrange(20, 60))
                back = await asyncio.to_thread(place.take, name)
                await asyncio.sleep(chance.random())  # for some time it is not there
                await asyncio.to_thread(back)
                seconds = await recovered(load)
                away[name] = max(away.get(name, 0.0), seconds)
        stored = read_stored(place.tables)
        check_log(stored)
        check_membership(stored)
        refusals = sum((writer.refusals for writer in load.writers), start=load.writers[0].refusals)
        print(
            f"{load.acked} acknowledged messages, {dict(refusals)}, seed {SEED}; seconds until all write: "
            + ", ".join(f"{name} {seconds:.1f}" for name, seconds in away.items())
        )


async def test_x2_the_database_is_away_for_a_while(tmp_path: Path) -> None:
    """Refusals name it and say when to come back; none is a 500, none hangs, and then all goes on."""
    chance = random.Random(SEED)
    async with cluster(tmp_path) as place, Load.on(place.url, chance) as load:
        await load.more(50)
        await asyncio.to_thread(place.postgres.kill)

        async def refused() -> bool:
            return all(writer.refusals["DATABASE_UNAVAILABLE"] for writer in load.writers[::2])

        await eventually(refused, 60)
        answer = await load.owner.get("/v1/users/me")
        answer.is_error(503, "DATABASE_UNAVAILABLE")
        assert int(answer.headers["retry-after"]) >= 1
        await asyncio.to_thread(place.postgres.start)
        print(f"X2: all write again after {await recovered(load):.1f} s")


async def test_x8_a_chat_process_stands_still(tmp_path: Path) -> None:
    """SIGSTOP: its clients find the other one, and what it does when it goes on changes nothing."""
    chance = random.Random(SEED)
    async with cluster(tmp_path, realtime={"ping_interval": 1, "idle_timeout": 3}) as place:
        async with Load.on(place.url, chance) as load:
            await load.more(50)
            place.piece("chat1").signal(signal.SIGSTOP)
            print(f"X8: all write again after {await recovered(load):.1f} s")
            await load.more(50)
            place.piece("chat1").signal(signal.SIGCONT)
            await place.ready()
            await load.more(50)
        stored = read_stored(place.tables)
        check_log(stored)
        check_membership(stored)


async def test_x14_sockets_of_a_killed_process_resume_on_the_other(tmp_path: Path) -> None:
    """Many sockets, half of them on the process that dies: everybody comes back and has missed nothing."""
    count = kills(40, long=500)
    async with cluster(tmp_path) as place:
        a = await register(stranger(place.url, "a"))
        others = [await register(stranger(place.url, f"b{number}")) for number in range(count // 5)]
        g = (await group(a, others))["conversation_id"]
        readers = [Reader(b, g) for b in others for _ in range(5)]
        async with asyncio.TaskGroup() as reading:
            for reader in readers:
                reading.create_task(reader.run())
            before = (await send(a, g, "before")).ok(201)["seq"]

            async def all_read(seq: int) -> bool:
                return all(reader.last >= seq for reader in readers)

            await eventually(lambda: all_read(before))
            back = await asyncio.to_thread(place.take, "chat1")
            killed = time.monotonic()
            for number in range(3):
                last = (await send(a, g, f"while it is away {number}")).ok(201)["seq"]
            await eventually(lambda: all_read(last), 30)
            print(f"X14: {count} sockets had everything {time.monotonic() - killed:.1f} s after the kill")
            for reader in readers:
                reader.finish(last)
        back()
        log = await whole_log(a, g)
        assert all(reader.log == log for reader in readers)
        assert sum(reader.sockets for reader in readers) > count, "some were on the process that died"
