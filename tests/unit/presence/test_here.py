"""The list of all who are here agrees with each user's own status, whatever devices do."""

from random import Random

import pytest

from secureconnect.kit.principal import Principal
from tests.unit.presence.world import FakeSession, World

PEOPLE = [letter * 36 for letter in "abc"]


@pytest.mark.parametrize("seed", range(20))
async def test_who_is_here_is_who_is_not_offline(seed: int) -> None:
    chance = Random(seed)
    world = await World(*PEOPLE).start()
    open_sockets: list[FakeSession] = []
    seen_online = seen_offline = False
    for _ in range(60):
        user_id = chance.choice(PEOPLE)
        device = f"{user_id[0]}{chance.randrange(2)}" * 18
        principal = Principal(user_id, device, "j" * 36, "user", 0)
        match chance.randrange(6):
            case 0:
                open_sockets.append(await world.connect(user_id, device))
            case 1 if open_sockets:
                open_sockets.pop(chance.randrange(len(open_sockets))).closed()
            case 2:
                await world.lifetimes.say(principal, chance.choice(["online", "away", "busy"]), None)
            case 3:
                await world.lifetimes.clear(principal)
            case 4 if open_sockets:
                session = chance.choice(open_sockets)
                await world.service.say(session.principal, "offline", None, socket=True)
            case _:
                await world.pass_time(chance.choice([1, 12, 40, 100, 310]))
        statuses = await world.service.statuses(PEOPLE)
        here = {user_id for user_id, status in statuses.items() if status != "offline"}
        assert set(await world.service.online()) == here
        seen_online = seen_online or bool(here)
        seen_offline = seen_offline or len(here) < len(PEOPLE)
    assert seen_online
    assert seen_offline
