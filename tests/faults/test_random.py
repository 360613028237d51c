"""Random faults, one or two at a time, while people write and read: nothing acknowledged is lost, doubled or
put in another order, and everybody writes again after each by themselves.

`SECURECONNECT_FAULT_SEED` chooses others and repeats a run, `SECURECONNECT_FAULTS` says how many.
"""

import asyncio
import random
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

from tests.faults.cluster import Cluster, Load, cluster
from tests.faults.plan import SEED, faults
from tests.faults.schedule import Fault, Ways, happen, planned
from tests.faults.stored import check_log, check_membership, read_stored
from tests.scenarios.disks import FileSizeLimit
from tests.scenarios.server import Server

pytestmark = pytest.mark.faults

HOUR = 3600
PATIENCE = 120.0
#: Tokens and sockets outlive the steps of the clocks.
LASTING = {"access_ttl": 86_400}


async def run(load: Load, turns: list[list[Fault]], kinds: dict[str, Ways]) -> dict[str, float]:
    """Let everything happen; returns the longest time until all wrote again, by fault."""
    away: dict[str, float] = {}
    for number, turn in enumerate(turns):
        await load.more(len(load.writers), PATIENCE)
        await happen(turn, kinds)
        began = time.monotonic()
        try:
            await load.more(len(load.writers), PATIENCE)
        except TimeoutError:
            raise AssertionError(f"nobody writes after turn {number}: {', '.join(map(str, turn))}") from None
        seconds = time.monotonic() - began
        for fault in turn:
            away[fault.kind] = max(away.get(fault.kind, 0.0), seconds)
    return away


async def suffered(place: Server, chance: random.Random, kinds: dict[str, Ways], count: int) -> None:
    """So many faults under load; afterwards the stores hold what was acknowledged, in one order."""
    turns = planned(chance, kinds, count)
    async with Load.on(place.url, chance) as load:
        away = await run(load, turns, kinds)
    stored = read_stored(place.tables)
    check_log(stored)
    check_membership(stored)
    print(told(load, turns, away))


def told(load: Load, turns: list[list[Fault]], away: dict[str, float]) -> str:
    happened = [fault for turn in turns for fault in turn]
    kinds = Counter(fault.kind for fault in happened)
    refusals = sum((writer.refusals for writer in load.writers), start=Counter[str]())
    repeats = sum(writer.repeats for writer in load.writers)
    return (
        f"seed {SEED}: {len(happened)} faults {dict(kinds)}; {load.acked} acknowledged messages, {repeats}"
        f" repeats, refused {dict(refusals)}; seconds until all wrote again, at most: "
        + ", ".join(f"{kind} {seconds:.1f}" for kind, seconds in sorted(away.items()))
    )


def of_a_cluster(place: Cluster) -> dict[str, Ways]:
    """What can happen to five roles and their stores."""
    pieces = [piece.name for piece in place.pieces]
    everybody = [*pieces, *sorted(place.servers)]

    async def kill(fault: Fault) -> None:
        back = await asyncio.to_thread(place.take, fault.victim)
        await asyncio.sleep(fault.lasts)
        await asyncio.to_thread(back)

    async def stop(fault: Fault) -> None:
        if fault.victim in place.servers:
            server = place.servers[fault.victim]
            server.pause()
            await asyncio.sleep(fault.lasts)
            server.resume()
            return
        piece = place.piece(fault.victim)
        piece.signal(signal.SIGSTOP)
        await asyncio.sleep(fault.lasts)
        piece.signal(signal.SIGCONT)

    async def reset(fault: Fault) -> None:
        await place.links[fault.victim].reset()

    async def cut(fault: Fault) -> None:
        await place.links[fault.victim].cut()
        await asyncio.sleep(fault.lasts)
        await place.links[fault.victim].lay()

    async def silence(fault: Fault) -> None:
        place.links[fault.victim].silence()
        await asyncio.sleep(fault.lasts)
        place.links[fault.victim].resound()

    async def delay(fault: Fault) -> None:
        place.links[fault.victim].delay = 0.01 + 0.2 * fault.size
        await asyncio.sleep(fault.lasts)
        place.links[fault.victim].delay = 0.0

    async def clock(fault: Fault) -> None:
        await step(place, fault)

    links = sorted(place.links)
    return {
        "SIGKILL": Ways(everybody, kill, 1.5),
        "SIGSTOP": Ways(everybody, stop, 4),
        "reset": Ways(links, reset, 0.1),
        "cut": Ways(links, cut, 3),
        "silence": Ways(links, silence, 3),
        "delay": Ways(links, delay, 4),
        "clock": Ways(pieces, clock, 2),
    }


async def step(place: Server, fault: Fault) -> None:
    """An hour ahead, and back."""
    piece = place.piece(fault.victim)
    piece.set_ahead(HOUR * fault.size)
    await asyncio.sleep(fault.lasts)
    piece.set_ahead(0)


@pytest.mark.only_on("postgres", "cassandra", reason="it needs a process per role")
async def test_random_faults_on_five_roles(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    async with cluster(tmp_path, wired=True, auth=LASTING) as place:
        await suffered(place, chance, of_a_cluster(place), faults(6))


def of_one_process(place: Server, disk: FileSizeLimit) -> dict[str, Ways]:
    """What can happen to a process on its own disk."""
    (name,) = [piece.name for piece in place.pieces]

    async def kill(fault: Fault) -> None:
        await asyncio.to_thread(place.kill)
        await asyncio.sleep(fault.lasts)
        await place.start()

    async def stop(fault: Fault) -> None:
        place.piece(name).signal(signal.SIGSTOP)
        await asyncio.sleep(fault.lasts)
        place.piece(name).signal(signal.SIGCONT)

    async def full(fault: Fault) -> None:
        disk.fill(place)
        await asyncio.sleep(fault.lasts)
        disk.free(place)

    async def clock(fault: Fault) -> None:
        await step(place, fault)

    kinds = {"SIGKILL": kill, "SIGSTOP": stop, "full disk": full, "clock": clock}
    return {kind: Ways([name], act, 1.5) for kind, act in kinds.items()}


@pytest.mark.only_on("embedded", reason="it has one process and a directory")
async def test_random_faults_on_one_process(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    with FileSizeLimit.at(tmp_path / "disk") as disk:
        place = Server(disk.data_dir, auth=LASTING)
        try:
            for piece in place.pieces:
                piece.set_ahead(0)
            await place.start()
            await suffered(place, chance, of_one_process(place, disk), faults(5))
        finally:
            await asyncio.to_thread(place.clean)
