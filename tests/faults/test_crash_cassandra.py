"""A timeline in Cassandra when processes and nodes are killed: nothing acknowledged is lost."""

import asyncio
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import text

from secureconnect.infra.database.sqlite import open_sqlite
from secureconnect.infra.timeline.base import NewEvent, NewMessage
from secureconnect.infra.timeline.cassandra import CassandraTimeline
from secureconnect.infra.timeline.cassandra_link import Cluster
from secureconnect.infra.timeline.cassandra_migrate import migrate
from secureconnect.kit.clock import SystemClock
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.ids import new_id, new_time_id
from secureconnect.migrations import runner
from stack.cassandra import Cassandra
from stack.server import MissingProgram
from tests.faults.plan import SEED, kills
from tests.faults.test_crash_timeline import Promises, run_and_kill

pytestmark = [pytest.mark.faults, pytest.mark.cassandra]

KILLS = kills(3)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cassandra]:
    try:
        server = Cassandra(tmp_path_factory.mktemp("cassandra"))
    except MissingProgram as missing:
        pytest.skip(str(missing))
    with server:
        yield server


async def cluster(server: Cassandra, keyspace: str, timeout: float = 10.0) -> Cluster:
    made = Cluster(("127.0.0.1",), server.port, keyspace, server.datacenter, 1, timeout=timeout)
    await migrate(made)
    return made


async def check(path: Path, where: Cluster, promises: Promises) -> int:
    """Compare both stores with the promises; returns how many events there are."""
    database = open_sqlite(path)
    timeline = CassandraTimeline(database, where, SystemClock())
    left = await timeline.repair(older_than=0)
    while left:  # a hundred at a time
        before, left = left, await timeline.repair(older_than=0)
        assert left < before
    joins: dict[tuple[str, str], int] = {}
    marks: dict[tuple[str, str | None], int] = {}
    sends: dict[tuple[str | None, ...], int] = {}
    count = 0
    for key in await timeline.active_since(0, after=None, limit=1000):
        log = await timeline.events(key, after_seq=0, limit=1_000_000)
        head = await timeline.head(key)
        assert head is not None
        assert [event.seq for event in log] == list(range(1, head.last_seq + 1))
        assert len({event.event_id for event in log}) == len(log)
        count += len(log)
        for event in log:
            if event.kind == "member_added":
                joins[key, msgspec.json.decode(event.data)["user_id"]] = event.seq
                marks[key, msgspec.json.decode(event.data)["user_id"]] = event.seq
            else:
                assert event.message is not None
                sender = event.message.sender_id
                place = sends.setdefault((key, sender, event.message.client_message_id), event.seq)
                assert place == event.seq, "sent once, there twice"
                marks[key, sender] = event.seq
            promised = promises.events.get((key, event.seq))
            assert promised in {None, event.event_id}
    assert promises.events.keys() <= {(key[0], seq) for key, seq in sends.items()}
    assert promises.joined.items() <= joins.items()

    query = text("SELECT conversation_id, user_id, joined_seq, last_read_seq FROM conversation_participants")
    members = await database.read(lambda conn: conn.execute(query).all())
    assert joins == {(row[0], row[1]): row[2] for row in members}
    assert marks == {(row[0], row[1]): row[3] for row in members}
    await timeline.close()
    await database.close()
    return count


def test_kill_9_of_a_process_loses_nothing_acknowledged(server: Cassandra, tmp_path: Path) -> None:
    """Killed anywhere between the claim, the relational commit and the append, a change is in both stores or
    in none, and its event is there once.
    """
    path = tmp_path / "secureconnect.db"
    chance = random.Random(SEED)
    promises = Promises()
    where = asyncio.run(cluster(server, "killed"))
    counts = []
    for _ in range(KILLS):
        run_and_kill(path, promises, chance, msgspec.json.encode(where).decode())
        counts.append(asyncio.run(check(path, where, promises)))
    assert counts == sorted(counts)
    print(f"{KILLS} kills, {len(promises.events)} sends, {len(promises.joined)} joins, seed {SEED}")
    assert len(promises.events) > 10 * KILLS


async def test_a_killed_node_comes_back_with_everything(server: Cassandra, tmp_path: Path) -> None:
    """Sends are refused while it is away and go on when it is back."""
    database = open_sqlite(tmp_path / "secureconnect.db")
    await database.write(lambda tx: runner.upgrade(tx.conn))
    timeline = CassandraTimeline(database, await cluster(server, "away", 2.0), SystemClock())
    timeline.start()
    conversation = new_id()
    await timeline.database.write(lambda tx: timeline.open_in(tx, conversation))
    acked: dict[str, int] = {}
    refusals: set[tuple[ErrorCode, int | None]] = set()
    stop = False

    async def insist(sender: str) -> None:
        """One message after the other; each until it is acknowledged."""
        number = 0
        while not stop:
            name = f"{sender} {number}"
            message = NewMessage(sender, str(number), name, False, "text", {})
            event = NewEvent(
                conversation, new_time_id(), "message_created", sender, 1_800_000_000_000, message=message
            )
            try:
                appended = await timeline.append(event, guard=0)
            except ApiError as error:
                refusals.add((error.code, error.retry_after))
                await asyncio.sleep(0)
                continue
            acked[name] = appended.event.seq
            number += 1

    senders = [asyncio.create_task(insist(new_id())) for _ in range(8)]

    async def until(condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(120):
            while not condition():  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.01)

    await until(lambda: len(acked) >= 50)
    await asyncio.to_thread(server.kill)
    with pytest.raises(ApiError):
        await timeline.head(conversation)
    await until(lambda: bool(refusals))
    before = len(acked)
    await asyncio.to_thread(server.start)
    await until(lambda: len(acked) >= before + 50)
    stop = True
    await asyncio.gather(*senders)
    assert refusals == {(ErrorCode.TIMELINE_UNAVAILABLE, 2)}

    log = await timeline.events(conversation, after_seq=0, limit=1_000_000)
    assert [event.seq for event in log] == list(range(1, len(log) + 1))
    stored = {event.message.content: event.seq for event in log if event.message is not None}
    assert len(stored) == len(log), "sent once, there twice"
    assert acked.items() <= stored.items()
    await timeline.close()
    await database.close()
