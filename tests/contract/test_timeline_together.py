"""Sends to many conversations at once: each has its own fate, whatever they share on their way."""

import asyncio

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from secureconnect.infra.timeline.base import Appended, GuardChanged, Statement
from secureconnect.kit.ids import new_id

from .timeline_world import World, send

_MARK = "INSERT INTO marks (seq, who) VALUES (?, ?)"


async def test_one_that_is_refused_takes_nobody_with_it(world: World) -> None:
    create = text("CREATE TABLE marks (who TEXT PRIMARY KEY, seq BIGINT NOT NULL)")
    await world.database.write(lambda tx: tx.conn.execute(create).close())
    conversations = [await world.open() for _ in range(12)]
    await world.database.write(lambda tx: tx.run(_MARK, (0, f"{conversations[5]} 1")))

    async def sent(conversation: str, number: int) -> Appended:
        # The guard of one is stale; a mark of another exists already.
        guard = 7 if (conversation, number) == (conversations[3], 1) else 0
        event = send(conversation, sender_id=new_id(), client_message_id="a")
        also = (Statement(_MARK, (f"{conversation} {number}",)),)
        return await world.timeline.append(event, guard=guard, also=also)

    results = await asyncio.gather(
        *(sent(each, number) for number in range(3) for each in conversations), return_exceptions=True
    )
    by_place = dict(
        zip([(number, each) for number in range(3) for each in conversations], results, strict=True)
    )
    assert isinstance(by_place.pop((1, conversations[3])), GuardChanged)
    assert isinstance(by_place.pop((1, conversations[5])), IntegrityError)
    marks = await world.database.read(
        lambda conn: {row[0]: row[1] for row in conn.execute(text("SELECT who, seq FROM marks"))}
    )
    assert marks.pop(f"{conversations[5]} 1") == 0
    stored = {
        f"{each} {number}": done.event.seq
        for (number, each), done in by_place.items()
        if isinstance(done, Appended)
    }
    assert marks == stored, "what rides along has the seq of its event"
    for each in conversations:
        log = await world.log(each)
        expected = 2 if each in (conversations[3], conversations[5]) else 3
        assert [event.seq for event in log] == list(range(1, expected + 1))
        assert [event for event in world.heard if event.conversation_id == each] == log
