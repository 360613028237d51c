"""Who is let in while the loop has too much to do."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, cast

import pytest

from secureconnect.edge.http.admission import Admission
from secureconnect.infra.database.sqlite import open_sqlite
from tests.unit.http.edge import House


class Loop:
    """A loop whose clock is moved by hand, and whose timers fire as late as the test says."""

    def __init__(self) -> None:
        self.now = 100.0
        self.timers: list[tuple[float, Callable[..., None], tuple[Any, ...]]] = []

    def time(self) -> float:
        return self.now

    def call_at(self, due: float, call: Callable[..., None], *args: Any) -> "Loop":
        self.timers.append((due, call, args))
        return self

    def cancel(self) -> None:
        self.timers.clear()

    def fire(self, late: float, times: int = 1) -> None:
        for _ in range(times):
            ((due, call, args),) = self.timers
            self.timers = []
            self.now = due + late
            call(*args)


class Shed:
    def __init__(self) -> None:
        self.count = 0

    def shed(self) -> None:
        self.count += 1


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Loop:
    made = Loop()
    monkeypatch.setattr(asyncio, "get_running_loop", lambda: made)
    return made


def running(admission: Admission, count: int) -> None:
    for _ in range(count):
        admission.enter()


def test_nothing_is_measured_while_few_run(loop: Loop) -> None:
    admission = Admission(Shed())
    running(admission, 256)
    assert loop.timers == []
    admission.enter()
    assert len(loop.timers) == 1


def test_the_limit_falls_while_timers_are_late_and_rises_when_they_are_not(loop: Loop) -> None:
    admission = Admission(Shed())
    running(admission, 1000)
    assert not admission.full
    loop.fire(late=0.3)
    assert (admission.limit, admission.full) == (800, True)
    loop.fire(late=0.3, times=100)
    assert admission.limit == 256  # never below: somebody has to be served
    for _ in range(750):
        admission.leave()
    loop.fire(late=0.0)
    assert admission.limit > 256
    assert not admission.full


def test_a_loop_in_time_bounds_nobody(loop: Loop) -> None:
    """A slow store makes requests wait, and the loop has nothing to do: that is no overload."""
    admission = Admission(Shed())
    running(admission, 5000)
    loop.fire(late=0.01, times=1000)
    assert not admission.full


def test_a_rush_has_one_line_at_its_start_and_one_at_its_end(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[tuple[str, dict[str, Any]]] = []

    class Log:
        def warning(self, message: str, **fields: Any) -> None:
            lines.append((message, fields))

        info = warning

    monkeypatch.setattr("secureconnect.edge.http.admission.log", Log())
    shed = Shed()
    admission = Admission(shed)
    running(admission, 300)
    loop.fire(late=0.5)
    for _ in range(3):
        admission.refuse()
    assert shed.count == 3
    for _ in range(300):
        admission.leave()
    for _ in range(100):
        if loop.timers:
            loop.fire(late=0.0)
    assert loop.timers == [], "it stops looking once nobody waits"
    assert [message for message, _ in lines] == [
        "too many requests at once, some are refused",
        "requests are not refused any more",
    ]
    assert lines[1][1]["refused"] == 3


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[House]:
    database = open_sqlite(tmp_path / "test.db")
    yield House(database)
    await database.close()


async def test_who_is_refused_gets_the_envelope_and_is_counted(world: House) -> None:
    admission = cast("Any", world.admission)
    admission._limit = 0.0
    got = await world.ask("GET", "/things/00000000-0000-4000-8000-000000000000")
    assert (got.status, got.body["error"]["code"]) == (503, "SERVICE_UNAVAILABLE")
    assert 1 <= int(got.headers["retry-after"]) <= 3
    assert got.body["meta"]["request_id"] == got.headers["x-request-id"]
    assert (world.shed_, world.finished_) == (1, [("GET", "unmatched", 503)])
    # Whoever watches over us is always answered.
    assert (await world.ask("GET", "/health")).status == 200


async def test_requests_that_end_badly_are_counted_out(world: House) -> None:
    for token in ("nobody", None):
        await world.ask("GET", "/things/00000000-0000-4000-8000-000000000000", token=token)
    assert cast("Any", world.admission)._running == 0
