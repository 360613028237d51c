"""Logs that move from the database to Cassandra and back: whoever reads them notices nothing."""

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

import msgspec
import pytest
from sqlalchemy import func, select

from secureconnect.infra.database.base import BatchDatabase, Database
from secureconnect.infra.timeline import tables
from secureconnect.infra.timeline.base import (
    AttachedFile,
    Edit,
    NewEvent,
    Quote,
    Reacted,
    StoredMessage,
    Timeline,
)
from secureconnect.infra.timeline.cassandra import CassandraTimeline
from secureconnect.infra.timeline.cassandra_link import Cluster, Link
from secureconnect.infra.timeline.cassandra_logs import CassandraLogs
from secureconnect.infra.timeline.moving import EventRow, LogHead, LogPage, Logs, Moved, NotMoved, move
from secureconnect.infra.timeline.relational import RelationalTimeline
from secureconnect.infra.timeline.relational_logs import RelationalLogs
from secureconnect.kit.clock import SystemClock
from secureconnect.kit.ids import new_id

from .timeline_adapters import StartCassandra, cluster_of, emptied
from .timeline_world import World, change, send

pytestmark = pytest.mark.cassandra

ANN, BEN = new_id(), new_id()
FILE = AttachedFile(new_id(), "a b.pdf", "application/pdf", 7, False, 1_800_000_000_000, True, False)


@pytest.fixture
async def cluster(cassandra_server: StartCassandra) -> Cluster:
    return await emptied(cluster_of(cassandra_server()))


@pytest.fixture
async def there(database: BatchDatabase, cluster: Cluster) -> AsyncIterator[CassandraLogs]:
    link = Link(cluster)
    yield CassandraLogs(database, link)
    await link.close()


def rich(event: NewEvent, **fields: Any) -> NewEvent:
    assert event.message is not None
    return msgspec.structs.replace(event, message=msgspec.structs.replace(event.message, **fields))


async def lived(world: World) -> list[str]:
    """Two conversations in which everything happened that may happen to a message, and an empty one."""
    timeline, database = world.timeline, world.database
    full, trimmed, empty = [await world.open() for _ in range(3)]
    await world.raise_guard(full)

    async def say(event: NewEvent, guard: int = 1) -> StoredMessage:
        message = (await timeline.append(event, guard=guard)).event.message
        assert message is not None
        return message

    first = await say(send(full, sender_id=ANN, client_message_id="1", content="\x00 é \U0001f600"))
    quote = Quote(first.message_id, ANN, "", first.seq)
    answer = await say(rich(send(full, sender_id=BEN), quote=quote, mentions=(ANN, BEN), mention_here=True))
    for number in range(3):
        await say(rich(send(full, sender_id=BEN, content=f"reply {number}"), thread_root_id=first.message_id))
    carried = await say(
        rich(
            send(full, sender_id=ANN, metadata={"a": "b"}, e2ee=b"\x00\xff"),
            attachments=(FILE,),
            expires_at=4_000_000_000_000,
            sender_name="Bot",
            silent=True,
        )
    )
    await timeline.append(change(full, data=b'{"a":1}'), guard=1)
    removed = await say(send(full, sender_id=ANN, client_message_id="2", content="to be removed"))
    for number in range(2):
        edit = Edit(f"edit {number}", {}, None, (BEN,), 1_900_000_000_000 + number)
        work = partial(timeline.edit_in, message=answer, edit=edit)
        answer = await database.write(work)
    for who, emoji in ((ANN, "\U0001f44d"), (BEN, "\U0001f44d"), (BEN, "x")):
        reacted = Reacted(who, emoji, 1_900_000_000_000)
        await database.write(lambda tx, reacted=reacted: timeline.react_in(tx, carried.message_id, reacted))  # type: ignore[misc]
    await database.write(lambda tx: timeline.set_pinned_in(tx, first.message_id, pinned=True))
    await database.write(lambda tx: timeline.delete_in(tx, removed, at=2_000_000_000_000, by=ANN, reason="x"))
    about = msgspec.structs.replace(change(full, kind="message_pinned"), target_id=first.message_id)
    await timeline.append(about, guard=1)

    old = await say(send(trimmed, sender_id=ANN), guard=0)
    quote = Quote(old.message_id, ANN, "", old.seq)
    await say(rich(send(trimmed, sender_id=BEN), quote=quote), guard=0)
    about = msgspec.structs.replace(change(trimmed, kind="message_pinned"), target_id=old.message_id)
    await timeline.append(about, guard=0)
    await database.write(lambda tx: timeline.trim_in(tx, trimmed, old.sent_at + 1, 1))
    return [full, trimmed, empty]


async def seen(timeline: Timeline, conversations: list[str]) -> dict[str, Any]:
    """What readers get."""
    found: dict[str, Any] = {}
    for key in conversations:
        events = await timeline.events(key, after_seq=0, limit=1000)
        messages = await timeline.messages(key, limit=1000, viewer_id=BEN)
        found[key] = {
            "head": await timeline.head(key),
            "events": events,
            "messages": messages,
            "unread": await timeline.unread(BEN, {key: 1}, cap=100),
            "last": await timeline.last_messages({key: 1}),
        }
        for one in messages:
            found[one.message_id] = {
                "itself": await timeline.message(one.message_id, viewer_id=ANN),
                "versions": await timeline.versions(one.message_id, after=0, limit=10),
                "thread": await timeline.thread(one.message_id, after_seq=0, limit=10),
                "reactions": await timeline.reactions(one.message_id, emoji=None, after=None, limit=10),
            }
    found["count"] = await timeline.count_messages()
    found["expired"] = await timeline.expired(5_000_000_000_000, 10)
    found["older"] = await timeline.older_messages("ffffffff-ffff-7fff-bfff-ffffffffffff", 100)
    return found


def quiet(_conversations: int, _events: int) -> None:
    pass


async def rows_in(database: Database) -> int:
    counted = (tables.heads, tables.events, tables.messages, tables.thread_index)
    queries = [select(func.count()).select_from(table) for table in counted]
    return sum(await database.read(lambda conn: [conn.execute(query).scalar_one() for query in queries]))


Within = Callable[[Timeline], Awaitable[Any]]


async def in_cassandra(database: BatchDatabase, cluster: Cluster, work: Within) -> Any:
    timeline = CassandraTimeline(database, cluster, SystemClock())
    try:
        return await work(timeline)
    finally:
        await timeline.close()


async def test_there_and_back(database: BatchDatabase, cluster: Cluster, there: CassandraLogs) -> None:
    here, world = RelationalLogs(database), World(database)
    world.timeline = RelationalTimeline(database, world.listen)
    conversations = await lived(world)
    before = await seen(world.timeline, conversations)
    told: list[tuple[int, int]] = []
    moved = await move(here, there, lambda *counts: told.append(counts))
    assert moved == Moved(3, 11, 8)
    assert told[-1] == (3, 11)
    assert await rows_in(database) == 0
    assert await in_cassandra(database, cluster, lambda it: seen(it, conversations)) == before

    async def goes_on(timeline: Timeline) -> None:
        """Repeats are known, and the next commits come after what was moved."""
        again = send(conversations[0], sender_id=ANN, client_message_id="1", content="repeated")
        repeat = await timeline.append(again, guard=1)
        assert (repeat.duplicate, repeat.event.seq) == (True, 1)
        said = await timeline.append(send(conversations[0], sender_id=BEN, client_message_id="n"), guard=1)
        assert said.event.seq == before[conversations[0]]["head"].last_seq + 1
        await timeline.append(send(conversations[2], sender_id=BEN), guard=0)
        first = before[conversations[0]]["events"][0].message
        edit = Edit("edited there", {}, None, (), 2_100_000_000_000)
        assert isinstance(timeline, CassandraTimeline)
        await timeline.database.write(lambda tx: timeline.edit_in(tx, first, edit))

    await in_cassandra(database, cluster, goes_on)
    after = await in_cassandra(database, cluster, lambda it: seen(it, conversations))
    assert await move(there, here, quiet) == Moved(3, 13, 10)
    assert await seen(world.timeline, conversations) == after
    assert [heads async for heads in there.heads() if heads] == []
    assert await move(here, there, quiet) == Moved(3, 13, 10), "nothing of the first time is in the way"
    assert await in_cassandra(database, cluster, lambda it: seen(it, conversations)) == after


class CutOff(Exception):
    """The process ends here."""


@pytest.mark.parametrize("step", ["put_page", "put_heads", "clear"])
async def test_a_move_that_is_cut_off_is_made_again(
    database: BatchDatabase,
    cluster: Cluster,
    there: CassandraLogs,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
) -> None:
    here, world = RelationalLogs(database), World(database)
    world.timeline = RelationalTimeline(database, world.listen)
    conversations = await lived(world)
    before = await seen(world.timeline, conversations)

    for source, target in ((here, there), (there, here)):
        at: Logs = source if step == "clear" else target
        real = getattr(type(at), step)

        async def ends(self: Logs, *args: Any, real: Any = real) -> None:
            if step != "clear":
                await real(self, *args)
            raise CutOff

        with monkeypatch.context() as patched:
            patched.setattr(type(at), step, ends)
            with pytest.raises(CutOff):
                await move(source, target, quiet)
        assert await move(source, target, quiet) == Moved(3, 11, 8)
    assert await seen(world.timeline, conversations) == before


async def test_what_both_hold_is_not_overwritten(database: BatchDatabase, there: CassandraLogs) -> None:
    here, key = RelationalLogs(database), new_id()
    page = LogPage((EventRow(1, new_id(), "conversation_updated", None, 1, b"{}", None, None),), ())
    await here.put_page(key, page)
    await here.put_heads([LogHead(key, 1, 1, 1, 0, 0)])
    other = new_id()
    await there.put_page(other, page)
    await there.put_heads([LogHead(other, 1, 1, 1, 0, 0)])
    for source, target in ((here, there), (there, here)):
        with pytest.raises(NotMoved, match="both"):
            await move(source, target, quiet)
    assert await here.head(key) == LogHead(key, 1, 1, 1, 0, 0)
    assert await there.head(other) == LogHead(other, 1, 1, 1, 0, 0)


async def test_a_log_that_is_not_whole_stays_where_it_is(
    database: BatchDatabase, there: CassandraLogs
) -> None:
    here, key = RelationalLogs(database), new_id()
    page = LogPage((EventRow(1, new_id(), "conversation_updated", None, 1, b"{}", None, None),), ())
    await here.put_page(key, page)
    await here.put_heads([LogHead(key, 1, 2, 1, 0, 0)])
    with pytest.raises(NotMoved, match="ends at 1"):
        await move(here, there, quiet)
    assert await here.head(key) is not None
    assert await there.head(key) is None
