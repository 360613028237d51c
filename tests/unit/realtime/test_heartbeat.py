"""The one timer behind all sockets."""

import asyncio

from secureconnect.edge.realtime.transport.heartbeat import Beating, Heartbeat
from secureconnect.kit.clock import SystemClock
from tests.unit.serving import FakeClock, until


class Heart:
    def __init__(self, clock: FakeClock, name: int = 0) -> None:
        self.seen = clock.monotonic()
        self.name = name
        self.pings: list[float] = []
        self.ends: list[float] = []
        self.slot: set[Beating] = set()
        self._clock = clock
        self.heartbeat: Heartbeat | None = None

    def ping(self) -> None:
        self.pings.append(self._clock.monotonic())

    def expired(self) -> None:
        self.ends.append(self._clock.monotonic())
        if self.heartbeat is not None:
            self.heartbeat.leave(self, self.slot)


def run(heartbeat: Heartbeat, clock: FakeClock, seconds: int) -> None:
    for _ in range(seconds):
        clock.time += 1.0
        heartbeat.beat()


def test_every_socket_is_pinged_once_per_interval_and_not_all_at_once() -> None:
    clock = FakeClock()
    heartbeat = Heartbeat(clock=clock, idle_timeout=1_000_000)
    hearts = [Heart(clock) for _ in range(100)]
    for heart in hearts:
        heartbeat.join(heart)
    run(heartbeat, clock, 25)
    assert all(len(heart.pings) == 1 for heart in hearts)
    for second in range(1, 26):
        assert sum(heart.pings[0] == 1_000 + second for heart in hearts) == 4
    run(heartbeat, clock, 75)
    assert all(
        [later - earlier for earlier, later in zip(heart.pings, heart.pings[1:], strict=False)] == [25.0] * 3
        for heart in hearts
    )


def test_silence_is_noticed_within_a_step_wherever_the_turn_falls() -> None:
    clock = FakeClock()
    heartbeat = Heartbeat(clock=clock)
    hearts = [Heart(clock, number) for number in range(50)]
    for heart in hearts:
        heart.heartbeat = heartbeat
        heart.slot = heartbeat.join(heart)
    run(heartbeat, clock, 10)
    for heart in hearts:
        heart.seen = clock.monotonic() - heart.name / 10
    last = {heart.name: heart.seen for heart in hearts}
    run(heartbeat, clock, 100)
    for heart in hearts:
        assert len(heart.ends) == 1
        assert 60.0 <= heart.ends[0] - last[heart.name] <= 61.0


def test_a_late_sign_of_life_counts() -> None:
    clock = FakeClock()
    heartbeat = Heartbeat(clock=clock)
    heart = Heart(clock)
    heartbeat.join(heart)
    run(heartbeat, clock, 59)
    heart.seen = clock.monotonic()
    run(heartbeat, clock, 59)
    assert heart.ends == []
    run(heartbeat, clock, 2)
    assert heart.ends


def test_who_left_is_left_alone() -> None:
    clock = FakeClock()
    heartbeat = Heartbeat(clock=clock)
    heart = Heart(clock)
    slot = heartbeat.join(heart)
    run(heartbeat, clock, 59)
    heartbeat.leave(heart, slot)
    pings = len(heart.pings)
    run(heartbeat, clock, 100)
    assert (len(heart.pings), heart.ends) == (pings, [])


def test_a_clock_that_jumps_ahead_pings_once() -> None:
    clock = FakeClock()
    heartbeat = Heartbeat(clock=clock, idle_timeout=1e9)
    heart = Heart(clock)
    heartbeat.join(heart)
    clock.time += 100_000
    heartbeat.beat()
    assert len(heart.pings) == 1


def test_an_idle_timeout_below_the_interval() -> None:
    clock = FakeClock()
    heartbeat = Heartbeat(clock=clock, ping_interval=25.0, idle_timeout=5.0)
    heart = Heart(clock)
    heart.heartbeat = heartbeat
    heart.slot = heartbeat.join(heart)
    run(heartbeat, clock, 31)
    assert len(heart.ends) == 1


async def test_it_beats_by_itself() -> None:
    clock = FakeClock()
    heart = Heart(clock)
    heartbeat = Heartbeat(clock=SystemClock(), ping_interval=0.01, idle_timeout=1e9)
    heart.seen = SystemClock().monotonic()
    heartbeat.join(heart)
    heartbeat.start()
    heartbeat.start()
    await until(lambda: len(heart.pings) > 2)
    heartbeat.stop()
    heartbeat.stop()
    count = len(heart.pings)
    for _ in range(5):
        await asyncio.sleep(0)
    assert len(heart.pings) == count
