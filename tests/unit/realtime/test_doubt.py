"""What the bus may not have told is read from the store: while the trouble lasts, and once it is over."""

from secureconnect.kit.errors import ErrorCode

from .fakes import uid
from .world import World

G, H, J = (f"{letter * 8}-0000-4000-8000-000000000000" for letter in "abc")


async def process() -> World:
    world = World()
    await world.hub.open()
    return world


async def in_doubt(world: World, *, over: bool = False) -> None:
    """As the bus would say it."""
    for doubt in world.bus.doubts:
        doubt(over)
    await world.settle()


async def test_events_of_others_arrive_while_the_bus_is_silent() -> None:
    world = await process()
    world.found(G, 1, 2)
    one, _ = await world.live(1)
    world.append(G)
    world.append(G)
    await in_doubt(world)
    assert one.events(G) == [2, 3]
    assert ("caught up", 2) in world.metrics.seen or world.metrics.seen.count(("caught up", 1)) == 2
    await in_doubt(world)
    assert one.events(G) == [2, 3]
    world.say(G)  # a hint of this process comes as ever
    assert one.events(G) == [2, 3, 4]


async def test_new_memberships_and_lost_ones_are_found() -> None:
    world = await process()
    world.found(G, 1, 2)
    world.found(H, 3)
    one, _ = await world.live(1)
    world.add(H, 1)
    world.append(H)
    await in_doubt(world)
    assert one.types()[-3:] == ["conversation_added", "event", "event"]
    assert one.events(H) == [2, 3]
    world.remove(G, 1)
    world.append(G)
    await in_doubt(world)
    assert one.types()[-2:] == ["event", "conversation_removed"]
    assert one.events(G) == [2]


async def test_one_gone_and_one_new_is_found_when_it_is_over() -> None:
    world = await process()
    world.found(G, 1)
    world.found(H, 3)
    one, _ = await world.live(1)
    world.add(H, 1)
    del world.store.conversations[G]  # deleted: there is no event that would tell
    await in_doubt(world, over=True)
    assert one.events(H) == [2]
    assert "conversation_removed" in one.types()


async def test_ended_sessions_close_their_sockets() -> None:
    world = await process()
    world.found(G, 1, 2)
    one, session = await world.live(1)
    two, _ = await world.live(2)
    world.auth.ended[session.principal.session_id] = 4003
    await in_doubt(world)
    assert one.closing == (4003, None)
    assert two.closing is None


async def test_a_store_that_is_away_is_asked_again_at_the_end() -> None:
    world = await process()
    world.found(G, 1)
    one, _ = await world.live(1)
    world.hub._doubts._pause = 0.001
    world.append(G)
    world.store.down = True
    for doubt in world.bus.doubts:
        doubt(True)
    await world.until(lambda: world.hub._doubts._over)  # it will be asked again
    assert one.events(G) == []
    world.store.down = False
    await world.settle()
    assert one.events(G) == [2]
    assert ErrorCode.TIMELINE_UNAVAILABLE.status == 503


async def test_rounds_do_not_pile_up() -> None:
    world = await process()
    world.found(G, 1)
    one, _ = await world.live(1)
    world.store.lag = 20
    for _ in range(10):
        for doubt in world.bus.doubts:
            doubt(False)
    world.append(G)
    await world.settle()
    assert one.events(G) == [2]
    assert world.hub._doubts._rounds <= 2
    assert uid(1) in world.hub.interest.users
