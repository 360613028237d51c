"""The breaker opens after failures in a row, lets trials through, and says each change once."""

import asyncio

import pytest
from structlog.testing import capture_logs

from secureconnect.infra.resilience.breaker import Breaker, BreakerOpen, BreakerRules
from tests.contract.manual_clock import ManualClock


class Shown:
    """What the metrics show."""

    def __init__(self) -> None:
        self.state = -1
        self.up: bool | None = None

    def breaker(self, dependency: str, state: int) -> None:
        self.state = state

    def dependency(self, name: str, *, up: bool) -> None:
        self.up = up


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def shown() -> Shown:
    return Shown()


@pytest.fixture
def breaker(clock: ManualClock, shown: Shown) -> Breaker:
    return Breaker("redis", BreakerRules(failures=3, reset=2, successes=2), shown, clock)


def test_only_failures_in_a_row_open_it(breaker: Breaker, shown: Shown) -> None:
    breaker.failed("x")
    breaker.failed("x")
    breaker.succeeded()
    breaker.failed("x")
    breaker.failed("x")
    assert (breaker.closed, shown.state, shown.up) == (True, 0, None)
    breaker.failed("x")
    assert (breaker.closed, shown.state, shown.up) == (False, 2, False)


def test_open_refuses_until_it_is_time_and_then_lets_one_try(breaker: Breaker, clock: ManualClock) -> None:
    breaker.trip("gone")
    clock.advance(1)
    with pytest.raises(BreakerOpen) as refused:
        breaker.admit()
    assert refused.value.retry_after == pytest.approx(1)
    clock.advance(1)
    breaker.admit()
    assert breaker.state == "half-open"
    with pytest.raises(BreakerOpen):
        breaker.admit()


def test_two_good_trials_close_it(breaker: Breaker, clock: ManualClock, shown: Shown) -> None:
    breaker.trip("gone")
    clock.advance(2)
    breaker.admit()
    breaker.succeeded()
    assert not breaker.closed
    breaker.admit()
    breaker.succeeded()
    assert (breaker.closed, shown.state, shown.up) == (True, 0, True)


def test_a_bad_trial_opens_it_for_as_long_again(breaker: Breaker, clock: ManualClock, shown: Shown) -> None:
    breaker.trip("gone")
    clock.advance(2)
    breaker.admit()
    breaker.failed("still")
    assert shown.state == 2
    clock.advance(1.9)
    with pytest.raises(BreakerOpen):
        breaker.admit()
    clock.advance(0.1)
    breaker.admit()


def test_a_trial_without_outcome_leaves_room_for_another(breaker: Breaker, clock: ManualClock) -> None:
    breaker.trip("gone")
    clock.advance(2)
    breaker.admit()
    breaker.unknown()
    breaker.admit()
    assert breaker.state == "half-open"


def test_one_line_on_entry_and_one_on_leaving(breaker: Breaker, clock: ManualClock) -> None:
    with capture_logs() as lines:
        for _ in range(10):
            breaker.failed("ConnectionError")
        clock.advance(7)
        for _ in range(2):
            breaker.admit()
            breaker.succeeded()
    assert [(line["log_level"], line["dependency"]) for line in lines] == [
        ("warning", "redis"),
        ("info", "redis"),
    ]
    assert lines[0]["reason"] == "ConnectionError"
    assert lines[1]["duration_s"] == 7


def test_listeners_hear_of_changes_alone_and_one_that_fails_stops_nobody(
    breaker: Breaker, clock: ManualClock
) -> None:
    heard: list[bool] = []

    def broken(down: bool) -> None:
        raise RuntimeError

    breaker.on_change(broken)
    breaker.on_change(heard.append)
    breaker.trip("a")
    breaker.trip("b")
    clock.advance(2)
    for _ in range(2):
        breaker.admit()
        breaker.succeeded()
    assert heard == [True, False]


def test_an_attempt_tells_illness_from_refusal(breaker: Breaker) -> None:
    for _ in range(5):
        with pytest.raises(KeyError), breaker.attempt(lambda error: isinstance(error, OSError)):
            raise KeyError
    assert breaker.closed
    for _ in range(3):
        with pytest.raises(OSError, match="reset"), breaker.attempt(lambda error: isinstance(error, OSError)):
            raise OSError("reset")
    assert not breaker.closed


async def test_a_watched_one_is_closed_by_its_probe_and_by_nobody_else() -> None:
    clock, answers = ManualClock(), [OSError("down"), None, None]
    breaker = Breaker("redis", BreakerRules(reset=0.001), Shown(), clock)
    closed = asyncio.Event()
    breaker.on_change(lambda down: None if down else closed.set())

    async def probe() -> None:
        answer = answers.pop(0)
        if answer is not None:
            raise answer

    watching = asyncio.create_task(breaker.watch(probe))
    await asyncio.sleep(0)
    breaker.trip("gone")
    clock.advance(100)
    with pytest.raises(BreakerOpen):
        breaker.admit()
    async with asyncio.timeout(5):
        await closed.wait()
    assert answers == []
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
