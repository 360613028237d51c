"""A timeline in Cassandra used by several processes, some of which die: claims and intents (I2, I4)."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import msgspec
import pytest
from sqlalchemy import text

from secureconnect.infra.database.base import BatchDatabase, Database, WriteTx
from secureconnect.infra.timeline.base import AttachedFile, GuardChanged, Statement, StoredEvent
from secureconnect.infra.timeline.cassandra import CassandraTimeline
from secureconnect.infra.timeline.cassandra_link import Cluster
from secureconnect.infra.timeline.cassandra_scope import Scope
from secureconnect.kit.clock import SystemClock
from secureconnect.kit.ids import new_id

from .timeline_adapters import StartCassandra, cluster_of, emptied
from .timeline_world import change, send

pytestmark = [pytest.mark.usefixtures("marks"), pytest.mark.cassandra]


class Killed(BaseException):
    """The process ends here; nothing of it runs any more."""


class Process:
    """A process of its own, as far as claims and queues go."""

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
        patched.setattr(Scope, "finish", killed)
        patched.setattr(Scope, "give_back", killed)
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
    assert alive.heard == log
    assert other.heard == []
    head = await other.timeline.head(conversation)
    assert head is not None
    assert head.guard == len(expected)


async def test_what_a_dead_process_did_not_commit_never_happens(
    start: Start, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead, alive = start(), start()
    conversation = await opened(dead)

    def fails(tx: WriteTx) -> int:
        join(dead, conversation, "x")(tx)
        raise RuntimeError("killed before the commit")

    await dies(monkeypatch, dead, fails)
    appended = await alive.timeline.append(send(conversation, sender_id=new_id()), guard=0)
    assert appended.event.seq == 1
    assert await marked(database) == {}
    await repaired(alive)


async def test_a_transaction_whose_claim_was_taken_cannot_commit(start: Start, database: Database) -> None:
    """It seemed dead and was only slow: nothing of it happens, and it runs again."""
    slow = start()
    conversation = await opened(slow)
    original = Scope.seal
    claims: list[str] = []

    def late(scope: Scope, tx: WriteTx) -> None:
        if not claims:
            claims.extend(draft.base.claim for draft in scope.drafts)
            for claim in claims:
                tx.run(
                    "INSERT INTO timeline_intents (event_id, claim_id, conversation_id, kind, created_at,"
                    " done_at) VALUES (?, ?, ?, 'void', 0, 0)",
                    (claim, claim, conversation),
                )
        original(scope, tx)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Scope, "seal", late)
        assert await slow.database.write(join(slow, conversation, "x")) == 1
    assert len(claims) == 1
    assert await marked(database) == {"x": 1}
    assert [event.seq for event in slow.heard] == [1]


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
    claims = slow.timeline._claims
    carry_out = claims.carry_out

    async def later(*args: Any) -> bool:
        decided.set()
        await going_on.wait()
        return await carry_out(*args)

    monkeypatch.setattr(claims, "carry_out", later)
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


async def test_a_change_of_a_message_that_nobody_knows_is_nothing(start: Start) -> None:
    process = start()
    nobody = new_id()
    await process.database.write(
        lambda tx: process.timeline.set_attachment_in(tx, [nobody], new_id(), available=False)
    )
