"""What watchers are told, and how often."""

import pytest

from secureconnect.features.presence.rules import Device
from secureconnect.kit.errors import ApiError, ErrorCode
from tests.unit.presence.world import FakeSession, World

A, B, C = "a" * 36, "b" * 36, "c" * 36


async def watching(world: World, *user_ids: str) -> FakeSession:
    viewer = await world.connect(B)
    await world.watches.subscribe(viewer, user_ids)  # type: ignore[arg-type]
    return viewer


async def test_the_answer_says_how_they_stand_and_who_is_out_of_reach() -> None:
    world = await World(A, B).start()
    world.relations.strangers.add((B, C))
    await world.connect(A)
    viewer = await world.connect(B)
    answer = await world.watches.subscribe(viewer, [A, C, A])  # type: ignore[arg-type]
    assert [(one.user_id, one.status) for one in answer.presence] == [(A, "online")]
    assert answer.denied == [C]


async def test_changes_are_told_soon() -> None:
    world = await World(A, B).start()
    viewer = await watching(world, A)
    session = await world.connect(A)
    await world.pass_time(1)
    assert viewer.frames == [
        {"type": "presence", "user_id": A, "status": "online", "status_text": None, "last_seen_at": None}
    ]
    session.closed()
    await world.pass_time(16)
    assert viewer.statuses() == ["online", "offline"]
    assert viewer.frames[-1]["last_seen_at"].endswith(":00.000Z")


async def test_fifty_changes_in_five_seconds_are_two_frames() -> None:
    world = await World(A, B).start()
    session = await world.connect(A)
    viewer = await watching(world, A)
    for number in range(50):
        status = "busy" if number % 2 else "away"
        await world.service.say(session.principal, status, None, socket=True)  # type: ignore[arg-type]
        await world.pass_time(0.105)
    await world.pass_time(20)
    assert len(viewer.frames) == 2
    assert viewer.statuses()[-1] == "busy"


async def test_two_frames_are_five_seconds_apart() -> None:
    world = await World(A, B).start()
    session = await world.connect(A)
    viewer = await watching(world, A)
    await world.service.say(session.principal, "busy", None, socket=True)
    await world.pass_time(0.7)
    await world.service.say(session.principal, "away", None, socket=True)
    await world.pass_time(4.5)
    assert viewer.statuses() == ["busy"]
    await world.pass_time(0.5)
    assert viewer.statuses() == ["busy", "away"]


async def test_a_change_that_was_taken_back_is_not_told() -> None:
    world = await World(A, B).start()
    session = await world.connect(A)
    viewer = await watching(world, A)
    await world.service.say(session.principal, "busy", None, socket=True)
    await world.pass_time(1)
    await world.service.say(session.principal, "away", None, socket=True)
    await world.service.say(session.principal, "busy", None, socket=True)
    await world.pass_time(20)
    assert viewer.statuses() == ["busy"]


async def test_who_may_not_see_any_more_hears_nothing() -> None:
    world = await World(A, B).start()
    session = await world.connect(A)
    viewer = await watching(world, A)
    world.relations.strangers.add((A, B))
    await world.service.say(session.principal, "busy", None, socket=True)
    await world.pass_time(10)
    assert viewer.frames == []


async def test_who_may_see_it_again_is_told_how_things_stand() -> None:
    world = await World(A, B, C).start()
    session = await world.connect(A)
    viewer, other = await watching(world, A), await world.connect(C)
    await world.watches.subscribe(other, [A])  # type: ignore[arg-type]
    world.relations.strangers.add((A, B))
    await world.service.say(session.principal, "busy", None, socket=True)
    await world.pass_time(6)
    assert (viewer.statuses(), other.statuses()) == ([], ["busy"])
    world.relations.strangers.clear()
    world.watches.changed(A)
    await world.pass_time(6)
    assert (viewer.statuses(), other.statuses()) == (["busy"], ["busy"])


async def test_watching_ends_with_unsubscribe_and_with_the_socket() -> None:
    world = await World(A, B, C).start()
    session = await world.connect(A)
    viewer, other = await watching(world, A, C), await watching(world, A)
    world.watches.unsubscribe(viewer, [A, B])  # type: ignore[arg-type]
    await world.service.say(session.principal, "busy", None, socket=True)
    await world.pass_time(10)
    assert (viewer.statuses(), other.statuses()) == ([], ["busy"])
    viewer.closed()
    other.closed()
    assert world.watches._watches == {}
    assert world.watches._watched_by == {}


async def test_a_socket_that_closed_meanwhile_watches_nobody() -> None:
    world = await World(A, B).start()
    viewer = await world.connect(B)
    viewer.closed()
    answer = await world.watches.subscribe(viewer, [A])  # type: ignore[arg-type]
    assert [one.user_id for one in answer.presence] == [A]
    assert world.watches._watches == {}


async def test_five_hundred_are_enough_for_one_socket() -> None:
    people = [f"{number:036}" for number in range(501)]
    world = await World(B, *people).start()
    viewer = await watching(world, *people[:500])
    await world.watches.subscribe(viewer, people[:500])  # type: ignore[arg-type]
    with pytest.raises(ApiError) as refused:
        await world.watches.subscribe(viewer, people[500:])  # type: ignore[arg-type]
    assert refused.value.code is ErrorCode.LIMIT_REACHED
    world.watches.unsubscribe(viewer, people[:1])  # type: ignore[arg-type]
    assert (await world.watches.subscribe(viewer, people[500:])).denied == []  # type: ignore[arg-type]


async def test_a_process_that_died_is_looked_after_when_what_it_said_has_run_out() -> None:
    world = await World(A, B).start()
    viewer = await watching(world, A)
    await world.service._devices.put(
        A, "elsewhere", Device("online", None, world.clock.now(), socket=True), 30
    )
    world.watches.all_changed()
    await world.pass_time(1)
    assert viewer.statuses() == ["online"]
    world.watches.look_again(40)  # nobody else will tell
    await world.pass_time(39)
    assert viewer.statuses() == ["online"]
    await world.pass_time(2)
    assert viewer.statuses() == ["online", "offline"]
