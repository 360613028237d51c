"""One run: people, a steady pace of sends, reads beside them, and a verdict."""

import asyncio
import random
import time
from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

from secureconnect.app.load.people import Api, Person, Room, gather_people
from secureconnect.app.load.promises import Ledger, Verdict
from secureconnect.app.load.sockets import Talker

__all__ = ["Plan", "Report", "Spread", "measure"]

_SETTLE = 15.0
_READS_PER_SECOND = 20.0
_READS = (
    ("conversations", "/v1/conversations?limit=20"),
    ("messages", "/v1/messages?conversation_id={id}&limit=50"),
    ("sync", "/v1/sync"),
    ("profile", "/v1/users/me"),
)


class Plan(Struct, frozen=True):
    """What to do: `rate` sends per second in all, for `duration` seconds."""

    url: str
    users: int
    rate: float
    duration: float
    profile: Literal["chat", "sockets", "mixed"]


class Spread(Struct, frozen=True):
    """Milliseconds of many cases."""

    count: int
    p50: float
    p95: float
    p99: float
    max: float


class Report(Struct, frozen=True):
    """What was seen. `ok`: nothing failed and every promise was kept."""

    ok: bool
    profile: str
    users: int
    rate: float
    seconds: float
    sent: int
    acknowledged_per_second: float
    send_to_ack: Spread
    send_to_delivery: Spread
    connect: Spread
    api: dict[str, Spread]
    errors: dict[str, int]
    promises: Verdict


async def measure(plan: Plan) -> Report:
    """Run a plan against a server; leaves the accounts that it made.

    Raises:
        Failure: the run could not begin.
    """
    api, ledger = Api(plan.url), Ledger()
    talkers: list[Talker] = []
    try:
        people, rooms = await gather_people(api, plan.users)
        talkers = [Talker(plan.url, person, ledger, api) for person in people]
        connects = [await talker.open() for talker in talkers]
        api.seconds.clear()
        started = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            if plan.profile == "sockets":
                for talker in talkers:
                    group.create_task(talker.idle(plan.duration))
            else:
                group.create_task(_talk(plan, people, rooms, talkers))
            if plan.profile == "mixed":
                group.create_task(_read(plan, rooms, api))
        seconds = time.perf_counter() - started
        members = {room.conversation_id: tuple(person.user_id for person in room.members) for room in rooms}
        await _settled(ledger, members)
        return _report(plan, seconds, ledger.verdict(members), talkers, connects, ledger, api)
    finally:
        await asyncio.gather(*(talker.close() for talker in talkers), return_exceptions=True)
        await api.close()


async def _talk(
    plan: Plan, people: Sequence[Person], rooms: Sequence[Room], talkers: Sequence[Talker]
) -> None:
    """Sends at fixed times, whatever the answers take: a slow server does not slow its load down."""
    by_person = dict(zip((person.user_id for person in people), talkers, strict=True))
    sent_at: dict[str, float] = {}
    for talker in talkers:
        talker.take(sent_at)
    started = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number in range(int(plan.rate * plan.duration)):
            await asyncio.sleep(max(0.0, started + number / plan.rate - time.perf_counter()))
            room = rooms[number % len(rooms)]
            sender = random.choice(room.members)  # noqa: S311 - anybody
            group.create_task(by_person[sender.user_id].say(room, sent_at))


async def _read(plan: Plan, rooms: Sequence[Room], api: Api) -> None:
    started = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number in range(int(_READS_PER_SECOND * plan.duration)):
            await asyncio.sleep(max(0.0, started + number / _READS_PER_SECOND - time.perf_counter()))
            label, path = _READS[number % len(_READS)]
            room = rooms[number % len(rooms)]
            person = random.choice(room.members)  # noqa: S311 - anybody
            group.create_task(api.ask("GET", path.replace("{id}", room.conversation_id), person, label=label))


async def _settled(ledger: Ledger, members: dict[str, tuple[str, ...]]) -> None:
    """Wait until everything acknowledged arrived, or for as long as nothing excuses it any more."""
    ends = time.perf_counter() + _SETTLE
    while next(ledger.missing(members), None) is not None and time.perf_counter() < ends:  # noqa: ASYNC110
        await asyncio.sleep(0.05)


def _report(
    plan: Plan,
    seconds: float,
    verdict: Verdict,
    talkers: Sequence[Talker],
    connects: Sequence[float],
    ledger: Ledger,
    api: Api,
) -> Report:
    return Report(
        ok=verdict.kept and not api.errors,
        profile=plan.profile,
        users=plan.users,
        rate=plan.rate,
        seconds=round(seconds, 3),
        sent=len(ledger.acked),
        acknowledged_per_second=round(len(ledger.acked) / seconds, 1),
        send_to_ack=_spread([each for talker in talkers for each in talker.acks]),
        send_to_delivery=_spread([each for talker in talkers for each in talker.deliveries]),
        connect=_spread(connects),
        api={label: _spread(found) for label, found in sorted(api.seconds.items())},
        errors=api.errors,
        promises=verdict,
    )


def _spread(seconds: Sequence[float]) -> Spread:
    ordered = sorted(seconds) or [0.0]

    def at(share: float) -> float:
        return round(ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000, 3)

    return Spread(len(seconds), at(0.50), at(0.95), at(0.99), round(ordered[-1] * 1000, 3))
