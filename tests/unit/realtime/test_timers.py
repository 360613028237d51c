"""The shared timer wheel, and the limits of one socket."""

import asyncio

from secureconnect.edge.realtime.session.limits import CommandBucket, Recent
from secureconnect.edge.realtime.settings import RealtimeSettings
from secureconnect.edge.realtime.timers import Timers
from tests.unit.realtime.fakes import FakeClock


class Sleeper:
    def __init__(self, clock: FakeClock, *, broken: bool = False) -> None:
        self.due_tick = -1
        self.clock = clock
        self.broken = broken
        self.woken: list[float] = []

    def due(self) -> None:
        self.woken.append(self.clock.seconds)
        if self.broken:
            raise RuntimeError


def test_never_early_and_once() -> None:
    clock = FakeClock()
    timers = Timers(clock)
    one, broken, two = Sleeper(clock), Sleeper(clock, broken=True), Sleeper(clock)
    timers.wake(one, 1.0)
    timers.wake(broken, 1.0)
    timers.wake(two, 0.5)
    timers.wake(two, 2.0)
    for _ in range(30):
        clock.seconds += 0.1
        timers.poll()
    assert len(one.woken) == len(broken.woken) == len(two.woken) == 1
    assert 1000.99 < one.woken[0] < 1001.2
    assert 1001.99 < two.woken[0] < 1002.2


def test_forgotten_and_overdue() -> None:
    clock = FakeClock()
    timers = Timers(clock)
    one, two = Sleeper(clock), Sleeper(clock)
    timers.wake(one, 1)
    timers.wake(two, 1)
    timers.forget(one)
    clock.seconds += 100_000
    timers.poll()
    assert one.woken == []
    assert len(two.woken) == 1
    timers.wake(one, -5)
    clock.seconds += 0.2
    timers.poll()
    assert len(one.woken) == 1


async def test_run_polls() -> None:
    clock = FakeClock()
    timers = Timers(clock)
    rung = asyncio.Event()

    class Bell:
        due_tick = -1

        def due(self) -> None:
            rung.set()

    timers.wake(Bell(), 0)
    clock.seconds += 1
    task = asyncio.create_task(timers.run())
    async with asyncio.timeout(5):
        await rung.wait()
    task.cancel()


def test_recent_counts_within_a_minute() -> None:
    recent = Recent(3)
    assert [recent.add(at) for at in (0, 30, 61, 62, 89, 150)] == [False, False, False, True, True, False]


def test_bucket_refills() -> None:
    bucket = CommandBucket(RealtimeSettings(commands_per_second=0.1, commands_burst=2), 0)
    assert [bucket.take(0), bucket.take(0), bucket.take(0)] == [0, 0, 10]
    assert bucket.take(5) == 5
    assert bucket.take(10.1) == 0
    assert bucket.take(1000) == 0
    assert bucket.take(1000) == 0
    assert bucket.take(1000) == 10
