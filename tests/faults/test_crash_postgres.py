"""PostgreSQL is killed, and stopped, below senders of two processes: nothing acknowledged is lost, there is
one order, each send is there once, and all goes on by itself (docs/reference/operations.md §9).
"""

import asyncio
import contextlib
import time
from pathlib import Path

import pytest

from secureconnect.infra.database.postgres import PostgresDatabase
from secureconnect.infra.database.postgres_url import read_url
from secureconnect.infra.timeline.base import NewEvent, NewMessage, StoredEvent
from secureconnect.infra.timeline.postgres import PostgresTimeline
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.ids import new_id, new_time_id
from secureconnect.migrations import runner
from stack.postgres import Postgres
from tests.faults.plan import LONG

_SENDERS, _CONVERSATIONS = 8, 3
_ROUNDS = 6 if LONG else 2
#: No request hangs longer, whatever the server does.
_LONGEST = 16.0
_SENT_AT = 1_800_000_000_000
_ENOUGH = 60  # acknowledged sends between two faults


class Process:
    """One process of ours, as far as the timeline is concerned."""

    def __init__(self, url: str) -> None:
        self.database = PostgresDatabase(read_url(url), pool_min=0, pool_max=5)
        self.timeline = PostgresTimeline(self.database)


class Load:
    """Senders that repeat what was not acknowledged, and what was."""

    def __init__(self, processes: list[Process], conversations: list[str]) -> None:
        self.processes = processes
        self.conversations = conversations
        self.acknowledged: dict[tuple[str, int], StoredEvent] = {}
        self.refusals: list[ErrorCode] = []
        self.longest = 0.0
        self.stopping = False

    async def sender(self, index: int) -> None:
        sender_id, number = new_id(), 0
        timeline = self.processes[index % len(self.processes)].timeline
        while not self.stopping:
            conversation_id = self.conversations[number % len(self.conversations)]
            number += 1
            await self._send(timeline, conversation_id, sender_id, str(number))

    async def _send(
        self, timeline: PostgresTimeline, conversation_id: str, sender_id: str, client_id: str
    ) -> None:
        while True:
            message = NewMessage(sender_id, client_id, client_id, False, "text", {})
            event = NewEvent(
                conversation_id, new_time_id(), "message_created", sender_id, _SENT_AT, message=message
            )
            started = time.monotonic()
            try:
                appended = await timeline.append(event, guard=0)
            except ApiError as error:
                self.refusals.append(error.code)
                await asyncio.sleep(0.05)
            else:
                stored = appended.event
                self.acknowledged[stored.conversation_id, stored.seq] = stored
                return
            finally:
                self.longest = max(self.longest, time.monotonic() - started)

    async def some(self) -> None:
        """Return when more was acknowledged."""
        target = len(self.acknowledged) + _ENOUGH
        while len(self.acknowledged) < target:  # noqa: ASYNC110 - senders tell nobody
            await asyncio.sleep(0.01)

    async def refused(self) -> None:
        """Return when one more was refused."""
        before = len(self.refusals)
        while len(self.refusals) == before:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@pytest.mark.faults
async def test_a_server_that_dies_below_senders(tmp_path: Path) -> None:
    server = Postgres(tmp_path)
    await asyncio.to_thread(server.start)
    try:
        url = await asyncio.to_thread(server.create_database)
        processes = [Process(url), Process(url)]
        conversations = [new_id() for _ in range(_CONVERSATIONS)]
        first = processes[0]
        await first.database.write(lambda tx: runner.upgrade(tx.conn))
        for each in conversations:
            await first.database.write(lambda tx, c=each: first.timeline.open_in(tx, c))  # type: ignore[misc]
        load = Load(processes, conversations)
        senders = [asyncio.create_task(load.sender(index)) for index in range(_SENDERS)]
        for _ in range(_ROUNDS):
            for stop, go_on in ((server.kill, server.start), (server.pause, server.resume)):
                await load.some()
                await asyncio.to_thread(stop)
                if stop == server.kill:
                    await load.refused()
                await asyncio.to_thread(go_on)
        await load.some()
        load.stopping = True
        await asyncio.gather(*senders)
        assert load.longest < _LONGEST
        assert set(load.refusals) == {ErrorCode.DATABASE_UNAVAILABLE}
        for conversation_id in conversations:
            await compare(first, load, conversation_id)
        for process in processes:
            await process.database.close()
    finally:
        with contextlib.suppress(ProcessLookupError):
            await asyncio.to_thread(server.close)


async def compare(process: Process, load: Load, conversation_id: str) -> None:
    """What is stored has no gap and no double, and holds all that was acknowledged, in its place."""
    stored = await process.timeline.events(conversation_id, after_seq=0, limit=100_000)
    assert [event.seq for event in stored] == list(range(1, len(stored) + 1))
    sends = [(event.actor_id, event.message.client_message_id) for event in stored if event.message]
    assert len(sends) == len(set(sends)) == len(stored)
    by_seq = {event.seq: event.event_id for event in stored}
    for (where, seq), event in load.acknowledged.items():
        assert where != conversation_id or by_seq[seq] == event.event_id
