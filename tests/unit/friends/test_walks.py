"""Lists that are read page by page while they change."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.friends.world import CONTEXT, World, caller, world


@pytest.fixture
async def w(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as made:
        yield made


async def test_friends_by_username_each_once_whatever_comes_and_goes(w: World) -> None:
    me, *friends = await w.join("me", "Dora", "carl", "anna", "Bert", "emil", "zoe", "aaron")
    *lasting, late, early = friends
    for friend in lasting:
        await w.befriend(me, friend)
    seen = []
    page = await w.people.friends(me, after=None, offset=0, limit=2)
    seen += page.items
    await w.befriend(me, late)
    await w.befriend(me, early)
    await w.friendships.remove(caller(me), CONTEXT, friends[0])
    while page.after is not None:
        page = await w.people.friends(me, after=page.after[0], offset=0, limit=2)
        seen += page.items
    assert [user.username for user in seen] == ["anna", "Bert", "carl", "emil", "zoe"]
    by_offset = await w.people.friends(me, after=None, offset=3, limit=2)
    assert [user.username for user in by_offset.items] == ["carl", "emil"]
    assert by_offset.after == ("emil",)
    assert (await w.people.friends(me, after=None, offset=9, limit=2)).items == []


async def test_mutual_friends(w: World) -> None:
    me, other, *common = await w.join("me", "other", "c1", "c2", "c3")
    for friend in common:
        await w.befriend(friend, me)
        await w.befriend(other, friend)
    (mine,) = await w.join("mine")
    await w.befriend(me, mine)
    page = await w.people.mutual_friends(me, other, after=None, limit=2)
    assert [user.username for user in page.items] == ["c1", "c2"]
    assert page.after is not None
    rest = await w.people.mutual_friends(me, other, after=page.after[0], limit=2)
    assert ([user.username for user in rest.items], rest.after) == (["c3"], None)


async def test_requests_newest_first_each_once(w: World) -> None:
    me, *askers = await w.join("me", *(f"asker{number}" for number in range(7)))
    for asker in askers[:6]:
        await w.friendships.ask(caller(asker), CONTEXT, me)
    page = await w.friendships.requests(me, "incoming", after=None, limit=2)
    seen = [item.user.user_id for item in page.items]
    await w.friendships.ask(caller(askers[6]), CONTEXT, me)
    await w.friendships.reject(caller(me), CONTEXT, askers[5])
    await w.friendships.accept(caller(me), CONTEXT, askers[0])
    while page.after is not None:
        page = await w.friendships.requests(me, "incoming", after=(page.after[0], page.after[1]), limit=2)
        assert all(item.direction == "incoming" for item in page.items)
        seen += [item.user.user_id for item in page.items]
    assert seen == [askers[number] for number in (5, 4, 3, 2, 1)]
    outgoing = await w.friendships.requests(askers[1], "outgoing", after=None, limit=2)
    assert [item.user.user_id for item in outgoing.items] == [me]
    assert (await w.friendships.requests(me, "outgoing", after=None, limit=2)).items == []


async def test_blocks_newest_first_each_once(w: World) -> None:
    me, *others = await w.join("me", *(f"other{number}" for number in range(6)))
    for other in others[:5]:
        await w.blocks.block(caller(me), CONTEXT, other, None)
    page = await w.blocks.listed(me, after=None, offset=0, limit=2)
    seen = [item.user.user_id for item in page.items]
    await w.blocks.block(caller(me), CONTEXT, others[5], None)
    await w.blocks.unblock(caller(me), CONTEXT, others[4])
    await w.blocks.block(caller(me), CONTEXT, others[1], "again and again")
    while page.after is not None:
        page = await w.blocks.listed(me, after=(page.after[0], page.after[1]), offset=0, limit=2)
        seen += [item.user.user_id for item in page.items]
    assert seen == [others[number] for number in (4, 3, 2, 1, 0)]
    by_offset = await w.blocks.listed(me, after=None, offset=1, limit=2)
    assert [item.user.user_id for item in by_offset.items] == [others[3], others[2]]


async def test_what_happened_in_one_millisecond_is_listed_once_too(w: World) -> None:
    w.clock.step = 0
    me, *others = await w.join("me", *(f"other{number}" for number in range(5)))
    for other in others:
        await w.friendships.ask(caller(other), CONTEXT, me)
    seen, after = [], None
    for _ in others:
        requests = await w.friendships.requests(me, "incoming", after=after, limit=2)
        seen += [item.user.user_id for item in requests.items]
        after = (requests.after[0], requests.after[1]) if requests.after else None
        if after is None:
            break
    assert seen == sorted(others)
    for other in others:
        await w.blocks.block(caller(me), CONTEXT, other, None)
    seen, after = [], None
    for _ in others:
        blocks = await w.blocks.listed(me, after=after, offset=0, limit=2)
        seen += [item.user.user_id for item in blocks.items]
        after = (blocks.after[0], blocks.after[1]) if blocks.after else None
        if after is None:
            break
    assert seen == sorted(others)


@pytest.mark.parametrize("limit", [1, 2, 5, 50])
async def test_search_goes_on_past_people_who_must_not_be_found(w: World, limit: int) -> None:
    me, *others = await w.join("me", *(f"found{number:02}" for number in range(25)))
    for number, other in enumerate(others):
        if number % 3 == 0:
            await w.blocks.block(caller(me), CONTEXT, other, None)
        elif number % 3 == 1 or 10 < number < 20:
            await w.blocks.block(caller(other), CONTEXT, me, None)
    visible = [f"found{number:02}" for number in (2, 5, 8, 20, 23)]
    seen: list[str | None] = []
    after = None
    for _ in others:
        page = await w.people.search(me, "found", after=after, limit=limit)
        assert len(page.items) <= limit
        seen += [user.username for user in page.items]
        if page.after is None:
            break
        after = page.after[0]
    assert page.after is None
    assert seen == visible


async def test_a_full_last_page_of_a_search_says_that_it_is_the_last(w: World) -> None:
    me, *others = await w.join("me", "found1", "found2", "found3")
    await w.blocks.block(caller(others[2]), CONTEXT, me, None)
    page = await w.people.search(me, "found", after=None, limit=2)
    assert ([user.username for user in page.items], page.after) == (["found1", "found2"], None)
