"""The clock of the machine steps by an hour while people send (acceptance scenario X12).

What may depend on it: the times that messages carry. What may not: order, gaps, ids, repeats.
"""

import asyncio
import random
from pathlib import Path
from types import SimpleNamespace

import pytest

from secureconnect.features.messages.service import SendRequest
from secureconnect.kit import ids
from tests.unit.messages.desk import Desk, by, desk

HOUR = 3_600_000
STEPS = [0, HOUR, 0, -HOUR, HOUR, HOUR, -HOUR, 0]


class Steps:
    """The wall clock of the process and of its ids, moved together."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._now = 1_800_000_000_000
        monkeypatch.setattr(ids, "_last", 0)
        monkeypatch.setattr(ids, "time", SimpleNamespace(time_ns=self.time_ns))

    def time_ns(self) -> int:
        return self._now * 1_000_000

    def set(self, place: Desk, offset: int) -> None:
        """The machine's clock is `offset` ms away from where it began."""
        self._now = place.world.clock.at = 1_800_000_000_000 + offset


async def send(place: Desk, sender: str, conversation_id: str, key: str) -> tuple[int, str, bool]:
    request = SendRequest(conversation_id, f"text of {key}", client_message_id=key)
    sent = await place.world.sending.send(by(sender), request)
    return sent.message.seq, sent.message.message_id, sent.duplicate


async def walk(place: Desk, reader: str, conversation_id: str) -> list[int]:
    """The seqs of all messages as `GET /v1/messages` lists them, page by page."""
    seqs: list[int] = []
    cursor: str | None = None
    while True:
        page = await place.reading.messages(by(reader), conversation_id, cursor=cursor, around=None, limit=7)
        seqs += [message.seq for message in page.messages]
        cursor = page.next_cursor
        if cursor is None:
            return seqs


async def check(place: Desk, a: str, b: str, g: str, sent: dict[str, tuple[int, str]]) -> None:
    log = await place.world.log(g)
    assert [event.seq for event in log] == list(range(1, len(log) + 1))
    assert len({event.event_id for event in log}) == len(log)
    assert {(event.seq, event.event_id) for event in log[1:]} == set(sent.values())
    assert len(sent) == len(log) - 1
    newest_first = list(range(len(log), 1, -1))
    assert await walk(place, a, g) == await walk(place, b, g) == newest_first
    (standing,) = (await place.syncing.sync(by(a), cursor=None, limit=10)).conversations
    assert standing.last_seq == len(log)


async def test_x12_the_clock_steps_while_people_send(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An hour forth and back, sends under way: seqs without gap, no id twice, the order of the commits kept;
    repeats from before a step find the first result."""
    clock, chance = Steps(monkeypatch), random.Random(20260131)
    sent: dict[str, tuple[int, str]] = {}
    async with desk(tmp_path) as place:
        a, b = await place.world.people("a", "b")
        g = await place.world.group(a, b)

        async def one(key: str) -> None:
            sender = a if key.endswith("a") else b
            clock.set(
                place, chance.choice(STEPS)
            )  # between the decision of one send and the commit of another
            seq, message_id, duplicate = await send(place, sender, g, key)
            assert not duplicate
            sent[key] = (seq, message_id)

        for number, step in enumerate(STEPS):
            clock.set(place, step)
            before = len(sent)
            await asyncio.gather(*(one(f"{number}.{n}{who}") for n in range(5) for who in "ab"))
            assert {seq for seq, _ in list(sent.values())[before:]} == set(range(before + 2, before + 12))
            key = chance.choice(list(sent))
            again = await send(place, a if key.endswith("a") else b, g, key)
            assert again == (*sent[key], True)
            await check(place, a, b, g, sent)


async def test_x12_a_restart_in_the_past(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that starts an hour before the last message goes on at the end of the log."""
    clock = Steps(monkeypatch)
    sent: dict[str, tuple[int, str]] = {}
    async with desk(tmp_path) as place:
        clock.set(place, HOUR)
        a, b = await place.world.people("a", "b")
        g = await place.world.group(a, b)
        for n in range(10):
            sent[f"{n}"] = (await send(place, a, g, f"{n}"))[:2]
    monkeypatch.setattr(ids, "_last", 0)  # as a new process
    async with desk(tmp_path) as place:
        clock.set(place, -HOUR)
        assert await send(place, a, g, "3") == (*sent["3"], True)
        for n in range(10, 20):
            sent[f"{n}"] = (await send(place, a, g, f"{n}"))[:2]
        await check(place, a, b, g, sent)
        last = (await place.world.timeline.last_messages({g: 1}))[g]
        assert last.seq == 21
        assert (await place.world.timeline.unread(b, {g: 11}, cap=100))[g] == 10
