"""The cached facts: dropped when a change commits, never believed when stale."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection, event

from secureconnect.features.conversations.rules import ConversationLimits
from secureconnect.features.conversations.service import FactsCache
from secureconnect.features.friends.service import Relations
from secureconnect.infra.timeline.base import GuardChanged, Head, NewEvent
from secureconnect.kit.hints import CONTROL, FactsChanged
from secureconnect.kit.ids import new_id, new_time_id
from tests.unit.conversations.world import World, caller, world


def cache_of(w: World, capacity: int = 1000) -> FactsCache:
    """The cache of another process."""
    return FactsCache(w.database, w.timeline, w.bus, Relations(w.database), w.clock, capacity=capacity)


async def test_waiting_callers_share_one_load_and_then_the_entry(w: World) -> None:
    a, b = await w.people("a", "b")
    key = await w.group(a, b)
    loads = 0
    read_head = w.timeline.head

    async def counted(conversation_id: str) -> Head | None:
        nonlocal loads
        loads += 1
        return await read_head(conversation_id)

    w.timeline.head = counted  # type: ignore[method-assign]
    cache = cache_of(w)
    found = await asyncio.gather(*(cache.get(key) for _ in range(50)))
    assert loads == 1
    assert all(facts is found[0] for facts in found)
    assert await cache.get(key) is found[0]
    assert await cache.get(new_id()) is None


@pytest.mark.parametrize("change", ["add", "remove", "role", "settings", "transfer", "archive", "delete"])
async def test_a_change_refuses_what_was_decided_before(w: World, change: str) -> None:
    a, b, c = await w.people("a", "b", "c")
    key = await w.group(a, b)
    other = cache_of(w)
    await other.start()
    before, elsewhere = await w.known(key), await other.get(key)
    match change:
        case "add":
            await w.cases.membership.add(caller(a), key, [c])
        case "remove":
            await w.cases.membership.remove(caller(a), key, b)
        case "role":
            await w.cases.roles.set_role(caller(a), key, b, "admin")
        case "settings":
            await w.cases.editing.set_settings(caller(a), key, {"post_permission": "admins"})
        case "transfer":
            await w.cases.roles.transfer(caller(a), key, b)
        case "archive":
            await w.cases.personal.archive(a, key, archived=True)
        case "delete":
            await w.cases.endings.delete(caller(a), key)
    stale = NewEvent(key, new_time_id(), "conversation_updated", b, 1, b"{}")
    with pytest.raises(GuardChanged):
        await w.timeline.append(stale, guard=before.guard)
    after = await w.facts.get(key)
    assert after is not before
    again = await other.get(key)
    assert again is not elsewhere
    assert again == after


async def test_a_block_between_two_is_a_fact_of_their_direct_conversation(w: World) -> None:
    a, b, c = await w.people("a", "b", "c")
    key = (await w.direct(a, b)).conversation_id
    before = await w.known(key)
    assert not before.blocked
    await w.block(b, a)
    assert (await w.known(key)).blocked
    assert (await w.known(key)).guard > before.guard
    await w.blocks.unblock(caller(b).principal, caller(b).context, a)
    assert not (await w.known(key)).blocked
    await w.block(a, c)  # a pair without a conversation


async def test_a_change_during_the_load_is_not_covered_up(w: World) -> None:
    a, b = await w.people("a", "b")
    key = await w.group(a, b)
    cache = cache_of(w)
    read_head = w.timeline.head

    async def slow(conversation_id: str) -> Head | None:
        head = await read_head(conversation_id)
        w.timeline.head = read_head  # type: ignore[method-assign]
        await w.cases.roles.set_role(caller(a), key, b, "admin")
        cache.forget(key)
        return head

    w.timeline.head = slow  # type: ignore[method-assign]
    loaded = await cache.get(key)
    assert loaded is not None
    assert loaded.members[b].role == "admin"  # newer than its guard: refused, and not kept
    fresh = await cache.get(key)
    assert fresh is not None
    assert fresh.guard > loaded.guard


async def test_stale_facts_are_dropped_once_for_all_who_hold_them(w: World) -> None:
    a, b = await w.people("a", "b")
    key = await w.group(a, b)
    old = await w.known(key)
    await w.database.write(lambda tx: w.timeline.raise_guard_in(tx, key))  # somebody else, without a hint
    assert await w.known(key) is old
    fresh = await asyncio.gather(*(w.facts.after(old) for _ in range(10)))
    assert fresh[0] is not None
    assert fresh[0].guard > old.guard
    assert all(one is fresh[0] for one in fresh)


async def test_the_least_recently_used_go_first(w: World) -> None:
    a, b = await w.people("a", "b")
    one, two, three = [await w.group(a, b) for _ in range(3)]
    cache = cache_of(w, capacity=6)
    first, second = await cache.get(one), await cache.get(two)
    assert await cache.get(one) is first
    await cache.get(three)
    assert await cache.get(one) is first
    assert await cache.get(two) is not second
    w.bus.publish(CONTROL, FactsChanged(one))
    await cache.start()
    w.bus.publish(CONTROL, FactsChanged(one))
    assert await cache.get(one) is not first


async def test_waking_is_not_believed_for_long(w: World) -> None:
    a, b = await w.people("a", "b")
    key = await w.group(a, b)
    await w.cases.personal.archive(a, key, archived=True)
    assert (await w.known(key)).wake
    await w.send(b, key)
    assert (await w.known(key)).wake
    w.clock.seconds += 11
    assert not (await w.known(key)).wake


async def test_a_failed_load_is_told_and_tried_again(w: World) -> None:
    a, b = await w.people("a", "b")
    key = await w.group(a, b)
    read_head = w.timeline.head

    async def broken(conversation_id: str) -> Head | None:
        raise OSError("no store")

    w.timeline.head = broken  # type: ignore[method-assign]
    with pytest.raises(OSError, match="no store"):
        await w.facts.get(key)
    w.timeline.head = read_head  # type: ignore[method-assign]
    assert (await w.known(key)).members.keys() == {a, b}


async def test_lists_take_the_same_few_queries_whatever_their_length(tmp_path: Path) -> None:
    async with world(tmp_path, ConversationLimits()) as w:
        a, *others = await w.people("a", *(f"u{number}" for number in range(30)))
        counts = []
        for number, other in enumerate(others):
            await w.send(other, (await w.direct(a, other)).conversation_id)
            await w.group(a, other, title=None)
            if number in {4, 29}:
                counts.append(await statements(w, a))
        assert 3 <= counts[0] == counts[1] <= 9


async def statements(w: World, user_id: str) -> int:
    """How many statements one page takes."""
    counted = 0

    def count(conn: Connection, *rest: object) -> None:
        nonlocal counted
        counted += 1

    engine = await w.database.read(lambda conn: conn.engine)
    w.users._cache.clear()
    event.listen(engine, "before_cursor_execute", count)
    try:
        await w.listed(user_id)
    finally:
        event.remove(engine, "before_cursor_execute", count)
    return counted


async def test_what_may_be_stale_is_read_again(w: World) -> None:
    a, b = await w.people("a", "b")
    key = await w.group(a, b)
    cache = cache_of(w)
    doubts: list[Callable[[bool], None]] = []
    w.bus.on_doubt = doubts.append  # type: ignore[method-assign, assignment]
    await cache.start()
    before = await cache.get(key)
    assert await cache.get(key) is before
    for doubt in doubts:
        doubt(False)
    again = await cache.get(key)
    assert again is not before
    assert again == before
