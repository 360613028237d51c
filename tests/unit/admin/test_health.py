"""Components are asked at most once in five seconds, and nothing that one of them does harms the others."""

import asyncio

from secureconnect.features.admin.api import Probe
from secureconnect.features.admin.service import HealthWatch, overall
from secureconnect.kit.errors import ApiError, ErrorCode


class Time:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def now(self) -> int:
        return int(self.seconds * 1000)

    def monotonic(self) -> float:
        return self.seconds


class Part:
    """A component that does what it is told."""

    def __init__(self, name: str, *, required: bool = False) -> None:
        self.asked = 0
        self.answer: float | Exception | None = 0.25
        self.probe = Probe(name, required, self._ask)

    async def _ask(self) -> float | None:
        self.asked += 1
        await asyncio.sleep(0)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


async def test_many_who_ask_share_one_look() -> None:
    time, part = Time(), Part("database", required=True)
    watch = HealthWatch([part.probe], time)
    found = await asyncio.gather(*(watch.components() for _ in range(10)))
    assert part.asked == 1
    assert {components[0].status for components in found} == {"up"}
    assert (found[0][0].latency, found[0][0].checked_at) == (0.25, 1_000_000)
    time.seconds += 4.9
    await watch.components()
    assert part.asked == 1
    time.seconds += 0.1
    (component,) = await watch.components()
    assert part.asked == 2
    assert component.checked_at == 1_005_000


async def test_what_is_down_counts_by_what_needs_it() -> None:
    time = Time()
    needed, other, unused = Part("database", required=True), Part("mail"), Part("redis")
    unused.answer = None
    watch = HealthWatch([needed.probe, other.probe, unused.probe], time)
    assert overall(await watch.components()) == "healthy"

    other.answer = ConnectionRefusedError("mail.internal:25 refused")
    time.seconds += 5
    found = await watch.components()
    assert [component.status for component in found] == ["up", "down", "disabled"]
    assert found[1].error == "does not answer", "no host names for whoever looks"
    assert overall(found) == "degraded"

    needed.answer = ApiError(ErrorCode.DATABASE_UNAVAILABLE)
    time.seconds += 5
    assert overall(await watch.components()) == "unhealthy"

    needed.answer, other.answer = TimeoutError(), 0.1
    time.seconds += 5
    found = await watch.components()
    assert [component.status for component in found] == ["down", "up", "disabled"]
    needed.answer = 0.1
    time.seconds += 5
    assert overall(await watch.components()) == "healthy"
