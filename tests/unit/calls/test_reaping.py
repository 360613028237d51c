"""What time does to calls, with a clock that tests move."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from secureconnect.edge.realtime.close import CloseCode
from secureconnect.features.calls import store
from secureconnect.features.calls.service import Placement
from secureconnect.features.friends import store as friends
from secureconnect.features.friends.rules import Block
from tests.unit.calls.world import LIMITS, Sockets, World, as_, world
from tests.unit.conversations.world import CONTEXT, caller


@pytest.fixture
async def w(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as made:
        yield made


async def test_rings_end(w: World) -> None:
    g, (a, b, c) = await w.group("a", "b", "c")
    call_id = await w.ring(g, a, b, c)
    await w.join(call_id, a, "sa")
    w.later(LIMITS.ring_timeout - 1)
    assert await w.reaper.reap() == 0
    w.later(2)
    assert await w.reaper.reap() == 1
    talk = await w.talk(call_id)
    assert (talk.call.status, talk.call.end_reason, talk.call.duration) == ("missed", "ring_timeout", 0)
    assert {notice.user_id for notice in w.told.notices} == {b, c}
    assert sorted(w.told.rings) == sorted(
        (each, event) for each in (b, c) for event in ("ringing", "cancelled")
    )
    assert w.counts.over == [("missed", None)]
    assert (call_id, CloseCode.CALL_ENDED) in w.rooms.told
    assert await w.reaper.reap() == 0


async def test_an_answered_call_goes_on_without_who_let_it_ring(w: World) -> None:
    g, (a, b, c) = await w.group("a", "b", "c")
    call_id = await w.ring(g, a, b, c)
    await w.join(call_id, a, "sa")
    await w.join(call_id, b, "sb")
    w.later(LIMITS.ring_timeout + 1)
    await w.reaper.reap()
    talk = await w.talk(call_id)
    assert (talk.call.status, talk.people[c].state) == ("active", "missed")
    assert [notice.user_id for notice in w.told.notices] == [c]


async def test_who_never_opens_a_socket_is_out(w: World) -> None:
    """In a mesh; the caller of a call that rings too, which is missed then."""
    g, (a, b) = await w.group("a", "b")
    call_id = await w.ring(g, a, b)
    w.later(LIMITS.reconnect_window + 1)
    await w.reaper.reap()
    talk = await w.talk(call_id)
    assert (talk.call.status, talk.call.end_reason) == ("missed", "connection_lost")
    assert w.counts.unrecovered == 1


async def test_a_lost_socket_has_its_time(w: World) -> None:
    g, (a, b) = await w.group("a", "b")
    call_id = await w.ring(g, a, b)
    await w.join(call_id, a, "sa")
    await w.join(call_id, b, "sb")
    await w.presences.lost(call_id, b, "another")
    assert (await w.person(call_id, b)).state == "joined"
    await w.presences.lost(call_id, b, "sb")
    assert (await w.person(call_id, b)).state == "reconnecting"
    w.later(LIMITS.reconnect_window - 1)
    await w.reaper.reap()
    assert (await w.person(call_id, b)).state == "reconnecting"
    await w.presences.returned(as_(b), CONTEXT, call_id, Placement("sb2", w.rooms.process_id))
    assert (await w.person(call_id, b)).state == "joined"
    assert w.counts.recovered == 1
    w.later(LIMITS.reconnect_window + 1)
    w.rooms.open.add("sb2")
    await w.reaper.reap()
    assert (await w.person(call_id, b)).state == "joined"


async def test_a_process_that_died(w: World) -> None:
    """Its people are lost since it spoke last, whoever notices."""
    g, (a, b) = await w.group("a", "b")
    call_id = await w.ring(g, a, b)
    await w.join(call_id, a, "sa")
    await w.join(call_id, b, "sb")
    await w.reaper.look_after()
    spoke = w.clock.at
    other = w.reaper_of(Sockets("00000000-0000-4000-8000-00000000000b"))
    w.later(3 * LIMITS.reaper_interval - 1)
    await other.reap()
    assert (await w.person(call_id, a)).state == "joined"
    w.later(2)
    await other.reap()
    person = await w.person(call_id, a)
    assert person.state == "reconnecting"
    assert person.lost_at is not None
    assert abs(person.lost_at - spoke) < 100
    w.later(LIMITS.reconnect_window)
    await other.reap()
    talk = await w.talk(call_id)
    assert (talk.call.status, talk.call.end_reason) == ("ended", "connection_lost")
    assert await w.database.read(lambda conn: store.dead_processes(conn, 2**50)) == {}


async def test_a_process_that_was_stopped_and_goes_on(w: World) -> None:
    """Another one took its sockets for lost; they are there, and count again."""
    g, (a, b) = await w.group("a", "b")
    call_id = await w.ring(g, a, b)
    await w.join(call_id, a, "sa")
    await w.join(call_id, b, "sb")
    await w.reaper.look_after()
    w.later(3 * LIMITS.reaper_interval + 1)
    await w.reaper.reap()
    assert (await w.person(call_id, b)).state == "joined"  # it does not give itself up
    await w.reaper_of(Sockets("00000000-0000-4000-8000-00000000000b")).reap()
    assert (await w.person(call_id, b)).state == "reconnecting"
    w.rooms.open.discard("sa")
    await w.reaper.look_after()
    assert (await w.person(call_id, b)).state == "joined"
    assert (await w.person(call_id, a)).state == "reconnecting"


async def test_a_socket_that_went_unnoticed(w: World) -> None:
    """The store was away when it closed: missed twice among the open ones, it counts as lost."""
    g, (a, b) = await w.group("a", "b")
    call_id = await w.ring(g, a, b)
    await w.join(call_id, a, "sa")
    await w.join(call_id, b, "sb")
    w.rooms.open.discard("sb")
    await w.reaper.look_after()
    assert (await w.person(call_id, b)).state == "joined"
    await w.reaper.look_after()
    assert (await w.person(call_id, b)).state == "reconnecting"
    assert (await w.person(call_id, a)).state == "joined"


async def test_the_longest_call(w: World) -> None:
    g, (a, b) = await w.group("a", "b")
    call_id = await w.ring(g, a, b)
    await w.join(call_id, a, "sa")
    await w.join(call_id, b, "sb")
    w.later(LIMITS.max_duration + 1)
    await w.reaper.reap()
    call = (await w.talk(call_id)).call
    assert (call.status, call.end_reason) == ("ended", "max_duration")
    assert call.duration == int(LIMITS.max_duration) + 1


async def test_people_and_conversations_that_are_gone(w: World) -> None:
    """Whatever was missed when it happened."""
    g, (a, b, c) = await w.group("a", "b", "c")
    call_id = await w.ring(g, a, b, c)
    await w.join(call_id, a, "sa")
    await w.join(call_id, b, "sb")
    await w.place.cases.membership.remove(caller(a), g, b)
    await w.reaper.reap()
    person = await w.person(call_id, b)
    assert (person.state, person.withdrawn) == ("left", True)
    await w.place.cases.endings.delete(caller(a), g)
    await w.reaper.reap()
    call = (await w.talk(call_id)).call
    assert (call.status, call.end_reason) == ("ended", "admin")


async def test_who_blocked_each_other_while_nobody_saw_to_it(w: World) -> None:
    """A direct call ends, also one that rings; one in a group goes on."""
    a, b, c = await w.place.people("a", "b", "c")
    d, e = [(await w.place.direct(a, other)).conversation_id for other in (b, c)]
    g = await w.place.group(a, b, c)
    talking, ringing = await w.ring(d, a, b), await w.ring(e, a, c)
    for_all = await w.ring(g, a, b, c)
    await w.join(talking, b, "sb")
    await w.reaper.reap()
    assert (await w.talk(talking)).call.status == "active"
    await w.database.write(lambda tx: friends.insert_block(tx, b, Block(a, None, 0)))
    await w.database.write(lambda tx: friends.insert_block(tx, a, Block(c, None, 0)))
    await w.reaper.reap()
    ends = [(await w.talk(call_id)).call for call_id in (talking, ringing, for_all)]
    assert [(call.status, call.end_reason) for call in ends] == [
        ("ended", "hangup"),
        ("missed", "cancelled"),
        ("ringing", None),
    ]


async def test_an_sfu_that_does_not_come_back(w: World) -> None:
    g, (a, b) = await w.group("a", "b")
    call_id = await w.ring(g, a, b, topology="sfu")
    await w.join(call_id, a, "sa")
    await w.join(call_id, b, "sb")
    w.sfu.away = True
    await w.reaper.reap()
    w.later(29)
    w.sfu.away = False
    await w.reaper.reap()
    w.sfu.away = True
    w.later(29)
    await w.reaper.reap()
    assert (await w.talk(call_id)).call.status == "active"
    w.later(31)
    await w.reaper.reap()
    call = (await w.talk(call_id)).call
    assert (call.status, call.end_reason) == ("failed", "sfu_failed")


async def test_being_connected_to_the_sfu_counts(w: World) -> None:
    g, (a, b) = await w.group("a", "b")
    call_id = await w.ring(g, a, b, topology="sfu")
    await w.join(call_id, b)
    w.sfu.there = {a, b}
    await w.presences.lost(call_id, b, "none")
    w.later(LIMITS.reconnect_window + 1)
    await w.reaper.reap()
    assert {person.state for person in (await w.talk(call_id)).inside} == {"joined"}
    w.sfu.there = {a}
    w.sfu.away = True
    await w.reaper.reap()
    assert (await w.person(call_id, b)).taking_part
    w.sfu.away = False
    await w.reaper.reap()
    assert (await w.person(call_id, b)).state == "left"
    assert (await w.talk(call_id)).call.status == "active"


async def test_nobody_is_in_the_room_who_is_not_in_the_call(w: World) -> None:
    """A pass from before lets them in; an answer that was not told counts, and what was closed is closed."""
    g, (a, b, c, d) = await w.group("a", "b", "c", "d")
    call_id = await w.ring(g, a, b, c, topology="sfu")
    await w.join(call_id, a, "sa")
    await w.join(call_id, b, "sb")
    await w.answering.leave(as_(b), CONTEXT, call_id)
    await w.background.settled()
    assert w.sfu.removed == [b]
    w.sfu.there = {a, b, c, d}
    w.sfu.open.add("of somebody else")
    await w.reaper.reap()
    assert sorted(w.sfu.removed[1:]) == sorted([b, d])
    assert w.sfu.there == {a, c}
    assert (await w.person(call_id, b)).state == "left"
    assert (await w.person(call_id, c)).state == "joined"
    w.sfu.open.discard(call_id)  # it was empty for a while, or the SFU began anew
    await w.reaper.reap()
    assert call_id in w.sfu.open
    w.sfu.away = True
    await w.answering.end(as_(a), CONTEXT, call_id)
    await w.background.settled()
    w.sfu.away = False
    assert call_id in w.sfu.open
    await w.reaper.reap()
    assert w.sfu.open == {"of somebody else"}


async def test_after_a_restore_nobody_is_in_a_call(w: World) -> None:
    g, (a, b) = await w.group("a", "b")
    h, (c, d) = await w.group("c", "d")
    talking, ringing = await w.ring(g, a, b), await w.ring(h, c, d)
    await w.join(talking, b, "sb")
    assert await w.database.write(lambda tx: store.abandon_all(tx.conn)) == 2
    await w.reaper.reap()
    ends = [(await w.talk(call_id)).call for call_id in (talking, ringing)]
    assert [(call.status, call.end_reason) for call in ends] == [
        ("ended", "connection_lost"),
        ("missed", "connection_lost"),
    ]
    assert await w.database.read(store.count_running) == 0


async def test_sockets_that_were_not_told(w: World) -> None:
    g, (a, b) = await w.group("a", "b")
    call_id = await w.ring(g, a, b)
    w.rooms.missed, w.rooms.told = {call_id}, []
    await w.reaper.look_after()
    assert w.rooms.told == [(call_id, None)]
    await w.answering.end(as_(a), CONTEXT, call_id)
    w.rooms.missed, w.rooms.told = {call_id, "gone"}, []
    await w.reaper.look_after()
    assert sorted(w.rooms.told) == sorted([(call_id, CloseCode.CALL_ENDED), ("gone", CloseCode.CALL_ENDED)])
    assert w.counts.running == 0
