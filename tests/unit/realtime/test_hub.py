"""Fan-out: order, gaps, people who come and go (docs/reference/realtime.md §5, §7)."""

import asyncio

import msgspec
import pytest

from secureconnect.edge.realtime.close import CloseCode
from secureconnect.edge.realtime.frames import json_frame
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.hints import (
    ConversationFrame,
    ConversationGone,
    conversation_channel,
    user_channel,
)
from tests.unit.realtime.fakes import uid
from tests.unit.realtime.world import World, hello

G = uid(0xA)
H = uid(0xB)


async def test_everybody_gets_the_same_event_and_the_sender_its_own_form() -> None:
    world = World()
    world.found(G, 1, 2)
    mine, _ = await world.live(1)
    second, _ = await world.live(1)
    theirs, _ = await world.live(2)
    hint = world.append(G, 1)
    own = world.store.frame(G, 2, read_for=uid(1))
    world.publish(msgspec.structs.replace(hint, sender_frame=own))
    assert theirs.frames[-1]["data"] == {"live": True}
    assert mine.frames[-1]["data"] == second.frames[-1]["data"] == {"read_for": uid(1)}
    assert mine.frames[-1]["seq"] == theirs.frames[-1]["seq"] == 2
    assert world.store.reads == 0
    assert world.metrics.seen[-1] == ("delivered", 0.0)


async def test_repeated_hints_are_dropped() -> None:
    world = World()
    world.found(G, 1)
    socket, _ = await world.live(1)
    hint = world.append(G)
    for _ in range(3):
        world.publish(hint)
    world.publish(world.hint(G, 1))
    assert socket.events(G) == [2]


async def test_a_lost_hint_is_read_for_each_viewer() -> None:
    world = World()
    world.found(G, 1, 2)
    one, _ = await world.live(1)
    two, _ = await world.live(2)
    world.append(G)
    world.append(G)
    world.say(G)
    await world.settle()
    assert one.events(G) == two.events(G) == [2, 3, 4]
    assert [frame["data"] for frame in one.frames[2:]] == [{"read_for": uid(1)}] * 2 + [{"live": True}]
    assert world.store.reads == 2


async def test_reordered_hints_come_out_in_order() -> None:
    world = World()
    world.found(G, 1)
    socket, _ = await world.live(1)
    hints = [world.append(G) for _ in range(4)]
    for at in (3, 1, 0, 2):
        world.publish(hints[at])
    await world.settle()
    assert socket.events(G) == [2, 3, 4, 5]


async def test_a_gap_stops_only_its_own_conversation() -> None:
    world = World()
    world.found(G, 1)
    world.found(H, 1)
    socket, _ = await world.live(1)
    world.store.down = True
    world.append(G)
    world.say(G)
    for _ in range(50):
        world.say(H)
    await world.until(lambda: world.store.reads > 3)
    assert socket.events(G) == []
    assert socket.events(H) == list(range(2, 52))
    world.store.down = False
    await world.settle()
    assert socket.events(G) == [2, 3]


async def test_a_long_gap_is_read_in_pages() -> None:
    world = World()
    world.found(G, 1)
    socket, _ = await world.live(1)
    for _ in range(450):
        world.append(G)
    world.say(G)
    await world.settle()
    assert socket.events(G) == list(range(2, 453))


async def test_a_hole_in_the_store_closes_instead_of_skipping() -> None:
    world = World()
    world.found(G, 1)
    socket, _ = await world.live(1)
    world.store.holes.add((G, 2))
    world.append(G)
    world.say(G)
    await world.settle()
    assert socket.events(G) == []
    assert socket.closing == (CloseCode.INTERNAL_ERROR, None)
    again, _ = await world.live(1)
    world.say(G)
    assert again.events(G) == [4]


async def test_one_failing_socket_harms_nobody() -> None:
    world = World()
    world.found(G, 1, 2)
    bad, _ = await world.live(1)
    good, _ = await world.live(2)
    bad.send = None  # type: ignore[method-assign,assignment]
    world.say(G)
    assert good.events(G) == [2]
    assert bad.closing == (CloseCode.INTERNAL_ERROR, None)


async def test_added_member_gets_conversation_added_first() -> None:
    world = World()
    world.found(G, 1)
    one, _ = await world.live(1)
    two, _ = await world.live(2)
    world.say(G)
    world.publish(world.add(G, 2))
    world.say(G)
    await world.settle()
    assert one.events(G) == [2, 3, 4]
    assert two.types() == ["welcome", "ack", "conversation_added", "event", "event"]
    assert two.events(G) == [3, 4]


async def test_added_member_alone_in_this_process() -> None:
    world = World()
    world.found(G, 1)
    two, _ = await world.live(2)
    world.say(G, times=5)
    world.publish(world.add(G, 2))
    world.say(G, times=2)
    await world.settle()
    assert two.types() == ["welcome", "ack", "conversation_added", "event", "event", "event"]
    assert two.events(G) == [7, 8, 9]
    assert world.hub.interest.lanes.keys() == {G}


async def test_added_before_hello() -> None:
    world = World()
    world.found(G, 1)
    two, session = await world.connect(2)
    world.publish(world.add(G, 2))
    world.say(G)
    await world.settle()
    assert two.types() == ["welcome"]
    hello(session, {})
    assert two.types() == ["welcome", "ack", "conversation_added", "event", "event"]


async def test_created_conversation_reaches_all_members() -> None:
    world = World()
    sockets = [(await world.live(user))[0] for user in (1, 2, 3)]
    world.found(G, 1, 2)
    world.publish(world.hint(G, 1))
    await world.settle()
    world.say(G, 1)
    for socket in sockets[:2]:
        assert socket.types() == ["welcome", "ack", "conversation_added", "event", "event"]
        assert socket.events(G) == [1, 2]
    assert sockets[2].types() == ["welcome", "ack"]


async def test_removed_member_sees_its_removal_and_nothing_after() -> None:
    world = World()
    world.found(G, 1, 2)
    one, _ = await world.live(1)
    two, _ = await world.live(2)
    world.say(G)
    world.publish(world.remove(G, 2))
    world.say(G)
    assert one.events(G) == [2, 3, 4]
    assert two.events(G) == [2, 3]
    assert two.frames[-1] == {
        "type": "conversation_removed",
        "conversation_id": G,
        "reason": "removed",
    }
    world.publish(world.remove(G, 1, left=True))
    assert one.frames[-1]["reason"] == "left"
    assert not world.hub.interest.lanes


@pytest.mark.parametrize("lost", [True, False])
async def test_removal_and_return_inside_a_gap(lost: bool) -> None:
    world = World()
    world.found(G, 1, 2)
    one, _ = await world.live(1)
    two, _ = await world.live(2)
    hints = [world.append(G), world.remove(G, 2), world.append(G), world.add(G, 2), world.append(G)]
    for hint in hints[-1:] if lost else reversed(hints):
        world.publish(hint)
    await world.settle()
    assert one.events(G) == [2, 3, 4, 5, 6]
    assert two.types()[2:] == [
        "event",
        "event",
        "conversation_removed",
        "conversation_added",
        "event",
        "event",
    ]
    assert two.events(G) == [2, 3, 5, 6]


async def test_a_user_who_connects_while_fan_out_lags_sees_nothing_from_before() -> None:
    world = World()
    world.found(G, 1)
    one, _ = await world.live(1)
    late = [world.append(G), world.append(G), world.add(G, 2), world.append(G)]
    world.store.down = True
    world.publish(late[-1])  # user 1 has a gap that cannot be read now
    await world.until(lambda: world.store.reads > 2)
    world.store.down = False
    world.store.lag = 3
    two, session = await world.connect(2)
    hello(session, {})
    await world.settle()
    world.say(G)
    await world.settle()
    assert one.events(G) == [2, 3, 4, 5, 6]
    assert two.events(G) == [6]


async def test_membership_that_changes_while_it_is_read() -> None:
    world = World()
    world.found(G, 1, 2)
    one, _ = await world.live(1)
    world.store.lag = 5
    connecting = world.background.start(world.connect(2))
    await world.until(lambda: uid(2) in world.hub.interest.users)
    world.publish(world.remove(G, 2))
    await world.until(connecting.done)
    two, session = connecting.result()
    hello(session, {})
    world.say(G)
    await world.settle()
    assert one.events(G) == [2, 3]
    assert two.events(G) == []


async def test_deleted_conversation() -> None:
    world = World()
    world.found(G, 1, 2)
    live, _ = await world.live(1)
    waiting, session = await world.connect(2)
    world.say(G)
    world.bus.publish(conversation_channel(G), ConversationGone(G, "deleted"))
    hello(session, {})
    assert live.types()[2:] == ["event", "conversation_removed"]
    assert waiting.types()[2:] == ["event", "conversation_removed"]
    assert waiting.frames[-1]["reason"] == "deleted"
    assert not world.hub.interest.lanes


async def test_gone_for_one_user_waits_for_what_is_on_its_way() -> None:
    world = World()
    world.found(G, 1, 2)
    one, _ = await world.live(1)
    two, _ = await world.live(2)
    world.append(G)
    world.say(G)
    world.bus.publish(user_channel(uid(2)), ConversationGone(G, "left", uid(2)))
    world.bus.publish(conversation_channel(G), ConversationGone(G, "left", uid(2)))
    await world.settle()
    world.say(G)
    assert one.events(G) == [2, 3, 4]
    assert two.events(G) == [2, 3]
    assert two.types().count("conversation_removed") == 1


async def test_ephemeral_frames_of_a_conversation() -> None:
    world = World()
    world.found(G, 1, 2)
    one, _ = await world.live(1)
    two, _ = await world.live(2)
    waiting, _ = await world.connect(2)
    frame = json_frame({"type": "typing", "conversation_id": G})
    world.bus.publish(conversation_channel(G), ConversationFrame(G, frame, uid(1)))
    assert two.ephemeral == [{"type": "typing", "conversation_id": G}]
    assert one.ephemeral == []
    assert waiting.types() == ["welcome"]


async def test_repair_delivers_what_the_bus_swallowed() -> None:
    world = World()
    world.found(G, 1, 2)
    world.found(H, 3)
    one, _ = await world.live(1)
    two, _ = await world.live(2)
    world.append(G)
    world.remove(G, 2)
    world.append(G)
    world.add(H, 2)
    world.append(H)
    await world.hub.repair()
    await world.settle()
    assert one.events(G) == [2, 3, 4]
    assert two.events(G) == [2, 3]
    assert two.types()[2:6] == ["event", "event", "conversation_removed", "conversation_added"]
    assert two.events(H) == [2, 3]
    world.say(H)
    assert two.events(H) == [2, 3, 4]


async def test_repair_of_a_lonely_member() -> None:
    world = World()
    world.found(G, 1)
    one, _ = await world.live(1)
    world.append(G)
    world.remove(G, 1)
    await world.hub.repair()
    assert one.types()[2:] == ["event", "event", "conversation_removed"]
    assert not world.hub.interest.lanes


async def test_repair_says_when_the_store_is_down() -> None:
    world = World()
    world.found(G, 1)
    await world.live(1)
    world.store.down = True
    with pytest.raises(ApiError) as caught:
        await world.hub.repair()
    assert caught.value.code is ErrorCode.TIMELINE_UNAVAILABLE


async def test_interest_ends_with_the_last_socket() -> None:
    world = World()
    world.found(G, 1, 2)
    one, _ = await world.live(1)
    two, _ = await world.live(2)
    assert set(world.bus.channels) == {
        user_channel(uid(1)),
        user_channel(uid(2)),
        conversation_channel(G),
    }
    one.gone(1000)
    assert user_channel(uid(1)) not in world.bus.channels
    two.gone(1000)
    assert not world.bus.channels


async def test_an_admission_that_fails_leaves_nothing() -> None:
    world = World()
    world.found(G, 1)
    world.store.down = True
    with pytest.raises(ApiError):
        await world.connect(1)
    await world.settle()
    world.store.down = False
    admission = await world.gate.admit(world.request(authorization="Bearer 1"))
    assert len(world.places) == 1
    admission.abandoned()
    assert len(world.places) == 0
    assert not world.hub.interest.users
    assert not world.bus.channels


async def test_somebody_connects_while_the_same_conversation_lets_another_in() -> None:
    world = World()
    world.found(G, 1)
    two, _ = await world.live(2)
    world.store.lag = 2
    connecting = world.background.start(world.connect(1))
    for _ in range(3):
        await asyncio.sleep(0)
    world.publish(world.add(G, 2))
    await world.until(connecting.done)
    one, session = connecting.result()
    hello(session, {})
    await world.settle()
    world.say(G)
    assert two.types() == ["welcome", "ack", "conversation_added", "event", "event"]
    assert two.events(G) == [2, 3]
    assert one.events(G)[-1] == 3
