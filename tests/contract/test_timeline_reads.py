"""The Timeline port: what reads give, and that they are never behind (G8)."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from secureconnect.infra.database.base import WriteTx
from secureconnect.infra.timeline.base import Edit, NewEvent, Quote
from secureconnect.kit.ids import new_id, new_time_id

from .timeline_world import World, change, send


async def test_ranges_of_events(world: World) -> None:
    conversation = await world.open()
    for number in range(300):
        event = send(conversation, sender_id=new_id()) if number % 3 else change(conversation)
        await world.database.write(lambda tx, event=event: world.timeline.append_in(tx, event), brief=True)  # type: ignore[misc]
    log = await world.log(conversation)

    async def seqs(**bounds: int) -> list[int]:
        found = await world.timeline.events(conversation, **bounds)
        assert found == [log[event.seq - 1] for event in found]
        return [event.seq for event in found]

    assert await seqs(limit=10) == list(range(291, 301))
    assert await seqs(after_seq=0, limit=10) == list(range(1, 11))
    assert await seqs(after_seq=295, limit=10) == list(range(296, 301))
    assert await seqs(after_seq=300, limit=10) == []
    assert await seqs(before_seq=11, limit=4) == [7, 8, 9, 10]
    assert await seqs(before_seq=1, limit=4) == []
    assert await seqs(after_seq=10, before_seq=14, limit=10) == [11, 12, 13]
    assert await seqs(after_seq=10, before_seq=14, limit=2) == [11, 12]
    assert await seqs(after_seq=10, before_seq=11, limit=2) == []
    assert await seqs(after_seq=0, limit=250) == list(range(1, 251))


async def test_pages_of_messages(world: World) -> None:
    conversation = await world.open()
    for number in range(30):
        event = send(conversation, sender_id=new_id()) if number % 3 else change(conversation)
        await world.timeline.append(event, guard=0)

    async def seqs(**bounds: Any) -> list[int]:
        found = await world.timeline.messages(conversation, **bounds)
        return [message.seq for message in found]

    every = [seq for seq in range(30, 0, -1) if (seq - 1) % 3]
    assert await seqs(limit=100) == every
    assert await seqs(limit=4) == every[:4]
    assert await seqs(before_seq=every[3], limit=4) == every[4:8]
    assert await seqs(from_seq=20, limit=100) == [seq for seq in every if seq >= 20]
    assert await seqs(from_seq=20, before_seq=24, limit=100) == [seq for seq in every if 20 <= seq < 24]


@pytest.mark.parametrize("count", [1, 5, 33, 300])
async def test_many_conversations_at_once(world: World, count: int) -> None:
    me, them = new_id(), new_id()
    timeline = world.timeline
    conversations = [await world.open() for _ in range(count)]

    def fill(tx: WriteTx) -> None:
        for index, conversation in enumerate(conversations):
            for number in range(index % 5):
                timeline.append_in(tx, send(conversation, sender_id=them if number % 2 else me))
            timeline.append_in(tx, send(conversation, sender_id=None))
            timeline.append_in(tx, change(conversation))

    await world.database.write(fill)
    heads = await timeline.heads([*conversations, new_id()])
    assert {key: head.last_seq for key, head in heads.items()} == {
        conversation: index % 5 + 2 for index, conversation in enumerate(conversations)
    }
    last = await timeline.last_messages(dict.fromkeys(conversations, 1))
    assert {key: message.seq for key, message in last.items()} == {
        conversation: index % 5 + 1 for index, conversation in enumerate(conversations)
    }
    visible = {conversation: index % 5 + 1 + index % 2 for index, conversation in enumerate(conversations)}
    assert set(await timeline.last_messages(visible)) == set(conversations[::2])
    unread = await timeline.unread(me, dict.fromkeys(conversations, 0), cap=1000)
    assert unread == {conversation: index % 5 // 2 + 1 for index, conversation in enumerate(conversations)}
    read = await timeline.unread(me, dict.fromkeys(conversations, 10), cap=1000)
    assert read == dict.fromkeys(conversations, 0)


async def test_unread_counts_stop_at_the_cap(world: World) -> None:
    conversation = await world.open()
    me = new_id()

    def fill(tx: WriteTx) -> None:
        for number in range(40):
            world.timeline.append_in(tx, send(conversation, sender_id=me if number % 4 == 0 else new_id()))

    await world.database.write(fill)
    assert await world.timeline.unread(me, {conversation: 0}, cap=1000) == {conversation: 30}
    assert await world.timeline.unread(me, {conversation: 0}, cap=7) == {conversation: 7}
    assert await world.timeline.unread(me, {conversation: 36}, cap=7) == {conversation: 3}


async def test_the_latest_append_is_in_every_kind_of_read(world: World) -> None:
    """G8, right after the answer, while other appends go on."""
    conversation = await world.open()
    stop = False

    async def noise() -> None:
        while not stop:
            await world.timeline.append(send(conversation, sender_id=new_id()), guard=0)

    noisy = [asyncio.create_task(noise()) for _ in range(4)]
    reads: list[Callable[[int, str], Any]] = [
        lambda seq, _id: world.timeline.events(conversation, after_seq=seq - 1, limit=1),
        lambda seq, _id: world.timeline.events(conversation, after_seq=seq - 1, limit=500),
        lambda seq, _id: world.timeline.messages(conversation, from_seq=seq, before_seq=seq + 1, limit=1),
        lambda _seq, message_id: world.timeline.message(message_id),
    ]
    for number in range(40):
        event = (await world.timeline.append(send(conversation, sender_id=new_id()), guard=0)).event
        assert await reads[number % len(reads)](event.seq, event.event_id)
        head = await world.timeline.head(conversation)
        assert head is not None
        assert head.last_seq >= event.seq
    stop = True
    await asyncio.gather(*noisy)


async def test_what_everything_is_built_from(world: World) -> None:
    """Older messages across conversations, and messages that something happened to lately."""
    timeline = world.timeline
    conversations = [await world.open() for _ in range(3)]
    sent: list[str] = []
    for number in range(150):
        event = send(conversations[number % 2], sender_id=new_id())
        await timeline.append(event, guard=0)
        sent.append(event.event_id)

    walked: list[str] = []
    before = "ffffffff-ffff-ffff-ffff-ffffffffffff"
    while page := await timeline.older_messages(before, 7):
        walked += [message.message_id for message in page]
        before = walked[-1]
    assert walked == sent[::-1]
    assert [one.seq for one in await timeline.older_messages(sent[3], 2)] == [2, 1]

    async def changed(since: int, *kinds: str) -> set[str]:
        found: set[str] = set()
        after: str | None = None
        while True:
            messages, after = await timeline.changed_since(since, kinds=kinds, after=after, limit=1)
            assert found.isdisjoint(message.message_id for message in messages)
            found.update(message.message_id for message in messages)
            if after is None:
                return found

    for place in (10, 140, 149):
        assert await changed(world.heard[place].sent_at, "message_created") == set(sent[place:])
    assert await changed(world.heard[140].sent_at, "message_edited") == set()
    late = 1_900_000_000_000
    about = NewEvent(conversations[0], new_time_id(), "message_edited", None, late, target_id=sent[4])
    await world.database.write(lambda tx: timeline.append_in(tx, about))
    await timeline.append(change(conversations[2]), guard=0)
    assert await changed(late, "message_created", "message_edited") == {sent[4]}
    assert await changed(late + 1, "message_created", "message_edited") == set()


async def test_an_answer_quotes_what_is_said_when_it_is_stored(world: World) -> None:
    """Another member edits the message and another deletes theirs, between the sender's look at them and the
    append: the listener hears of the answer after that, so it has to hear what the log would tell."""
    conversation = await world.open()
    said = [
        (await world.timeline.append(send(conversation, sender_id=new_id()), guard=0)).event.message
        for _ in range(3)
    ]

    def change_two(tx: WriteTx) -> None:
        for number, message in enumerate(said):
            assert message is not None
            found = world.timeline.message_in(tx, message.message_id)
            assert found is not None
            if number == 0:
                world.timeline.edit_in(tx, found, Edit("other words", {}, None, (), found.sent_at))
            elif number == 1:
                world.timeline.delete_in(tx, found, at=found.sent_at, by=found.sender_id, reason="sender")

    await world.database.write(change_two)
    quotes = [Quote(each.message_id, each.sender_id, each.content, each.seq) for each in said if each]
    answers = await asyncio.gather(
        *(world.timeline.append(send(conversation, quote=quote), guard=0) for quote in quotes)
    )
    heard = [answer.event.message for answer in answers]
    previews = [message.quote.preview for message in heard if message and message.quote]
    assert previews == ["other words", "", "hello"]
    assert heard == [event.message for event in world.heard[-3:]]
    for message in heard:
        assert message is not None
        assert message == await world.timeline.message(message.message_id)
