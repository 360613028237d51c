"""How long what a device says holds."""

from secureconnect.kit.principal import Principal
from tests.unit.presence.world import World

A = "a" * 36
PHONE, LAPTOP = "p" * 36, "l" * 36


def principal(session_id: str) -> Principal:
    return Principal(A, session_id, "j" * 36, "user", 0)


async def test_a_socket_makes_its_device_online_until_some_time_after_it() -> None:
    world = await World(A).start()
    assert await world.status(A) == "offline"
    session = await world.connect(A, PHONE)
    assert await world.status(A) == "online"
    await world.pass_time(1000)
    assert await world.status(A) == "online", "a device with a socket repeats itself"
    session.closed()
    await world.pass_time(9.8)
    assert await world.status(A) == "online"
    await world.pass_time(0.4)
    assert await world.status(A) == "offline"
    assert world.told == [A, A]


async def test_a_quick_reconnect_is_no_change_and_keeps_what_was_said() -> None:
    world = await World(A).start()
    session = await world.connect(A, PHONE)
    await world.service.say(session.principal, "busy", "call", socket=True)
    told = len(world.told)
    session.closed()
    await world.pass_time(5)
    again = await world.connect(A, PHONE)
    await world.pass_time(60)
    assert (await world.status(A), await world.text(A)) == ("busy", "call")
    assert len(world.told) == told
    again.closed()
    await world.pass_time(11)
    await world.connect(A, PHONE)
    assert (await world.status(A), await world.text(A)) == ("online", None)


async def test_two_sockets_of_one_device_are_one_device() -> None:
    world = await World(A).start()
    first, second = await world.connect(A, PHONE), await world.connect(A, PHONE)
    first.closed()
    await world.pass_time(60)
    assert await world.status(A) == "online"
    second.closed()
    await world.pass_time(11)
    assert await world.status(A) == "offline"


async def test_devices_count_one_by_one() -> None:
    world = await World(A).start()
    phone, laptop = await world.connect(A, PHONE), await world.connect(A, LAPTOP)
    assert await world.service.say(phone.principal, "away", None, socket=True) == "online"
    assert await world.service.say(laptop.principal, "busy", None, socket=True) == "busy"
    laptop.closed()
    await world.pass_time(10.2)
    assert await world.status(A) == "away"


async def test_an_invisible_device_tells_nothing() -> None:
    world = await World(A).start()
    session = await world.connect(A, PHONE)
    await world.service.say(session.principal, "offline", "secret", socket=True)
    left = await world.seen(A)
    assert (await world.status(A), await world.text(A)) == ("offline", None)
    await world.pass_time(600)
    session.closed()
    await world.pass_time(60)
    assert await world.seen(A) == left, "being here invisibly is not being seen"


async def test_the_last_visit_is_remembered_to_the_minute() -> None:
    world = await World(A).start()
    assert await world.seen(A) is None
    session = await world.connect(A, PHONE)
    await world.pass_time(125)
    assert await world.seen(A) is None, "who is here was not last seen"
    session.closed()
    await world.pass_time(11)
    seen = await world.seen(A)
    assert seen is not None
    assert seen.endswith(":00.000Z")


async def test_what_is_said_over_http_runs_out() -> None:
    world = await World(A).start()
    assert await world.lifetimes.say(principal(PHONE), "away", "on the train") == "away"
    await world.pass_time(200)
    await world.lifetimes.say(principal(PHONE), "away", None)
    await world.pass_time(299)
    assert (await world.status(A), await world.text(A)) == ("away", "on the train")
    told = len(world.told)
    await world.pass_time(1.2)
    assert await world.status(A) == "offline"
    assert world.told[told:] == [A], "watchers hear of it although nobody did anything"
    assert await world.seen(A) is not None


async def test_taking_it_back() -> None:
    world = await World(A).start()
    await world.lifetimes.say(principal(PHONE), "online", None)
    assert await world.lifetimes.clear(principal(LAPTOP)) == "online", "another device keeps its part"
    assert await world.lifetimes.clear(principal(PHONE)) == "offline"
    assert await world.lifetimes.clear(principal(PHONE)) == "offline"


async def test_over_http_a_connected_device_takes_back_only_what_it_said() -> None:
    world = await World(A).start()
    session = await world.connect(A, PHONE)
    assert await world.lifetimes.say(principal(PHONE), "busy", "x") == "busy"
    await world.pass_time(400)
    assert await world.status(A) == "busy", "a device with a socket does not run out"
    assert await world.lifetimes.clear(principal(PHONE)) == "online"
    assert await world.text(A) is None
    session.closed()
    await world.pass_time(11)
    assert await world.status(A) == "offline"


async def test_an_ended_session_says_nothing_any_more() -> None:
    world = await World(A).start()
    await world.lifetimes.say(principal(PHONE), "online", None)
    world.lifetimes.session_ended(A, LAPTOP)
    await world.background.settled()
    assert await world.status(A) == "online"
    world.lifetimes.session_ended(A, PHONE)
    await world.background.settled()
    assert await world.status(A) == "offline"


async def test_an_empty_text_clears_it() -> None:
    world = await World(A).start()
    session = await world.connect(A, PHONE)
    await world.service.say(session.principal, "online", "here", socket=True)
    await world.service.say(session.principal, "away", None, socket=True)
    assert await world.text(A) == "here"
    await world.service.say(session.principal, "away", "", socket=True)
    assert await world.text(A) is None
