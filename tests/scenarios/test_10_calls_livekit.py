"""A real LiveKit behind the product: rooms, what health says of it, and that it may go and come back."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from stack.livekit import LiveKitServer
from stack.server import MissingProgram
from tests.scenarios.patience import eventually
from tests.scenarios.server import Server, running
from tests.scenarios.signaling import initiate
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
        async with running(tmp_path / "data", sfu={"livekit_url": livekit.url, **keys}) as server:
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
