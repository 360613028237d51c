"""hello with resume (docs/reference/realtime.md §3)."""

from typing import Any

import msgspec

from secureconnect.edge.realtime.base import EventFrame
from secureconnect.edge.realtime.close import CloseCode
from secureconnect.edge.realtime.session.backlog import Backlog
from secureconnect.edge.realtime.settings import RealtimeSettings
from tests.unit.realtime.fakes import FakeSocket, uid
from tests.unit.realtime.world import World, hello

G = uid(0xA)
H = uid(0xB)


def answer(socket: FakeSocket) -> dict[str, Any]:
    result: dict[str, Any] = socket.last("ack")["resume"]
    return result


async def test_exactly_the_missed_events_then_live_ones() -> None:
    world = World()
    world.found(G, 1, 2)
    world.say(G, times=30)
    socket, session = await world.connect(1)
    hello(session, {G: 1})
    await world.settle()
    assert answer(socket) == {G: {"recovered": True, "last_seq": 31}}
    assert socket.events(G) == list(range(2, 32))
    world.say(G)
    assert socket.events(G) == list(range(2, 33))
    assert session.direct


async def test_nothing_missed() -> None:
    world = World()
    world.found(G, 1)
    socket, _ = await world.live(1, {G: 1})
    assert answer(socket) == {G: {"recovered": True, "last_seq": 1}}
    assert socket.events() == []


async def test_too_many_per_conversation() -> None:
    world = World(settings=RealtimeSettings(resume_max_events=10))
    world.found(G, 1)
    world.say(G, times=11)
    socket, _ = await world.live(1, {G: 1})
    assert answer(socket) == {G: {"recovered": False, "last_seq": 12, "reason": "too_many"}}
    assert socket.events() == []
    world.say(G)
    assert socket.events() == [13]
    again, _ = await world.live(1, {G: 3})
    assert again.events() == list(range(4, 14))


async def test_too_many_in_total() -> None:
    world = World(settings=RealtimeSettings(resume_max_events=4000))
    for number in range(4):
        world.found(uid(number + 1), 1)
        world.say(uid(number + 1), times=3000)
    socket, _ = await world.live(1, {uid(number + 1): 1 for number in range(4)})
    assert [one["recovered"] for one in answer(socket).values()] == [True, True, True, False]
    assert answer(socket)[uid(4)]["reason"] == "too_many"
    assert len(socket.events()) == 9000


async def test_reasons() -> None:
    world = World()
    world.found(G, 1)
    world.say(G, times=9)
    world.store.conversations[G].members[uid(1)] = 5
    world.found(H, 2)
    socket, _ = await world.live(1, {G: 3, H: 1, uid(0xC): 7})
    assert answer(socket) == {
        G: {"recovered": False, "last_seq": 10, "reason": "truncated"},
        H: {"recovered": False, "last_seq": 0, "reason": "removed"},
        uid(0xC): {"recovered": False, "last_seq": 0, "reason": "removed"},
    }
    ahead, _ = await world.live(1, {G: 11})
    assert answer(ahead) == {G: {"recovered": False, "last_seq": 10, "reason": "ahead"}}
    edge, _ = await world.live(1, {G: 4})
    assert edge.events(G) == [5, 6, 7, 8, 9, 10]


async def test_gone_events_are_truncated() -> None:
    world = World()
    world.found(G, 1)
    world.say(G, times=5)
    world.store.holes.add((G, 3))
    socket, _ = await world.live(1, {G: 2})
    assert answer(socket) == {G: {"recovered": False, "last_seq": 6, "reason": "truncated"}}


async def test_store_down_is_unavailable_and_live_goes_on() -> None:
    world = World()
    world.found(G, 1)
    world.say(G, times=5)
    socket, session = await world.connect(1)
    world.store.down = True
    hello(session, {G: 2})
    await world.settle()
    assert answer(socket) == {G: {"recovered": False, "last_seq": 6, "reason": "unavailable"}}
    world.say(G)
    assert socket.events() == [7]


async def test_events_between_acceptance_and_hello_come_once() -> None:
    world = World()
    for conversation in (G, H):
        world.found(conversation, 1)
        world.say(conversation, times=3)
    world.store.lag = 2
    socket, session = await world.connect(1)
    world.say(G, times=2)
    world.say(H, times=2)
    hello(session, {G: 2})
    world.say(G, times=2)
    world.say(H, times=2)
    await world.settle()
    world.say(G)
    assert socket.events(G) == [3, 4, 5, 6, 7, 8, 9]
    assert socket.events(H) == [5, 6, 7, 8]


async def test_live_events_during_a_long_replay() -> None:
    world = World(held_frames=10)
    world.found(G, 1)
    world.say(G, times=900)
    world.store.lag = 1
    socket, session = await world.connect(1)
    hello(session, {G: 0})
    world.say(G, times=30)  # more than a socket may hold
    await world.until(lambda: len(socket.events()) > 200)
    world.say(G, times=30)
    assert session.state == 2
    await world.settle()
    world.say(G)
    assert socket.events(G) == list(range(1, 963))
    assert session.direct


async def test_a_held_flood_before_hello_is_read_back() -> None:
    world = World(held_frames=10)
    world.found(G, 1)
    world.found(H, 1)
    socket, session = await world.connect(1)
    for _ in range(200):
        world.say(G)
        world.say(H)
    assert world.store.reads == 0
    hello(session)
    await world.settle()
    assert socket.events(G) == socket.events(H) == list(range(2, 202))
    assert session.direct


async def test_replay_waits_for_the_socket() -> None:
    world = World()
    world.found(G, 1)
    world.say(G, times=500)
    socket, session = await world.connect(1)
    socket.ready.clear()
    hello(session, {G: 1})
    await world.until(lambda: socket.waits > 0)
    assert len(socket.events()) <= 64
    world.say(G, times=5)
    socket.ready.set()
    await world.settle()
    assert socket.events(G) == list(range(2, 507))


async def test_store_that_stops_during_a_replay_closes_the_socket() -> None:
    world = World()
    world.found(G, 1)
    world.say(G, times=500)
    socket, session = await world.connect(1)
    socket.ready.clear()
    hello(session, {G: 1})
    await world.until(lambda: socket.waits > 0)
    world.store.down = True
    socket.ready.set()
    await world.settle()
    assert socket.closing == (CloseCode.DEPENDENCY_UNAVAILABLE, None)
    events = socket.events(G)
    assert events == list(range(2, 2 + len(events)))


async def test_client_ahead_of_fan_out_is_not_called_ahead() -> None:
    """The client saw event 3 on another process; its hint has not come here yet."""
    world = World()
    world.found(G, 1)
    first, _ = await world.live(1)
    hints = [world.append(G), world.append(G)]
    second, session = await world.connect(1)
    world.store.down = False
    hello(session, {G: 3})
    await world.until(lambda: "ack" in second.types())
    assert answer(second) == {G: {"recovered": True, "last_seq": 3}}
    for hint in hints:
        world.publish(hint)
    await world.settle()
    world.say(G)
    assert first.events(G) == [2, 3, 4]
    assert second.events(G) == [4]
    assert session.direct


async def test_fan_out_behind_the_head_fills_up_after_the_ack() -> None:
    world = World()
    world.found(G, 1)
    world.say(G, times=3)
    first, _ = await world.live(1)
    world.append(G)
    world.append(G)
    second, _ = await world.live(1, {G: 2})
    assert answer(second) == {G: {"recovered": True, "last_seq": 6}}
    assert second.events(G) == [3, 4, 5, 6]
    assert first.events(G) == [5, 6]


async def test_removed_while_replaying() -> None:
    world = World()
    world.found(G, 1, 2)
    world.say(G, times=500)
    socket, session = await world.connect(1)
    socket.ready.clear()
    hello(session, {G: 1})
    await world.until(lambda: socket.waits > 0)
    world.say(G)
    world.publish(world.remove(G, 1))
    world.say(G)
    socket.ready.set()
    await world.settle()
    assert socket.events(G) == list(range(2, 504))
    assert socket.types()[-1] == "conversation_removed"


async def test_removed_before_hello_and_listed() -> None:
    world = World()
    world.found(G, 1, 2)
    world.say(G, times=5)
    socket, session = await world.connect(1)
    world.publish(world.remove(G, 1))
    hello(session, {G: 2})
    await world.settle()
    assert answer(socket) == {G: {"recovered": False, "last_seq": 0, "reason": "removed"}}
    assert socket.types() == ["welcome", "ack", "conversation_removed"]


async def test_filtered_socket_does_not_recover_other_conversations() -> None:
    world = World()
    world.found(G, 1)
    world.found(H, 1)
    world.say(G, times=2)
    world.say(H, times=2)
    socket, session = await world.connect(1, f"conversation_id={G}")
    hello(session, {G: 1, H: 1})
    await world.settle()
    assert answer(socket)[G] == {"recovered": True, "last_seq": 3}
    assert answer(socket)[H]["reason"] == "unavailable"
    assert socket.events(G) == [2, 3]
    assert socket.events(H) == []


async def test_keys_may_be_upper_case() -> None:
    world = World()
    world.found(G, 1)
    socket, session = await world.connect(1)
    hello(session, {G.upper(): 1})
    await world.settle()
    assert answer(socket) == {G: {"recovered": True, "last_seq": 1}}


async def test_socket_that_goes_during_hello() -> None:
    world = World()
    world.found(G, 1)
    world.say(G, times=300)
    world.store.lag = 5
    socket, session = await world.connect(1)
    hello(session, {G: 1})
    await world.until(lambda: world.store.reads > 0)
    socket.gone(1006)
    await world.settle()
    assert socket.types() == ["welcome"]
    assert not world.hub.interest.users


def test_backlog_shrinks_runs_and_keeps_controls() -> None:
    backlog = Backlog(4)
    backlog.control(G, b"added")
    for seq in range(1, 4):
        backlog.event(G, seq, b"e")
    for seq in range(4, 9):
        backlog.event(G, seq, b"e")
    backlog.control(G, b"removed")
    backlog.event(H, 5, b"e")
    assert [(due.after, due.upto, due.frame) for due in backlog.queues[G]] == [
        (0, 0, b"added"),
        (0, 8, None),
        (0, 0, b"removed"),
    ]
    assert [(due.after, due.upto, due.frame) for due in backlog.queues[H]] == [(4, 5, b"e")]
    backlog.drop_events(G)
    assert [due.frame for due in backlog.queues[G]] == [b"added", b"removed"]
    backlog.replace(G, [EventFrame(3, b"e")], 3, 8)
    assert [(due.after, due.upto) for due in backlog.queues[G]] == [(2, 3), (3, 8)]
    backlog.purge(G)
    assert G not in backlog.queues
    assert msgspec.json.encode(len(backlog.queues)) == b"1"
