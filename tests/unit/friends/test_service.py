"""The use cases over the embedded store."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Any

import pytest

from secureconnect.features.friends.rules import FriendLimits
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.hints import CONTROL, PresenceChanged
from secureconnect.kit.ids import new_id
from tests.unit.friends.world import CONTEXT, World, caller, world


@pytest.fixture
async def w(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as made:
        yield made


async def refused(action: Awaitable[Any]) -> ApiError:
    with pytest.raises(ApiError) as caught:
        await action
    return caught.value


async def test_asking_and_accepting(w: World) -> None:
    a, b = await w.join("a", "b")
    seen, accepted = await w.friendships.ask(caller(a), CONTEXT, b)
    assert not accepted
    assert (seen.user.username, seen.direction, seen.friendship.status) == ("b", "outgoing", "pending")
    assert (await w.people.profile(b, a)).friendship == "incoming"
    done = await w.friendships.accept(caller(b), CONTEXT, a)
    assert (done.user.username, done.direction, done.friendship.status) == ("a", "mutual", "accepted")
    assert done.friendship.updated_at > done.friendship.created_at
    assert (await w.relations.friend_ids(a), await w.relations.friend_ids(b)) == ({b}, {a})
    assert [(entry.event, entry.actor_id, entry.target_id) for entry in w.trail] == [
        ("friend_requested", a, b),
        ("friend_accepted", b, a),
    ]


async def test_asking_back_accepts(w: World) -> None:
    a, b = await w.join("a", "b")
    await w.friendships.ask(caller(a), CONTEXT, b)
    seen, accepted = await w.friendships.ask(caller(b), CONTEXT, a)
    assert accepted
    assert seen.direction == "mutual"
    assert [entry.event for entry in w.trail] == ["friend_requested", "friend_accepted"]


async def test_u13_asking_each_other_at_once_gives_one_accepted_row(w: World) -> None:
    a, b = await w.join("a", "b")
    for _ in range(10):
        ways = [(a, b), (b, a)] * 3
        await asyncio.gather(
            *(w.friendships.ask(caller(me), CONTEXT, you) for me, you in ways), return_exceptions=True
        )
        assert [row.status for row in await w.rows()] == ["accepted"]
        await w.friendships.remove(caller(a), CONTEXT, b)


async def test_only_the_addressee_answers_and_only_the_asker_withdraws(w: World) -> None:
    a, b = await w.join("a", "b")
    await w.friendships.ask(caller(a), CONTEXT, b)
    for action in (
        w.friendships.accept(caller(a), CONTEXT, b),
        w.friendships.reject(caller(a), CONTEXT, b),
        w.friendships.withdraw(caller(b), a),
        w.friendships.remove(caller(a), CONTEXT, b),
    ):
        assert (await refused(action)).code is ErrorCode.NOT_FOUND
    assert [row.status for row in await w.rows()] == ["pending"]


async def test_those_who_are_gone_are_neither_asked_nor_accepted(w: World) -> None:
    a, b, c = await w.join("a", "b", "c")
    await w.friendships.ask(caller(b), CONTEXT, a)
    await w.gone(b)
    await w.gone(c)
    for action in (
        w.friendships.accept(caller(a), CONTEXT, b),
        w.friendships.ask(caller(a), CONTEXT, b),
        w.friendships.ask(caller(a), CONTEXT, c),
        w.friendships.ask(caller(a), CONTEXT, new_id()),
        w.blocks.block(caller(a), CONTEXT, new_id(), None),
        w.people.profile(a, new_id()),
        w.people.mutual_friends(a, new_id(), after=None, limit=5),
    ):
        assert (await refused(action)).code is ErrorCode.NOT_FOUND
    await w.friendships.reject(caller(a), CONTEXT, b)
    assert await w.blocks.block(caller(a), CONTEXT, c, None)


async def test_limits_hold_for_both_sides(tmp_path: Path) -> None:
    async with world(tmp_path, FriendLimits(max_friends=2, max_pending=2)) as w:
        a, b, c, d, e = await w.join("a", "b", "c", "d", "e")
        await w.friendships.ask(caller(a), CONTEXT, b)
        await w.friendships.ask(caller(a), CONTEXT, c)
        full = await refused(w.friendships.ask(caller(a), CONTEXT, d))
        assert full.code is ErrorCode.LIMIT_REACHED
        await w.friendships.ask(caller(d), CONTEXT, a)
        await w.friendships.ask(caller(e), CONTEXT, a)
        await w.friendships.accept(caller(a), CONTEXT, d)
        await w.friendships.accept(caller(b), CONTEXT, a)
        # Now a has two friends: neither may a accept or ask, nor may anybody accept a.
        for action in (
            w.friendships.accept(caller(a), CONTEXT, e),
            w.friendships.ask(caller(a), CONTEXT, e),
            w.friendships.accept(caller(c), CONTEXT, a),
            w.friendships.ask(caller(c), CONTEXT, a),
        ):
            assert (await refused(action)).code is ErrorCode.LIMIT_REACHED
        await w.friendships.remove(caller(a), CONTEXT, b)
        assert (await w.friendships.accept(caller(a), CONTEXT, e)).direction == "mutual"
        assert await w.relations.friend_ids(a) == {d, e}


@pytest.mark.parametrize("blocker", [0, 1])
async def test_a_block_ends_what_there_was_and_looks_alike_from_both_sides(w: World, blocker: int) -> None:
    pair = await w.join("a", "b")
    await w.befriend(*pair)
    me, other = pair[blocker], pair[1 - blocker]
    assert await w.blocks.block(caller(me), CONTEXT, other, "spam spam")
    assert await w.rows() == []
    refusals = [
        await refused(w.friendships.ask(caller(me), CONTEXT, other)),
        await refused(w.friendships.ask(caller(other), CONTEXT, me)),
    ]
    assert {error.code for error in refusals} == {ErrorCode.FORBIDDEN}
    assert len({(error.message, error.details) for error in refusals}) == 1
    mine, theirs = await w.people.profile(me, other), await w.people.profile(other, me)
    assert (mine.blocked_by_me, theirs.blocked_by_me) == (True, False)
    assert (mine.friendship, theirs.friendship) == ("none", "none")
    assert (mine.user.status, theirs.user.status) == (None, None)
    listed = await w.blocks.listed(me, after=None, offset=0, limit=5)
    assert [(seen.user.user_id, seen.user.status, seen.block.reason) for seen in listed.items] == [
        (other, None, "spam spam")
    ]
    assert (await w.blocks.listed(other, after=None, offset=0, limit=5)).items == []
    await w.blocks.unblock(caller(me), CONTEXT, other)
    assert (await w.people.profile(me, other)).friendship == "none"
    assert (await w.people.profile(me, other)).user.status == "online"
    assert (await w.friendships.ask(caller(other), CONTEXT, me))[1] is False


async def test_a_repeated_block_only_replaces_the_reason(w: World) -> None:
    a, b = await w.join("a", "b")
    assert await w.blocks.block(caller(a), CONTEXT, b, "first")
    (first,) = (await w.blocks.listed(a, after=None, offset=0, limit=5)).items
    assert not await w.blocks.block(caller(a), CONTEXT, b, None)
    (second,) = (await w.blocks.listed(a, after=None, offset=0, limit=5)).items
    assert (second.block.reason, second.block.created_at) == (None, first.block.created_at)
    assert w.changed == [(a, b)]
    assert [entry.event for entry in w.trail] == ["user_blocked"]
    assert all("first" not in str(entry.details) for entry in w.trail)


async def test_neighbours_hear_of_every_change_of_a_pair(w: World) -> None:
    a, b = await w.join("a", "b")
    both = [(CONTROL, PresenceChanged(user)) for user in (a, b)]

    async def hears(action: Awaitable[object], hints: int, told: list[tuple[str, str]]) -> None:
        w.heard.clear()
        w.changed.clear()
        await action
        assert sorted(w.heard, key=str) == sorted(both * hints, key=str)
        assert w.changed == told

    await hears(w.friendships.ask(caller(a), CONTEXT, b), 0, [])
    await hears(w.friendships.accept(caller(b), CONTEXT, a), 1, [])
    await hears(w.blocks.block(caller(a), CONTEXT, b, None), 1, [(a, b)])
    await hears(w.blocks.block(caller(b), CONTEXT, a, None), 1, [(b, a)])
    await hears(w.blocks.unblock(caller(a), CONTEXT, b), 1, [(a, b)])
    await hears(refused(w.blocks.unblock(caller(a), CONTEXT, b)), 0, [])
    await hears(w.blocks.unblock(caller(b), CONTEXT, a), 1, [(b, a)])
    await w.befriend(a, b)
    await hears(w.friendships.remove(caller(a), CONTEXT, b), 1, [])


async def test_answers_for_other_features(w: World) -> None:
    me, *others = await w.join(*(f"user{number:04}" for number in range(1203)))
    friend, asked, blocked, blocker = others[0], others[700], others[501], others[1201]
    await w.befriend(me, friend)
    await w.friendships.ask(caller(me), CONTEXT, asked)
    await w.blocks.block(caller(me), CONTEXT, blocked, None)
    await w.blocks.block(caller(blocker), CONTEXT, me, None)
    r, read = w.relations, w.database.read
    assert await read(lambda conn: r.blocked_with_in(conn, me, others)) == {blocked, blocker}
    assert await read(lambda conn: r.friends_among_in(conn, me, others)) == {friend}
    assert await read(lambda conn: r.friends_among_in(conn, friend, [me, asked])) == {me}
    assert await read(lambda conn: r.blocked_with_in(conn, me, [])) == set()
    assert await read(lambda conn: [r.blocked_in(conn, me, x) for x in (blocked, blocker, friend)]) == [
        True,
        True,
        False,
    ]
    assert await read(lambda conn: [r.are_friends_in(conn, x, me) for x in (friend, asked, blocked)]) == [
        True,
        False,
        False,
    ]
