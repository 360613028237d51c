"""A timeline in Cassandra used by several processes, some of which die: decisions and intents (I2, I4)."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from functools import partial
from typing import Any

import msgspec
import pytest
from sqlalchemy import text

from secureconnect.infra.database.base import BatchDatabase, Database, WriteTx
from secureconnect.infra.timeline.base import (
    AttachedFile,
    GuardChanged,
    Reacted,
    Statement,
    StoredEvent,
)
from secureconnect.infra.timeline.cassandra import CassandraTimeline
from secureconnect.infra.timeline.cassandra_link import Cluster, Link
from secureconnect.infra.timeline.cassandra_projection import Mutation
from secureconnect.infra.timeline.cassandra_tx import LogTx
from secureconnect.kit.clock import SystemClock
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.ids import new_id, new_time_id

from .timeline_adapters import StartCassandra, cluster_of, emptied
from .timeline_world import change, send

pytestmark = [pytest.mark.usefixtures("marks"), pytest.mark.cassandra]


class Killed(BaseException):
    """The process ends here; nothing of it runs any more."""


class Process:
    """A process of its own, as far as queues and memory go."""

    def __init__(self, database: BatchDatabase, cluster: Cluster) -> None:
        self.heard: list[StoredEvent] = []
        self.timeline = CassandraTimeline(database, cluster, SystemClock(), self.heard.extend)
        self.database = self.timeline.database


Start = Callable[[], Process]


@pytest.fixture
async def start(database: BatchDatabase, cassandra_server: StartCassandra) -> AsyncIterator[Start]:
    cluster = await emptied(cluster_of(cassandra_server()))
    started: list[Process] = []

    def new() -> Process:
        started.append(Process(database, cluster))
        return started[-1]

    yield new
    for process in started:
        await process.timeline.close()


@pytest.fixture
async def marks(database: Database) -> None:
    create = text("CREATE TABLE marks (who TEXT PRIMARY KEY, seq BIGINT NOT NULL)")
    await database.write(lambda tx: tx.conn.execute(create).close())


async def marked(database: Database) -> dict[str, int]:
    rows = await database.read(lambda conn: conn.execute(text("SELECT who, seq FROM marks")).all())
    return {row[0]: row[1] for row in rows}


async def opened(process: Process) -> str:
    conversation = new_id()
    await process.database.write(lambda tx: process.timeline.open_in(tx, conversation))
    return conversation


def join(process: Process, conversation: str, who: str) -> Callable[[WriteTx], int]:
    """A relational change with its event, and new facts."""

    def work(tx: WriteTx) -> int:
        seq = process.timeline.append_in(tx, change(conversation, "member_added"))
        process.timeline.raise_guard_in(tx, conversation)
        tx.run("INSERT INTO marks (who, seq) VALUES (?, ?)", (who, seq))
        return seq

    return work


async def repaired(process: Process) -> None:
    """Look until nothing is open; a log that somebody is at work on is left for the next look."""
    async with asyncio.timeout(60):
        while await process.timeline.repair(older_than=0):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)


async def dies(monkeypatch: pytest.MonkeyPatch, process: Process, work: Callable[[WriteTx], int]) -> None:
    """Kill a process between its relational commit and the append."""

    async def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(LogTx, "finish", killed)
        with pytest.raises(Killed):
            await process.database.write(work)


async def test_several_processes_race_for_one_log(start: Start) -> None:
    processes = [start() for _ in range(3)]
    conversation = await opened(processes[0])
    senders = [new_id() for _ in range(12)]

    async def run(process: Process, sender: str) -> None:
        for number in range(5):
            event = send(conversation, sender_id=sender, client_message_id=str(number))
            await process.timeline.append(event, guard=0)

    # Each sender is on all processes at once, as one whose answers got lost.
    await asyncio.gather(*(run(process, sender) for sender in senders for process in processes))
    log = await processes[1].timeline.events(conversation, after_seq=0, limit=1000)
    assert [event.seq for event in log] == list(range(1, 61))
    assert len({(m.sender_id, m.client_message_id) for e in log if (m := e.message)}) == 60
    heard = sorted((event for process in processes for event in process.heard), key=lambda event: event.seq)
    assert heard == log, "each event is told by the process that committed it, and by no other"
    for process in processes:
        assert [event.seq for event in process.heard] == sorted(event.seq for event in process.heard)


async def test_nothing_slips_in_behind_a_guard_that_another_process_raises(
    start: Start, database: Database
) -> None:
    one, two = start(), start()
    conversation = await opened(one)

    async def insist() -> list[int]:
        places: list[int] = []
        with contextlib.suppress(GuardChanged):
            while True:
                event = send(conversation, sender_id=new_id())
                places.append((await one.timeline.append(event, guard=0)).event.seq)
        return places

    senders = [asyncio.create_task(insist()) for _ in range(4)]
    while len(one.heard) < 20:  # noqa: ASYNC110 - until the senders are well under way
        await asyncio.sleep(0)
    boundary = await two.database.write(join(two, conversation, "x"))
    accepted = [seq for places in await asyncio.gather(*senders) for seq in places]
    assert sorted(accepted) == list(range(1, boundary))
    assert await marked(database) == {"x": boundary}


@pytest.mark.parametrize("first", ["repair", "append", "transaction"])
async def test_what_a_dead_process_committed_is_finished_once(
    start: Start, database: Database, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    """Whoever comes first: the repair, or somebody who wants the log."""
    dead, alive, other = start(), start(), start()
    conversation = await opened(dead)
    await dies(monkeypatch, dead, join(dead, conversation, "x"))
    assert await marked(database) == {"x": 1}
    assert await alive.timeline.events(conversation, after_seq=0, limit=10) == []

    if first == "append":
        with pytest.raises(GuardChanged):
            await alive.timeline.append(send(conversation), guard=0)
    elif first == "transaction":
        assert await alive.database.write(join(alive, conversation, "y")) == 2
    await repaired(alive)
    await repaired(other)
    log = await other.timeline.events(conversation, after_seq=0, limit=10)
    expected = ["member_added"] * (2 if first == "transaction" else 1)
    assert [event.kind for event in log] == expected
    assert sorted(alive.heard, key=lambda event: event.seq) == log
    assert other.heard == []
    head = await other.timeline.head(conversation)
    assert head is not None
    assert head.guard == len(expected)


async def test_what_was_not_committed_never_happens(start: Start, database: Database) -> None:
    one, other = start(), start()
    conversation = await opened(one)

    def fails(tx: WriteTx) -> int:
        join(one, conversation, "x")(tx)
        raise RuntimeError("changed its mind")

    with pytest.raises(RuntimeError):
        await one.database.write(fails)
    appended = await other.timeline.append(send(conversation, sender_id=new_id()), guard=0)
    assert appended.event.seq == 1
    assert await marked(database) == {}
    await repaired(other)
    assert one.heard == []


async def test_sends_that_a_dead_process_decided_are_finished_once(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A repeat on another process gets the seq that was decided, at once."""
    dead, alive = start(), start()
    conversation = await opened(dead)
    event = send(conversation, sender_id=new_id(), client_message_id="a")

    async def killed(*_: object) -> None:
        raise Killed

    monkeypatch.setattr(dead.timeline._commits, "carry_out", killed)
    with pytest.raises(Killed):
        await dead.timeline.append(event, guard=0)
    assert await alive.timeline.message(event.event_id) is None

    repeat = msgspec.structs.replace(event, event_id=new_time_id())
    appended = await alive.timeline.append(repeat, guard=0)
    assert appended.duplicate
    assert (appended.event.seq, appended.event.event_id) == (1, event.event_id)
    await repaired(alive)
    assert await alive.timeline.events(conversation, after_seq=0, limit=10) == alive.heard == [appended.event]


async def test_a_log_is_read_only_up_to_what_is_written(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of what was decided nobody sees a part: the head comes last."""
    slow, other = start(), start()
    conversation = await opened(slow)
    projector = slow.timeline._commits.projector
    write = projector.write
    going_on, waiting = asyncio.Event(), asyncio.Event()

    async def without_heads(link: Link, mutations: Sequence[Mutation]) -> None:
        if any(name == "put_head" for name, _ in mutations):
            waiting.set()
            await going_on.wait()
        await write(link, mutations)

    monkeypatch.setattr(projector, "write", without_heads)
    sending = asyncio.create_task(slow.timeline.append(send(conversation, sender_id=new_id()), guard=0))
    await waiting.wait()
    assert await other.timeline.events(conversation, after_seq=0, limit=10) == []
    assert await other.timeline.messages(conversation, limit=10) == []
    # Whoever commits next does not wait for it.
    appended = await other.timeline.append(send(conversation, sender_id=new_id()), guard=0)
    assert appended.event.seq == 2
    assert [event.seq for event in await other.timeline.events(conversation, after_seq=0, limit=10)] == [1, 2]
    going_on.set()
    assert (await sending).event.seq == 1
    assert [event.seq for event in slow.heard] == [1]
    head = await other.timeline.head(conversation)
    assert head is not None
    assert head.last_seq == 2, "what comes late changes nothing"


async def test_an_ended_log_stays_ended(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was decided before, and is written after it, brings nothing back."""
    dead, alive = start(), start()
    conversation = await opened(dead)
    await dies(monkeypatch, dead, join(dead, conversation, "x"))
    assert await alive.timeline.erase(conversation, 10) == 1
    await repaired(alive)
    assert await alive.timeline.head(conversation) is None
    assert await alive.timeline.events(conversation, after_seq=0, limit=10) == []
    with pytest.raises(GuardChanged):
        await alive.timeline.append(send(conversation), guard=1)


async def test_a_log_of_which_cassandra_lost_a_part_is_not_gone_on_with(start: Start) -> None:
    """A backup of one store only was restored: no new message hides that acknowledged ones are missing."""
    process = start()
    conversation = await opened(process)
    await process.timeline.append(send(conversation, sender_id=new_id()), guard=0)
    await repaired(process)
    other = start()
    await other.timeline._near.execute("TRUNCATE timeline_heads")
    with pytest.raises(ApiError, match="incomplete"):
        await other.timeline.append(send(conversation, sender_id=new_id()), guard=0)


async def test_statements_that_ride_are_there_exactly_when_the_event_is(
    start: Start, database: Database
) -> None:
    one, two = start(), start()
    conversation = await opened(one)
    also = Statement(
        "INSERT INTO marks (seq, who) VALUES (?, ?) ON CONFLICT (who) DO UPDATE SET seq = excluded.seq",
        ("s",),
    )
    for number in range(10):
        process = (one, two)[number % 2]
        event = send(conversation, sender_id=new_id(), client_message_id="a")
        appended = await process.timeline.append(event, guard=0, also=(also,))
        assert await marked(database) == {"s": appended.event.seq} == {"s": number + 1}
    for process in (one, two):
        await repaired(process)
    left = await database.read(lambda conn: conn.execute(text("SELECT payload FROM timeline_intents")).all())
    assert all(row[0] is None for row in left), "what was sent stays behind nowhere"


async def test_a_change_of_a_message_that_is_decided_and_not_in_the_log_yet(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows of other transactions know of it: what they say of it must not get lost."""
    slow, other = start(), start()
    conversation = await opened(slow)
    file = AttachedFile(new_id(), "a.png", "image/png", 7, False, 1)
    plain = send(conversation, sender_id=new_id(), client_message_id="a")
    assert plain.message is not None
    event = msgspec.structs.replace(
        plain, message=msgspec.structs.replace(plain.message, attachments=(file,))
    )
    also = Statement("INSERT INTO marks (seq, who) VALUES (?, ?)", ("grant",))
    decided, going_on = asyncio.Event(), asyncio.Event()
    commits = slow.timeline._commits
    carry_out = commits.carry_out

    async def later(*args: Any) -> Any:
        decided.set()
        await going_on.wait()
        return await carry_out(*args)

    monkeypatch.setattr(commits, "carry_out", later)
    sending = asyncio.create_task(slow.timeline.append(event, guard=0, also=(also,)))
    await decided.wait()

    def has_a_thumbnail(tx: WriteTx) -> None:
        assert tx.run("SELECT seq FROM marks WHERE who = 'grant'") == [(1,)]
        other.timeline.set_attachment_in(tx, [event.event_id], file.file_id, has_thumbnail=True)

    await other.database.write(has_a_thumbnail)
    going_on.set()
    assert (await sending).event.seq == 1
    message = await other.timeline.message(event.event_id)
    assert message is not None
    assert [one.has_thumbnail for one in message.attachments] == [True]


async def test_nothing_is_decided_while_cassandra_is_known_to_be_away(
    start: Start, database: BatchDatabase
) -> None:
    process = start()
    conversation = await opened(process)
    nowhere = CassandraTimeline(database, Cluster(("127.0.0.1",), 1, timeout=1.0), SystemClock())
    sends = [send(conversation, sender_id=new_id(), client_message_id=str(each)) for each in range(2)]
    for event in sends:
        with pytest.raises(ApiError) as refused:
            await nowhere.append(event, guard=0)
        assert (refused.value.code, refused.value.retry_after) == (ErrorCode.TIMELINE_UNAVAILABLE, 2)
    with pytest.raises(ApiError):
        await nowhere.database.write(lambda tx: nowhere.append_in(tx, change(conversation, "member_added")))
    with pytest.raises(ApiError):
        await nowhere.database.write(lambda tx: nowhere.open_in(tx, new_id()))
    await nowhere.close()
    assert (await process.timeline.append(sends[0], guard=0)).event.seq == 1


async def test_many_change_one_message_at_once(start: Start) -> None:
    """Each of them needs what the one before it did."""
    process = start()
    conversation = await opened(process)
    event = send(conversation, sender_id=new_id())
    await process.timeline.append(event, guard=0)
    people = [new_id() for _ in range(40)]

    async def react(who: str) -> None:
        reaction = Reacted(who, "x", 1)
        work = partial(process.timeline.react_in, message_id=event.event_id, reaction=reaction)
        assert await process.database.write(work, brief=True)

    await asyncio.gather(*map(react, people))
    message = await process.timeline.message(event.event_id)
    assert message is not None
    assert (message.reactions[0].count, message.reaction_count) == (40, 40)


async def test_a_change_of_a_message_that_nobody_knows_is_nothing(start: Start) -> None:
    process = start()
    nobody = new_id()
    await process.database.write(
        lambda tx: process.timeline.set_attachment_in(tx, [nobody], new_id(), available=False)
    )
