"""Sync: every conversation once, in few queries, with the counts that reading gives."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import event

from tests.unit.conversations.world import caller, refusal
from tests.unit.messages.desk import Desk, by, desk


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Desk]:
    async with desk(tmp_path, unread_cap=3) as made:
        yield made


async def test_a_walk_meets_each_conversation_once(place: Desk) -> None:
    a, b = await place.world.people("a", "b")
    groups = {await place.world.group(a, b, title=str(number)) for number in range(12)}
    met: list[str] = []
    cursor: str | None = None
    while True:
        page = await place.syncing.sync(by(b), cursor=cursor, limit=5)
        met += [one.conversation_id for one in page.conversations]
        await place.world.send(a, met[0])
        cursor = page.next_cursor
        assert page.has_more == (cursor is not None)
        if cursor is None:
            break
    assert len(met) == 12
    assert set(met) == groups


async def test_it_says_where_everything_stands(place: Desk) -> None:
    a, b = await place.world.people("a", "b")
    group = await place.world.group(a, b, title="Plans", is_e2ee_enabled=False)
    for _ in range(3):
        last = await place.world.send(a, group)
    await place.marking.read(by(b), group, last - 2)
    direct = await place.world.direct(a, b)
    await place.world.cases.personal.archive(b, direct.conversation_id, archived=True)
    await place.world.cases.personal.mute(b, direct.conversation_id, None)
    page = await place.syncing.sync(by(b), cursor=None, limit=10)
    shown = {one.conversation_id: one for one in page.conversations}
    one = shown[group]
    assert (one.type, one.name, one.role, one.is_e2ee_enabled) == ("group", "Plans", "member", False)
    assert (one.first_seq, one.last_seq, one.last_read_seq, one.unread_count) == (1, last, last - 2, 2)
    assert (one.archived, one.muted_until, one.mention_count) == (False, None, 0)
    other = shown[direct.conversation_id]
    assert (other.type, other.name, other.role) == ("direct", "User a", "admin")
    assert (other.archived, other.muted_until) == (True, "9999-12-31T00:00:00.000Z")


async def test_counts_stop_at_the_cap_and_leave_out_the_own(place: Desk) -> None:
    a, b = await place.world.people("a", "b")
    group = await place.world.group(a, b)
    for sender in (a, b, a):
        await place.world.send(sender, group)

    async def unread(user: str) -> int:
        (one,) = (await place.syncing.sync(by(user), cursor=None, limit=10)).conversations
        return one.unread_count

    assert (await unread(a), await unread(b)) == (0, 1)
    for _ in range(5):
        await place.world.send(a, group)
    assert await unread(b) == 3


async def test_who_joined_later_has_read_what_came_before(place: Desk) -> None:
    a, b, c = await place.world.people("a", "b", "c")
    group = await place.world.group(a, b, history_visibility="joined")
    await place.world.send(a, group)
    await place.world.cases.membership.add(caller(a), group, [c])
    (one,) = (await place.syncing.sync(by(c), cursor=None, limit=10)).conversations
    assert (one.first_seq, one.last_seq, one.unread_count) == (3, 3, 0)


async def test_a_page_takes_as_many_queries_whatever_it_holds(place: Desk) -> None:
    a, b = await place.world.people("a", "b")
    queries: list[str] = []

    def count(_conn: object, _cursor: object, sql: str, *_rest: object) -> None:
        queries.append(sql)

    async def needed() -> int:
        queries.clear()
        await place.syncing.sync(by(b), cursor=None, limit=100)
        return len(queries)

    await place.world.group(a, b)
    engine = await place.world.database.read(lambda conn: conn.engine)
    event.listen(engine, "before_cursor_execute", count)
    few = await needed()
    for number in range(20):
        await place.world.send(a, await place.world.group(a, b, title=str(number)))
    assert await needed() == few
    event.remove(engine, "before_cursor_execute", count)


async def test_a_cursor_belongs_to_its_caller(place: Desk) -> None:
    a, b = await place.world.people("a", "b")
    for _ in range(2):
        await place.world.group(a, b)
    cursor = (await place.syncing.sync(by(a), cursor=None, limit=1)).next_cursor
    assert await refusal(place.syncing.sync(by(b), cursor=cursor, limit=1)) == "VALIDATION_ERROR"


async def test_who_is_removed_while_asking_learns_nothing(
    place: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = await place.world.people("a", "b")
    group, other = await place.world.group(a, b), await place.world.group(a, b)

    async def removed_meanwhile(ids: list[str]) -> object:
        monkeypatch.undo()
        await place.world.cases.membership.remove(caller(a), group, b)
        await place.world.send(a, group)
        return await place.world.timeline.heads(ids)

    monkeypatch.setattr(place.world.timeline, "heads", removed_meanwhile)
    page = await place.syncing.sync(by(b), cursor=None, limit=10)
    assert [one.conversation_id for one in page.conversations] == [other]
