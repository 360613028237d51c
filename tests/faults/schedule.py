"""Random faults from a seed: the same seed makes the same ones, in the same order."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple

__all__ = ["Fault", "Ways", "happen", "planned"]


class Fault(NamedTuple):
    """What is done to whom: after `wait` seconds, for `lasts` seconds, as much as `size` (0…1) says."""

    kind: str
    victim: str
    wait: float
    lasts: float
    size: float

    def __str__(self) -> str:
        return f"{self.kind} {self.victim}"


#: Do it, stay for the time of the fault, undo it.
Act = Callable[[Fault], Awaitable[None]]


class Ways(NamedTuple):
    """One kind of fault: to whom it may be done, how, and how many seconds it lasts at most."""

    victims: Sequence[str]
    act: Act
    longest: float


def planned(chance: random.Random, kinds: Mapping[str, Ways], count: int) -> list[list[Fault]]:
    """`count` faults in turns of one or two; two of a turn overlap, and are done to different victims."""
    made: list[list[Fault]] = []
    while (left := count - sum(map(len, made))) > 0:
        turn: list[Fault] = []
        for _ in range(min(left, chance.choice((1, 1, 2)))):
            kind = chance.choice(sorted(kinds))
            victim = chance.choice(kinds[kind].victims)
            lasts = chance.uniform(0.1, kinds[kind].longest)
            fault = Fault(kind, victim, chance.random(), lasts, chance.random())
            if all(other.victim != victim for other in turn):
                turn.append(fault)
        made.append(turn)
    return made


async def happen(turn: Sequence[Fault], kinds: Mapping[str, Ways]) -> None:
    """Let all of a turn happen; return when they are over."""

    async def one(fault: Fault) -> None:
        await asyncio.sleep(fault.wait)
        await kinds[fault.kind].act(fault)

    async with asyncio.TaskGroup() as happening:
        for fault in turn:
            happening.create_task(one(fault))
