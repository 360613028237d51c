"""A real LiveKit behind the product: rooms, what health says of it, and that it may go and come back."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from secureconnect.infra.sfu.base import SfuPass
from stack.livekit import LiveKitServer
from stack.server import MissingProgram
from tests.contract.test_sfu import adapter, connected, ended, names, refused
from tests.scenarios.patience import eventually
from tests.scenarios.server import Server, running
from tests.scenarios.signaling import initiate, join, leave, shown, state
from tests.scenarios.steps import Person, group, register, request, stranger


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[tuple[Server, LiveKitServer]]:
    try:
        livekit = await asyncio.to_thread(LiveKitServer, tmp_path / "livekit")
    except MissingProgram as missing:
        pytest.skip(str(missing))
    await asyncio.to_thread(livekit.start)
    keys = {"livekit_api_key": livekit.api_key, "livekit_api_secret": livekit.api_secret}
    try:
        async with running(
            tmp_path / "data",
            sfu={"livekit_url": livekit.url, **keys},
            calls={"reaper_interval": 1, "reconnect_window": 300},
        ) as server:
            yield server, livekit
    finally:
        await asyncio.to_thread(livekit.close)


async def sfu_state(server: Server) -> str:
    """What the process that owns calls says of it."""
    found: list[Any] = []
    for piece in server.pieces:
        answer = await request(piece.url, "GET", "/readyz")
        found += [answer.body["dependencies"].get("sfu", {}).get("status")]
    return str(next(state for state in found if state not in {None, "disabled"}))


async def test_it_goes_and_comes_back(world: tuple[Server, LiveKitServer]) -> None:
    server, livekit = world
    people: list[Person] = [await register(stranger(server.url, f"p{number}")) for number in range(6)]
    a, *others = people
    g = (await group(a, others))["conversation_id"]
    assert await sfu_state(server) == "up"
    begun = (await initiate(a, g, others)).ok(201)
    assert (begun["topology"], begun["sfu"]["url"]) == ("sfu", livekit.url)
    (await a.post(f"/v1/calls/{begun['call_id']}/end")).ok()

    async def closed() -> bool:
        return "room closed" in livekit.log.read_text()

    await eventually(closed)
    await asyncio.to_thread(livekit.kill)
    assert await sfu_state(server) == "down"
    (await initiate(a, g, others)).is_error(503, "SFU_UNAVAILABLE")
    mesh = (await initiate(a, g, others[:1])).ok(201)
    (await a.post(f"/v1/calls/{mesh['call_id']}/end")).ok()

    await asyncio.to_thread(livekit.start)

    async def back() -> bool:
        return (await initiate(a, g, others)).status == 201

    await eventually(back)
    assert await sfu_state(server) == "up"


async def test_an_old_pass_keeps_nobody_in(world: tuple[Server, LiveKitServer]) -> None:
    """It opens the room for minutes after its holder left or was removed; LiveKit tells us nothing here, so
    the reaper finds them. When the call is over nothing opens the room any more."""
    server, livekit = world
    a, b, c = [await register(stranger(server.url, name)) for name in "abc"]
    g = (await group(a, [b, c]))["conversation_id"]
    begun = (await initiate(a, g, [b, c], topology="sfu")).ok(201)
    call_id = begun["call_id"]
    passes = [SfuPass(**(await join(each, call_id)).ok()["sfu"]) for each in (b, c)]
    async with connected(SfuPass(**begun["sfu"])) as still:
        for who, given in zip((b, c), passes, strict=True):
            async with connected(given) as first:
                if who is b:
                    (await leave(b, call_id)).ok()
                else:
                    (await a.delete(f"/v1/conversations/{g}/participants/{c.user_id}")).ok()
                await ended(first)
            async with connected(given) as again:
                await ended(again)
            assert state(await shown(a, call_id), who)["state"] == "left"
        rooms = adapter(livekit)
        assert await names(rooms, call_id) == [a.user_id]
        (await a.post(f"/v1/calls/{call_id}/end")).ok()
        await ended(still)
        await rooms.close()
    assert await refused(passes[0]) == 404


async def test_an_answer_that_livekit_could_not_tell(world: tuple[Server, LiveKitServer]) -> None:
    """Somebody who left and is called again answers by connecting, though no webhook says so; and a room that
    is gone in a call that goes on is opened again."""
    server, livekit = world
    a, b = [await register(stranger(server.url, name)) for name in "ab"]
    g = (await group(a, [b]))["conversation_id"]
    begun = (await initiate(a, g, [b], topology="sfu")).ok(201)
    call_id, rooms = begun["call_id"], adapter(livekit)
    given = SfuPass(**(await join(b, call_id)).ok()["sfu"])
    (await leave(b, call_id)).ok()
    (await a.post(f"/v1/calls/{call_id}/invite", {"user_ids": [b.user_id]})).ok()
    await rooms.close_room(call_id)

    async def opened() -> bool:
        return call_id in await rooms.rooms()

    await eventually(opened)
    async with connected(given):

        async def answered() -> bool:
            return bool(state(await shown(a, call_id), b)["state"] == "joined")

        await eventually(answered)
        assert await names(rooms, call_id) == [b.user_id]
    (await a.post(f"/v1/calls/{call_id}/end")).ok()
    await rooms.close()
