"""The follower: everything is told once, many conversations at a time, without reading what was heard."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from secureconnect.features.notifications.rules import Preferences
from secureconnect.features.notifications.service import following
from secureconnect.features.notifications.store import first_time
from secureconnect.infra.database.base import WriteTx
from secureconnect.kit.hints import Hint, UserFrame, user_channel
from secureconnect.kit.ids import new_id
from tests.unit.notifications.world import World, world


@pytest.fixture
async def w(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    """Without the pause behind a failure."""
    monkeypatch.setattr(following, "_RETRY", 0)
    async with world(tmp_path) as one:
        yield one


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(10):
        while not await condition():  # noqa: ASYNC110 - what is waited for is in the database
            await asyncio.sleep(0.01)


async def begun(w: World) -> None:
    """What happened before the follower knew since when it tells is not told."""

    async def there() -> bool:
        return await w.database.read(first_time) is not None

    await until(there)


async def test_many_conversations_share_transactions_and_nothing_is_read(w: World) -> None:
    speaker = new_id()
    people = [new_id() for _ in range(60)]
    rooms = [await w.room(speaker, person) for person in people]
    await w.follower.start()
    await begun(w)
    for _ in range(3):
        await asyncio.gather(*(w.say(room, speaker) for room in rooms))

    async def all_told() -> bool:
        return [await w.inbox(person) for person in people] == [[("message", 3)]] * len(people)

    await until(all_told)
    assert await w.inbox(speaker) == []
    assert w.reads == []
    # Each room once, or twice when the pause ended between its messages.
    assert len(w.rooms.parts) <= 2 * len(rooms)


async def test_no_more_side_by_side_than_asked_for(w: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a server each transaction takes a connection that requests could use."""
    speaker, people = new_id(), [new_id() for _ in range(12)]
    rooms = [await w.room(speaker, person) for person in people]
    write, beside, most = w.database.write, 0, 0

    async def counted(work: Callable[[WriteTx], Any], **how: Any) -> Any:
        nonlocal beside, most
        beside += 1
        most = max(most, beside)
        try:
            return await write(work, **how)
        finally:
            beside -= 1

    follower = w.new_follower(at_once=3)
    await follower.start()
    await begun(w)
    await asyncio.gather(*(w.say(room, speaker) for room in rooms))
    monkeypatch.setattr(w.database, "write", counted)

    async def all_told() -> bool:
        return [await w.inbox(person) for person in people] == [[("message", 1)]] * len(people)

    await until(all_told)
    assert most == 3


async def test_large_groups_are_told_in_parts_each_member_once_whatever_fails(w: World) -> None:
    speaker, people = new_id(), sorted(new_id() for _ in range(200))
    room = await w.room(speaker, *people)
    await w.follower.start()
    await begun(w)
    w.rooms.broken_after = 2  # in the third part
    await w.say(room, speaker, mention=people[0])
    await w.say(room, speaker)

    async def last_told() -> bool:
        return bool(await w.inbox(people[-1]))

    await until(last_told)
    assert await w.inbox(people[0]) == [("mention", 1), ("message", 1)]
    assert [await w.inbox(person) for person in people[1:]] == [[("message", 2)]] * 199
    assert len(w.rooms.parts) >= 3 + 4, "nothing failed"


async def test_a_crash_between_the_parts_of_a_large_group_tells_nobody_twice(w: World) -> None:
    speaker, people = new_id(), sorted(new_id() for _ in range(200))
    room = await w.room(speaker, *people)
    await w.follower.start()
    await begun(w)
    w.rooms.broken_after = 2  # in the third part
    await w.encrypt(room, speaker)
    await w.say(room, speaker)

    async def broken() -> bool:
        return w.rooms.broken_after is None

    await until(broken)
    await w.follower.stop()
    assert await w.inbox(people[0]) == [("conversation", 1), ("message", 1)]
    assert await w.inbox(people[-1]) == []
    await w.say(room, speaker)
    await w.new_follower().start()
    await w.say(room, speaker)

    async def all_told() -> bool:
        return {tuple(await w.inbox(person)) for person in people} == {(("conversation", 1), ("message", 3))}

    await until(all_told)


async def test_what_was_deleted_meanwhile_is_not_told(w: World) -> None:
    speaker, person = new_id(), new_id()
    room = await w.room(speaker, person)
    await w.follower.start()
    await begun(w)
    message_id = await w.say(room, speaker)
    await w.unsay(room, message_id, speaker)
    await w.say(room, speaker)

    async def told() -> bool:
        return bool(await w.inbox(person))

    await until(told)
    assert await w.inbox(person) == [("message", 1)]
    assert w.reads == [room]


async def test_what_nobody_heard_is_read_and_nothing_is_told_twice(w: World) -> None:
    speaker, person = new_id(), new_id()
    room = await w.room(speaker, person)
    await w.follower.start()
    await begun(w)
    await w.say(room, speaker)
    await w.follower.stop()  # before the pause is over: a crash would leave the same
    await w.say(room, speaker)
    await w.new_follower().start()
    await w.say(room, speaker)

    async def told() -> bool:
        return sum(count for _, count in await w.inbox(person)) >= 3

    await until(told)
    assert await w.inbox(person) == [("message", 3)]
    assert room in w.reads
    w.reads.clear()
    await w.say(room, speaker)

    async def told_more() -> bool:
        return await w.inbox(person) == [("message", 4)]

    await until(told_more)
    assert w.reads == []


async def test_mentions_that_are_not_wanted_count_with_the_messages_around(w: World) -> None:
    speaker, person = new_id(), new_id()
    room = await w.room(speaker, person)
    await w.wants(person, Preferences(mention_enabled=False))
    await w.follower.start()
    await begun(w)
    for mention in (None, person, None):
        await w.say(room, speaker, mention=mention)

    async def told() -> bool:
        return sum(count for _, count in await w.inbox(person)) >= 3

    await until(told)
    assert await w.inbox(person) == [("message", 3)]


async def test_sockets_hear_of_entries_with_the_unread_count(w: World) -> None:
    speaker, person = new_id(), new_id()
    rooms = [await w.room(speaker, person) for _ in range(2)]
    heard: list[Hint] = []
    await w.bus.subscribe(user_channel(person), heard.append)
    await w.follower.start()
    await begun(w)
    for room in rooms:
        await w.say(room, speaker)

    async def both() -> bool:
        w.clock.at += 100
        w.timers.poll()
        return bool(heard) and isinstance(heard[-1], UserFrame) and b'"unread_count":2' in heard[-1].frame

    await until(both)
    assert len(heard) <= 2


async def test_what_a_dead_process_committed_is_told_once(w: World) -> None:
    speaker, person = new_id(), new_id()
    room, quiet = await w.room(speaker, person), await w.room(speaker, person)
    await w.follower.start()
    await begun(w)
    await w.say(quiet, speaker)

    async def told() -> bool:
        return await w.inbox(person) == [("message", 1)]

    await until(told)
    w.timeline.listen(lambda _events: None)  # another process commits, and dies
    since = w.clock.now()
    await w.say(room, speaker)
    assert await told()
    for _ in range(2):
        await w.follower.missed(since)

    async def both() -> bool:
        return sorted(await w.inbox(person)) == [("message", 1), ("message", 1)]

    await until(both)
    w.timeline.listen(w.follower.committed)
    await w.say(room, speaker)

    async def more() -> bool:
        return sorted(await w.inbox(person)) == [("message", 1), ("message", 2)]

    await until(more)
