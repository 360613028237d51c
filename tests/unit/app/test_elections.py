"""Of several processes one runs a job; when it dies another one does, and sees to what it left."""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from types import SimpleNamespace
from typing import cast

import pytest

from secureconnect.app.elections import Elections, stand
from secureconnect.app.jobs import Jobs
from secureconnect.app.stores import Stores
from secureconnect.edge.module import Module, Task
from secureconnect.infra.bus.memory import MemoryBus
from secureconnect.infra.leases.base import Expired
from secureconnect.infra.telemetry.metrics import Metrics
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.hints import CONTROL, Hint, ProcessGone
from tests.contract.manual_clock import ManualClock


class Table:
    """Leases in memory; `down` makes the store fail."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.rows: dict[str, tuple[str, int]] = {}
        self.down = False

    def of(self, holder: str) -> "Held":
        return Held(self, holder)


class Held:
    """Leases as one process sees them."""

    def __init__(self, table: Table, holder: str) -> None:
        self.table = table
        self.holder = holder

    async def take(self, names: Collection[str], seconds: float) -> set[str]:
        if self.table.down:
            raise ApiError(ErrorCode.DATABASE_UNAVAILABLE)
        now, rows = self.table.clock.now(), self.table.rows
        mine = {
            name for name in names if name not in rows or rows[name][0] == self.holder or rows[name][1] <= now
        }
        rows.update(dict.fromkeys(mine, (self.holder, now + int(seconds * 1000))))
        return mine

    async def give_back(self, names: Collection[str]) -> None:
        for name in names:
            if self.table.rows.get(name, ("", 0))[0] == self.holder:
                del self.table.rows[name]

    async def held_elsewhere(self, prefix: str) -> bool:
        now = self.table.clock.now()
        return any(
            name.startswith(prefix) and holder != self.holder and until > now
            for name, (holder, until) in self.table.rows.items()
        )

    async def expired(self, prefix: str) -> list[Expired]:
        now = self.table.clock.now()
        return [
            Expired(name, until)
            for name, (_, until) in self.table.rows.items()
            if name.startswith(prefix) and until <= now
        ]

    async def remove(self, lease: Expired) -> bool:
        return self.table.rows.pop(lease.name, None) is not None


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def table(clock: ManualClock) -> Table:
    return Table(clock)


Stand = Callable[..., "asyncio.Future[Elections]"]


@pytest.fixture
async def standing_for(table: Table) -> AsyncIterator[Stand]:
    """Lets a process stand for the jobs a and b; it asks all the time."""
    async with AsyncExitStack() as stack:

        @asynccontextmanager
        async def standing(process: str, **more: object) -> AsyncIterator[Elections]:
            elections = Elections(
                table.of(process),
                table.clock,
                process,
                ["a", "b"],
                renewed=0.001,
                **more,  # type: ignore[arg-type]
            )
            elections.start()
            await elections.settled()
            yield elections
            await elections.stop()

        yield lambda process, **more: asyncio.ensure_future(
            stack.enter_async_context(standing(process, **more))
        )


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - nobody tells us
            await asyncio.sleep(0.001)


async def test_the_first_gets_all_and_keeps_them(standing_for: Stand, clock: ManualClock) -> None:
    one, two = await standing_for("one"), await standing_for("two")
    assert (one.holds("a"), one.holds("b")) == (True, True)
    for _ in range(5):
        clock.advance(10)
        await until(lambda: one.holds("a"))
    assert not two.holds("a")


async def test_one_that_leaves_is_followed_at_once(standing_for: Stand) -> None:
    one, two = await standing_for("one"), await standing_for("two")
    await one.stop()
    await until(lambda: two.holds("a") and two.holds("b"))
    assert not one.holds("a")


async def test_one_that_died_is_followed_and_mourned_once(
    standing_for: Stand, clock: ManualClock, table: Table
) -> None:
    mourned: list[int] = []
    gone: list[str] = []

    async def mourn(since: int) -> None:
        mourned.append(since)

    one = await standing_for("one")
    assert one._task is not None
    one._task.cancel()  # as kill -9 does
    last_sign = clock.now()
    two = await standing_for("two", mourners=[mourn], told=gone.append)
    clock.advance(19)
    assert not two.holds("a")
    clock.advance(1)
    await until(lambda: two.holds("a") and bool(gone))
    assert mourned == [last_sign]
    assert gone == ["one"]
    assert "process:one" not in table.rows


async def test_one_that_was_stopped_for_long_begins_nothing(standing_for: Stand, clock: ManualClock) -> None:
    one = await standing_for("one")
    assert one._task is not None
    one._task.cancel()  # stopped by the machine
    clock.advance(18.5)
    assert not one.holds("a")  # although nobody else has it yet


async def test_without_the_store_a_holder_holds_until_its_time_is_over(
    standing_for: Stand, clock: ManualClock, table: Table
) -> None:
    one = await standing_for("one")
    table.down = True
    clock.advance(10)
    assert one.holds("a")
    clock.advance(10)
    assert not one.holds("a")
    table.down = False
    await until(lambda: one.holds("a"))


async def test_one_that_hears_nothing_of_others_says_so_once(
    standing_for: Stand, capsys: pytest.CaptureFixture[str]
) -> None:
    one = await standing_for("one", deaf=True)
    assert one._deaf
    await standing_for("two")
    await until(lambda: not one._deaf)
    assert capsys.readouterr().out.count("set redis.url") == 1


async def test_everybody_hears_of_processes_that_end_and_of_those_that_died(
    table: Table, clock: ManualClock
) -> None:
    bus = MemoryBus()
    heard: list[Hint] = []
    mourned: list[int] = []
    await bus.subscribe(CONTROL, heard.append)

    async def mourn(since: int) -> None:
        mourned.append(since)

    async def nothing() -> int:
        return 0

    table.rows["process:dead"] = ("dead", clock.now() - 1)
    stores = SimpleNamespace(leases=table.of("one"), clock=clock, process="one", bus=bus)
    tasks = [Task("a", 1, nothing), Task("each", 1, nothing, everywhere=True)]
    modules = [Module(name="m", role="chat", bereaved=mourn), Module(name="n", role="chat")]
    async with stand(cast("Stores", stores), tasks, modules) as holds:
        assert holds is not None
        begins: Callable[[str], bool] = holds
        await until(lambda: begins("a") and bool(heard))
        assert not begins("each")
        assert (heard, len(mourned)) == ([ProcessGone()], 1)
        assert "process:dead" not in table.rows
    assert heard == [ProcessGone(), ProcessGone()]
    assert table.rows == {}
    stores.leases = None
    async with stand(cast("Stores", stores), tasks, modules) as holds:
        assert holds is None  # alone, everything is ours


async def test_jobs_run_where_they_are_held_and_some_everywhere() -> None:
    ran: list[str] = []
    mine: set[str] = set()

    def task(name: str, *, everywhere: bool = False) -> Task:
        async def run() -> int:
            ran.append(name)
            return 0

        return Task(name, 0.001, run, everywhere)

    jobs = Jobs([task("one"), task("all", everywhere=True)], Metrics("test", "0"), mine.__contains__)
    jobs.start()
    await until(lambda: ran.count("all") >= 3)
    assert "one" not in ran
    mine.add("one")
    await until(lambda: "one" in ran)
    await jobs.stop()
