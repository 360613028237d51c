"""The Timeline port: guarantees G1-G4 and invariants I1-I4, one process."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from secureconnect.infra.database.base import WriteTx
from secureconnect.infra.timeline.base import AlreadySent, Appended, GuardChanged, Statement
from secureconnect.kit.ids import new_id

from .timeline_world import World, change, send, stored_as


async def test_an_append_is_stored_heard_and_readable(world: World) -> None:
    conversation = await world.open()
    event = send(
        conversation,
        sender_id=new_id(),
        client_message_id="a-1",
        content="Grüße 🙂\n",
        metadata={"k": 'v"', "é": ""},
    )
    appended = await world.timeline.append(event, guard=0)
    expected = stored_as(event, 1)
    assert appended == Appended(expected)
    assert world.heard == [expected]
    assert await world.log(conversation) == [expected]
    assert await world.timeline.messages(conversation, limit=10) == [expected.message]
    assert await world.timeline.message(event.event_id) == expected.message
    head = await world.timeline.head(conversation)
    assert head is not None
    assert (head.first_seq, head.last_seq, head.last_at, head.guard) == (1, 1, event.sent_at, 0)


async def test_events_without_message_keep_their_data(world: World) -> None:
    conversation = await world.open()
    event = change(conversation, "member_added", b'{"user_id":"\xc3\xa9"}')
    assert await world.timeline.append(event, guard=0) == Appended(stored_as(event, 1))
    assert await world.log(conversation) == [stored_as(event, 1)]
    assert await world.timeline.messages(conversation, limit=10) == []


async def test_encrypted_messages_and_webhooks_come_back_as_they_were(world: World) -> None:
    conversation = await world.open()
    secret = send(conversation, sender_id=new_id(), content="b64==", e2ee=b'{"alg":"x"}')
    hook = send(conversation, sender_id=None, content="from a webhook")
    for event in (secret, hook):
        await world.timeline.append(event, guard=0)
    assert await world.log(conversation) == [stored_as(secret, 1), stored_as(hook, 2)]


@pytest.mark.parametrize("content", ["\x00", "a\x00\ufdd0b\ufdd00", "é\U0001f600\ufffe"])
async def test_any_content_comes_back(world: World, content: str) -> None:
    conversation = await world.open()
    event = send(conversation, sender_id=new_id(), client_message_id="x", content=content)
    await world.timeline.append(event, guard=0)
    assert await world.log(conversation) == [stored_as(event, 1)]


async def test_unknown_conversations(world: World) -> None:
    nowhere = new_id()
    timeline = world.timeline
    with pytest.raises(GuardChanged):
        await timeline.append(send(nowhere, sender_id=new_id(), client_message_id="x"), guard=0)
    with pytest.raises(GuardChanged):
        await world.database.write(lambda tx: timeline.append_in(tx, change(nowhere)))
    await world.raise_guard(nowhere)
    assert await timeline.head(nowhere) is None
    assert await timeline.heads([nowhere]) == {}
    assert await timeline.events(nowhere, limit=10) == []
    assert await timeline.messages(nowhere, limit=10) == []
    assert await timeline.message(new_id()) is None
    assert await timeline.last_messages({nowhere: 1}) == {}
    assert await timeline.unread(new_id(), {nowhere: 0}, cap=10) == {nowhere: 0}
    assert await timeline.unread(new_id(), {}, cap=10) == {}
    assert await timeline.last_messages({}) == {}
    assert world.heard == []


async def test_a_log_is_opened_once(world: World) -> None:
    conversation = await world.open()
    with pytest.raises(IntegrityError):
        await world.database.write(lambda tx: world.timeline.open_in(tx, conversation))
    head = await world.timeline.head(conversation)
    assert head is not None
    assert (head.first_seq, head.last_seq, head.guard) == (1, 0, 0)


async def test_a_stale_guard_writes_nothing(world: World) -> None:
    conversation = await world.open()
    sender = new_id()
    await world.timeline.append(send(conversation, sender_id=sender, client_message_id="a"), guard=0)
    await world.raise_guard(conversation)
    for guard in (0, 2, -1):
        with pytest.raises(GuardChanged):
            await world.timeline.append(
                send(conversation, sender_id=sender, client_message_id="b"), guard=guard
            )
    assert len(await world.log(conversation)) == 1
    assert len(world.heard) == 1
    assert not (
        await world.timeline.append(send(conversation, sender_id=sender, client_message_id="b"), guard=1)
    ).duplicate


async def test_a_repeat_gives_the_first_result_whatever_the_guard(world: World) -> None:
    conversation, other = await world.open(), await world.open()
    sender = new_id()
    first = await world.timeline.append(
        send(conversation, sender_id=sender, client_message_id="a", content="first"), guard=0
    )
    again = send(conversation, sender_id=sender, client_message_id="a", content="second")
    repeat = Appended(first.event, duplicate=True)
    assert await world.timeline.append(again, guard=0) == repeat
    await world.raise_guard(conversation)
    assert await world.timeline.append(again, guard=0) == repeat
    assert await world.timeline.append(again, guard=1) == repeat
    assert len(await world.log(conversation)) == len(world.heard) == 1
    # The memory is per sender and conversation.
    for event in (
        send(conversation, sender_id=new_id(), client_message_id="a"),
        send(conversation, sender_id=sender, client_message_id="b"),
    ):
        assert not (await world.timeline.append(event, guard=1)).duplicate
    elsewhere = send(other, sender_id=sender, client_message_id="a")
    assert not (await world.timeline.append(elsewhere, guard=0)).duplicate


async def test_messages_without_client_message_id_are_never_repeats(world: World) -> None:
    conversation = await world.open()
    sender = new_id()
    for _ in range(2):
        assert not (await world.timeline.append(send(conversation, sender_id=sender), guard=0)).duplicate
    assert len(await world.log(conversation)) == 2


async def test_concurrent_appenders_get_consecutive_places(world: World) -> None:
    """64 senders in one conversation: no gap, no double, everybody sees one order (I1, I2, G3)."""
    conversation = await world.open()
    senders = [new_id() for _ in range(64)]

    async def run(sender: str) -> list[int]:
        places: list[int] = []
        for number in range(5):
            event = send(conversation, sender_id=sender, client_message_id=str(number), content=sender)
            places.append((await world.timeline.append(event, guard=0)).event.seq)
        return places

    places = await asyncio.gather(*(run(sender) for sender in senders))
    for own in places:
        assert own == sorted(own)
    assert sorted(seq for own in places for seq in own) == list(range(1, 321))
    assert world.heard == await world.log(conversation)
    head = await world.timeline.head(conversation)
    assert head is not None
    assert head.last_seq == 320


async def test_waiting_appends_share_commits_and_listener_calls(world: World) -> None:
    conversations = [await world.open() for _ in range(8)]
    events = [send(conversations[number % 8], sender_id=new_id()) for number in range(200)]
    await asyncio.gather(*(world.timeline.append(event, guard=0) for event in events))
    assert len(world.heard) == 200
    assert world.calls <= 20
    for conversation in conversations:
        heard = [event for event in world.heard if event.conversation_id == conversation]
        assert heard == await world.log(conversation)


async def test_racing_repeats_yield_one_event(world: World) -> None:
    conversation = await world.open()
    sender = new_id()
    results = await asyncio.gather(
        *(
            world.timeline.append(
                send(conversation, sender_id=sender, client_message_id="same", content=str(number)), guard=0
            )
            for number in range(32)
        )
    )
    assert [result.duplicate for result in results].count(False) == 1
    assert len({result.event.event_id for result in results}) == 1
    assert await world.log(conversation) == [results[0].event] == world.heard


async def test_the_sender_is_answered_after_the_listener(world: World) -> None:
    conversation = await world.open()
    order: list[str] = []

    async def run() -> None:
        appended = await world.timeline.append(send(conversation, sender_id=new_id()), guard=0)
        assert appended.event in world.heard
        order.append("answered")

    await asyncio.gather(*(run() for _ in range(20)))
    assert len(order) == 20


async def test_nothing_slips_in_behind_a_raised_guard(world: World) -> None:
    """Sends race with a removal that raises the guard; all that were accepted stand before it
    (docs/reference/rules.md §5).
    """
    conversation = await world.open()

    def remove(tx: WriteTx) -> int:
        seq = world.timeline.append_in(tx, change(conversation, "member_removed"))
        world.timeline.raise_guard_in(tx, conversation)
        return seq

    async def insist() -> list[int]:
        places: list[int] = []
        while True:
            try:
                appended = await world.timeline.append(send(conversation, sender_id=new_id()), guard=0)
            except GuardChanged:
                return places
            places.append(appended.event.seq)

    senders = [asyncio.create_task(insist()) for _ in range(20)]
    while len(world.heard) < 100:  # noqa: ASYNC110 - until the senders are well under way
        await asyncio.sleep(0)
    boundary = await world.database.write(remove)
    accepted = [seq for places in await asyncio.gather(*senders) for seq in places]
    log = await world.log(conversation)
    assert log[-1].seq == boundary == len(log)
    assert sorted(accepted) == list(range(1, boundary))


async def test_riding_statements_share_the_fate_of_the_event(world: World) -> None:
    create = text("CREATE TABLE marks (who TEXT PRIMARY KEY, seq BIGINT NOT NULL)")
    await world.database.write(lambda tx: tx.conn.execute(create).close())
    conversation = await world.open()
    sender = new_id()
    mark = Statement(
        "INSERT INTO marks (seq, who) VALUES (?, ?) ON CONFLICT (who) DO UPDATE SET seq = excluded.seq",
        (sender,),
    )
    also = (mark, Statement("UPDATE marks SET seq = seq + ? WHERE who = ?", ("nobody",)))

    async def marked() -> list[Any]:
        return await world.database.read(
            lambda conn: [tuple(row) for row in conn.execute(text("SELECT who, seq FROM marks"))]
        )

    event = send(conversation, sender_id=sender, client_message_id="a")
    await world.timeline.append(event, guard=0, also=also)
    assert await marked() == [(sender, 1)]
    await world.timeline.append(change(conversation), guard=0)
    await world.timeline.append(event, guard=0, also=also)  # a repeat
    with pytest.raises(GuardChanged):
        await world.timeline.append(send(conversation, sender_id=sender), guard=5, also=also)
    assert await marked() == [(sender, 1)]
    broken = (mark, Statement("INSERT INTO marks (seq, who) VALUES (?, ?)", (sender,)))
    results = await asyncio.gather(
        world.timeline.append(send(conversation, sender_id=new_id()), guard=0),
        world.timeline.append(send(conversation, sender_id=sender), guard=0, also=broken),
        world.timeline.append(send(conversation, sender_id=new_id()), guard=0),
        return_exceptions=True,
    )
    assert isinstance(results[1], IntegrityError)
    assert await marked() == [(sender, 1)]
    assert [event.seq for event in await world.log(conversation)] == [1, 2, 3, 4]
    assert world.heard == await world.log(conversation)


async def test_relational_changes_and_their_events_are_one(world: World) -> None:
    """I4, and G2: a transaction that fails leaves neither rows nor events nor a raised guard."""
    conversation = await world.open()
    timeline = world.timeline

    def several(tx: WriteTx) -> list[int]:
        fresh = new_id()
        timeline.open_in(tx, fresh)
        timeline.raise_guard_in(tx, conversation)
        return [
            timeline.append_in(tx, change(conversation)),
            timeline.append_in(tx, change(fresh)),
            timeline.append_in(tx, send(conversation, sender_id=new_id())),
        ]

    def fails(tx: WriteTx) -> None:
        several(tx)
        raise RuntimeError("changed its mind")

    results = await asyncio.gather(
        world.database.write(several), world.database.write(fails), return_exceptions=True
    )
    assert results[0] == [1, 1, 2]
    assert isinstance(results[1], RuntimeError)
    log = await world.log(conversation)
    assert [event.seq for event in log] == [1, 2]
    assert [event for event in world.heard if event.conversation_id == conversation] == log
    assert len(world.heard) == 3
    head = await timeline.head(conversation)
    assert head is not None
    assert (head.last_seq, head.guard) == (2, 1)


async def test_a_repeat_inside_a_transaction_ends_it(world: World) -> None:
    conversation = await world.open()
    sender = new_id()
    event = send(conversation, sender_id=sender, client_message_id="poll")
    assert await world.database.write(lambda tx: world.timeline.append_in(tx, event)) == 1

    def again(tx: WriteTx) -> None:
        world.timeline.raise_guard_in(tx, conversation)
        world.timeline.append_in(tx, send(conversation, sender_id=sender, client_message_id="poll"))

    with pytest.raises(AlreadySent) as repeat:
        await world.database.write(again)
    assert repeat.value.seq == 1
    head = await world.timeline.head(conversation)
    assert head is not None
    assert (head.last_seq, head.guard) == (1, 0)
    sent = send(conversation, sender_id=sender, client_message_id="poll")
    assert (await world.timeline.append(sent, guard=0)).duplicate


async def test_cancelled_senders_leave_whole_events(world: World) -> None:
    conversation = await world.open()
    tasks = [
        asyncio.create_task(
            world.timeline.append(
                send(conversation, sender_id=new_id(), client_message_id=str(number)), guard=0
            )
        )
        for number in range(60)
    ]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    answered = [result.event for result in results if isinstance(result, Appended)]
    log = await world.log(conversation)
    assert len(answered) == 30
    assert [event.seq for event in log] == list(range(1, len(log) + 1))
    assert all(event in log for event in answered)
    assert world.heard == log


async def test_old_client_message_ids_are_forgotten(world: World) -> None:
    conversation = await world.open()
    sender = new_id()
    old = [send(conversation, sender_id=sender, client_message_id=f"o{number}") for number in range(2500)]
    new = [send(conversation, sender_id=sender, client_message_id=f"n{number}") for number in range(20)]

    def fill(tx: WriteTx) -> None:
        for event in (*old, *new):
            world.timeline.append_in(tx, event)

    await world.database.write(fill)
    assert await world.timeline.purge_dedup(old[0].sent_at) == 0
    assert await world.timeline.purge_dedup(new[0].sent_at) == 2500
    assert await world.timeline.purge_dedup(new[0].sent_at) == 0
    assert (await world.timeline.append(new[0], guard=0)).duplicate
    forgotten = send(conversation, sender_id=sender, client_message_id="o0")
    assert not (await world.timeline.append(forgotten, guard=0)).duplicate


async def test_ids_are_unique(world: World) -> None:
    """A message id stands at one place (I3); a clash writes nothing."""
    conversation = await world.open()
    event = send(conversation, sender_id=new_id())
    await world.timeline.append(event, guard=0)
    with pytest.raises(IntegrityError):
        await world.timeline.append(event, guard=0)
    assert len(await world.log(conversation)) == 1


async def test_erasing_takes_a_log_away_in_batches(world: World) -> None:
    conversation, other = await world.open(), await world.open()
    for number in range(5):
        await world.timeline.append(
            send(conversation, sender_id=new_id(), client_message_id=f"k{number}"), guard=0
        )
    kept = await world.timeline.append(send(other), guard=0)
    assert [await world.timeline.erase(conversation, 2) for _ in range(3)] == [2, 2, 1]
    assert await world.log(conversation) == []
    assert await world.timeline.head(conversation) is None
    assert await world.timeline.erase(conversation, 2) == 0
    assert await world.log(other) == [kept.event]
