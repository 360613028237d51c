"""Two people at two processes, and what a degraded mode is (docs/reference/operations.md §9)."""

import contextlib
import dataclasses
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from tests.processes.pair import Pair, at, lines, metric, readiness
from tests.processes.surroundings import Surroundings
from tests.scenarios.files import file
from tests.scenarios.steps import Chat, Person, direct, register, send, stranger, ws

__all__ = ["Fact", "Mode", "Step", "World", "dependency", "unavailable", "works"]


@dataclasses.dataclass
class World:
    """Ann at one process, Ben with an open socket at the other, a conversation of theirs with a file."""

    around: Surroundings
    pair: Pair
    ann: Person
    ben: Person
    chat: str
    file_id: str
    there: Chat
    notes: dict[str, Any] = dataclasses.field(default_factory=dict)

    @classmethod
    @contextlib.asynccontextmanager
    async def made(cls, around: Surroundings, pair: Pair) -> Any:
        ann = await register(stranger(pair.one.url, "ann"))
        ben = at(pair.two, await register(stranger(pair.two.url, "ben")))
        chat = (await direct(ann, ben))["conversation_id"]
        file_id = await file(ann, b"kept", "text/plain")
        async with ws(ben) as there:
            yield cls(around, pair, ann, ben, chat, file_id, there)

    async def up(self, dependency: str) -> bool:
        return all(await self.each("dependency_up", dependency=dependency, wanted=1))

    async def down(self, dependency: str) -> bool:
        return 0 in [
            await metric(piece, "dependency_up", dependency=dependency) for piece in self.pair.pieces
        ]

    async def each(self, name: str, *, wanted: float, **labels: str) -> list[bool]:
        return [await metric(piece, name, **labels) == wanted for piece in self.pair.pieces]

    async def sum(self, name: str, **labels: str) -> float:
        return sum([await metric(piece, name, **labels) for piece in self.pair.pieces])

    async def ready(self, code: int, status: str, dependency: str = "") -> bool:
        state = await readiness(self.pair.one)
        told = not dependency or state["dependencies"][dependency]["status"] == "down"
        return (state["code"], state["status"]) == (code, status) and told

    async def talk(self, text: str) -> None:
        """A message arrives."""
        seq = (await send(self.ann, self.chat, text)).ok(201)["seq"]
        await self.there.frame(type="event", conversation_id=self.chat, seq=seq, timeout=15)

    def told(self, dependency: str) -> list[list[str]]:
        """The levels of what each process wrote of a dependency."""
        return [[line["level"] for line in lines(piece, dependency=dependency)] for piece in self.pair.pieces]


Step = Callable[[World], Awaitable[None]]
Fact = Callable[[World], Awaitable[bool]]


class Mode(NamedTuple):
    """One row, and one way to get there.

    `shows` is the metric of the row, `alert` what fires, about what; `meanwhile` is what people see, `after`
    that it is over.
    """

    begin: Step
    end: Step
    shows: Fact
    alert: tuple[str, str]
    meanwhile: Step
    after: Step
    gone: Fact


def unavailable(answer: Any, code: str) -> None:
    """503 with this code, and when to come back."""
    answer.is_error(503, code)
    assert int(answer.headers["retry-after"]) >= 1


def dependency(name: str, *, up: bool) -> Fact:
    return (lambda world: world.up(name)) if up else (lambda world: world.down(name))


async def works(asked: Awaitable[Any]) -> bool:
    return bool((await asked).status in {200, 201})
