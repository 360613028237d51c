"""The Timeline port: the old start of a log goes, and nothing else changes."""

import msgspec
import pytest

from secureconnect.infra.timeline.base import (
    AttachedFile,
    Edit,
    Head,
    NewEvent,
    Reacted,
    StoredMessage,
    Trimmed,
)
from secureconnect.kit.events import MessageEdited
from secureconnect.kit.ids import new_id, new_time_id

from .timeline_world import World, change, send

HOUR = 3_600_000


async def trim(world: World, conversation_id: str, before: int, limit: int = 1000) -> Trimmed:
    return await world.database.write(lambda tx: world.timeline.trim_in(tx, conversation_id, before, limit))


async def stale(
    world: World, conversation_id: str, before: int, after_seq: int = 0, limit: int = 1000
) -> Trimmed:
    return await world.database.read(
        lambda conn: world.timeline.stale_in(conn, conversation_id, before, after_seq=after_seq, limit=limit)
    )


async def append(world: World, event: NewEvent, at: int, **message: object) -> str:
    event = msgspec.structs.replace(event, sent_at=at)
    if message:
        assert event.message is not None
        event = msgspec.structs.replace(event, message=msgspec.structs.replace(event.message, **message))
    await world.timeline.append(event, guard=0)
    return event.event_id


async def head(world: World, conversation_id: str) -> Head:
    found = await world.timeline.head(conversation_id)
    assert found is not None
    return found


async def rewrite(world: World, message_id: str, at: int, text: str) -> None:
    """An edit with its event."""

    def work(tx: object) -> None:
        message = world.timeline.message_in(tx, message_id)  # type: ignore[arg-type]
        assert message is not None
        world.timeline.edit_in(tx, message, Edit(text, {}, None, (), at))  # type: ignore[arg-type]
        event = NewEvent(
            message.conversation_id,
            new_time_id(),
            "message_edited",
            message.sender_id,
            at,
            target_id=message_id,
        )
        world.timeline.append_in(tx, event)  # type: ignore[arg-type]

    await world.database.write(work)


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 1000])
async def test_what_is_said_to_go_goes_batch_by_batch(world: World, limit: int) -> None:
    a, b = await world.open(), await world.open()
    for hour in range(10):
        event = change(a) if hour % 3 == 0 else send(a, sender_id=new_id(), content=f"ä{hour}")
        await append(world, event, hour * HOUR)
        await append(world, send(b), hour * HOUR)
    before, rest = await head(world, a), (await world.log(a))[6:]
    other = await world.log(b)
    assert await world.timeline.count_messages() == 16

    told: list[Trimmed] = []
    while not told or told[-1].events == limit:
        told.append(await stale(world, a, 6 * HOUR, told[-1].last_seq if told else 0, limit))
    done: list[Trimmed] = []
    while not done or done[-1].events == limit:
        done.append(await trim(world, a, 6 * HOUR, limit))
        assert (await head(world, a)).first_seq == sum(one.events for one in done) + 1
    assert [one.message_ids for one in done] == [one.message_ids for one in told]
    assert sum(one.events for one in done) == sum(one.events for one in told) == 6
    assert sum(one.bytes for one in done) == sum(one.bytes for one in told)
    # Two changes with "{}", four messages "ä1" … with "{}" as metadata.
    assert sum(one.bytes for one in done) == 2 * 2 + 4 * (3 + 2)

    assert await head(world, a) == msgspec.structs.replace(before, first_seq=7)
    assert await world.log(a) == rest
    assert await world.log(b) == other
    assert await world.timeline.count_messages() == 12
    assert await trim(world, a, 6 * HOUR) == Trimmed(a, 0, 0, (), 0, 0)
    await append(world, send(a), 11 * HOUR)
    assert [event.seq for event in await world.log(a)] == [7, 8, 9, 10, 11]


async def test_nothing_behind_a_young_event_goes(world: World) -> None:
    """Clocks may step: what is old by time and young by place stays, and the seqs have no gap."""
    a = await world.open()
    for at in (1, 2, 9, 3, 4):
        await append(world, send(a), at * HOUR)
    assert (await trim(world, a, 5 * HOUR)).events == 2
    assert [event.seq for event in await world.log(a)] == [3, 4, 5]


async def test_a_log_may_lose_everything_and_goes_on(world: World) -> None:
    a = await world.open()
    sender = new_id()
    for at in (1, 2, 3):
        await append(world, send(a, sender_id=sender, client_message_id=f"k{at}"), at)
    assert (await trim(world, a, 100)).events == 3
    now = await head(world, a)
    assert (now.first_seq, now.last_seq) == (4, 3)
    assert await world.log(a) == []
    assert await world.timeline.last_messages({a: 1}) == {}
    assert await world.timeline.unread(new_id(), {a: 0}, cap=10) in ({}, {a: 0})
    # What a client_message_id brought is gone, so the same one is a new send.
    again = await world.timeline.append(send(a, sender_id=sender, client_message_id="k2"), guard=0)
    assert not again.duplicate
    assert again.event.seq == 4


async def test_everything_about_the_messages_goes(world: World) -> None:
    a = await world.open()
    file = AttachedFile(new_id(), "a.txt", "text/plain", 5, is_encrypted=False, uploaded_at=1)
    root = await append(world, send(a, sender_id=new_id(), content="root"), 1, attachments=(file,))
    reply = await append(world, send(a, sender_id=new_id()), 2, thread_root_id=root)
    await world.database.write(lambda tx: world.timeline.react_in(tx, root, Reacted(new_id(), "+", 3)))
    await rewrite(world, root, 4, "ROOT!")
    await append(world, send(a, content="young"), 10)
    told = await stale(world, a, 5)
    assert (told.events, told.message_ids, told.files) == (3, (root, reply), 1)
    # "root" is kept as a version of "ROOT!"; metadata are "{}" each time.
    assert told.bytes == (5 + 2) + (4 + 2) + (5 + 2)
    assert await trim(world, a, 5) == told
    assert await world.timeline.messages_by_id([root, reply]) == {}
    assert await world.timeline.versions(root, after=0, limit=10) == []
    assert await world.timeline.reactions(root, emoji=None, after=None, limit=10) == []
    assert await world.timeline.thread(root, after_seq=0, limit=10) == []
    assert await trim(world, a, 5) == Trimmed(a, 0, 0, (), 0, 0)


async def test_a_later_edit_shows_a_message_of_which_nothing_is_left(world: World) -> None:
    a = await world.open()
    old = await append(world, send(a, sender_id=new_id(), content="secret"), 1)
    other = await append(world, send(a, sender_id=new_id(), content="secret"), 2)
    await append(world, send(a, content="young"), 10)
    for _ in range(3):
        await rewrite(world, old, 11, "secret two")
    await rewrite(world, other, 12, "secret three")
    kept = await append(world, send(a, content="kept"), 13)
    await rewrite(world, kept, 14, "kept two")
    assert (await trim(world, a, 5)).events == 2

    log = await world.log(a)
    assert [event.seq for event in log] == [3, 4, 5, 6, 7, 8, 9]
    for event, message_id, seq in ((log[1], old, 1), (log[3], old, 1), (log[4], other, 2)):
        assert event.message is None
        data = msgspec.json.decode(event.data, type=MessageEdited)
        assert (data.message_id, data.target_seq) == (message_id, seq)
        assert (data.message.content, data.message.delete_reason) == ("", "expired")
        assert b"secret" not in event.data
    assert isinstance(log[6].message, StoredMessage)
    assert log[6].message.content == "kept two"
