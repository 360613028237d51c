"""Each row of the table of degraded modes, on real servers (docs/reference/operations.md §9).

The cause is real; what people see, the metric and the alert of the row are looked at meanwhile; and all is as
before by itself. One installation goes through all of them without a restart.
"""

import os
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.faults.plan import LONG
from tests.processes.modes import MODES
from tests.processes.pair import Pair
from tests.processes.surroundings import Surroundings, surroundings
from tests.processes.world import World
from tests.scenarios.patience import eventually

pytestmark = [pytest.mark.faults, pytest.mark.asyncio(loop_scope="module")]

#: Seconds that recovery may take.
RECOVERY = 5.0
#: What every run tries; the others are for the long one.
SHORT = ("the database hangs",)

Started = tuple[Surroundings, Pair]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def started(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Started]:
    async with surroundings(tmp_path_factory.mktemp("surroundings")) as made:
        yield made


def allowed() -> float:
    """Seconds for the recovery, on a machine that does other things too."""
    return RECOVERY * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


@pytest.mark.parametrize("name", MODES if LONG else SHORT)
async def test_a_degraded_mode(started: Started, name: str) -> None:
    around, pair = started
    mode = MODES[name]
    if name.startswith("TURN") and around.coturn is None:
        pytest.skip("coturn is missing")
    pids = [piece.process.pid for piece in pair.pieces if piece.process is not None]
    async with World.made(around, pair) as world:
        await world.talk("before")
        await eventually(around.alarms.watches)
        await mode.begin(world)
        try:
            await eventually(lambda: mode.shows(world), 30)
            await mode.meanwhile(world)
            await around.alarms.fires(*mode.alert)
        finally:
            await mode.end(world)
        began = time.monotonic()
        await eventually(lambda: mode.gone(world), allowed())
        print(f"{name}: recovered after {time.monotonic() - began:.1f} s")
        await mode.after(world)
        await world.talk("after")
        if mode.alert[0] != "DatabasePoolExhausted":  # a rate of five minutes
            await around.alarms.ends(*mode.alert)
    assert pids == [piece.process.pid for piece in pair.pieces if piece.process is not None]
    assert all(piece.alive for piece in pair.pieces)
