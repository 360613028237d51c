"""Chromium with LiveKit's own client and passes of ours: six people see each other and a screen."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import Error

from secureconnect.infra.sfu.base import Sfu
from secureconnect.kit.clock import SystemClock
from stack.livekit import LiveKitServer
from stack.server import MissingProgram
from tests.browser.callers import callers
from tests.browser.livekit_client import livekit_client
from tests.browser.media import PAGES, chromium_with_media, open_page
from tests.contract.test_sfu import adapter
from tests.scenarios.patience import eventually
from tests.scenarios.server import Server
from tests.scenarios.steps import group

pytestmark = pytest.mark.browser

PEOPLE = tuple(f"person{number}" for number in range(6))
PATIENCE = 90.0


@pytest.fixture(scope="module")
def livekit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveKitServer]:
    try:
        livekit_client()
        server = LiveKitServer(tmp_path_factory.mktemp("livekit"))
    except MissingProgram as missing:
        pytest.skip(f"NOT TRIED: {missing}")
    with server:
        yield server


def entry(rooms: Sfu, who: str) -> dict[str, str]:
    given = rooms.admit("call", who, now=SystemClock().now())
    return {"url": given.url, "token": given.token}


async def test_six_people_and_a_screen(chromium: str, livekit: LiveKitServer) -> None:
    rooms = adapter(livekit)
    await rooms.open_room("call", max_participants=len(PEOPLE))
    async with chromium_with_media(chromium) as browser, asyncio.timeout(PATIENCE):
        pages = {
            who: await open_page(browser, "http://localhost", livekit_client(), PAGES / "sfu.js")
            for who in (*PEOPLE, "late")
        }
        for who in PEOPLE:
            await pages[who].evaluate("enterRoom", entry(rooms, who))
        with pytest.raises(Error):
            await pages["late"].evaluate("enterRoom", entry(rooms, "late"))
        for who in PEOPLE:
            others = [name for name in PEOPLE if name != who]
            assert await pages[who].evaluate("seesEverybody", others) == 5

        first, *rest = PEOPLE
        await pages[first].evaluate("shareScreen")
        wanted = [[first], "screen_share"]
        look = "([names, source]) => seesEverybody(names, source)"
        seen = [pages[who].evaluate(look, wanted) for who in rest]
        assert await asyncio.gather(*seen) == [1] * 5

        await rooms.remove("call", rest[0])
        await pages[rest[0]].evaluate("untilEnded")
        await rooms.close_room("call")
        await asyncio.gather(*(pages[who].evaluate("untilEnded") for who in (first, *rest[1:])))
    await rooms.close()


@pytest.fixture
def large(tmp_path: Path) -> Iterator[Server]:
    """A server with an SFU of its own, which tells it what happens."""
    try:
        livekit_client()
        livekit = LiveKitServer(tmp_path / "livekit")
    except MissingProgram as missing:
        pytest.skip(f"NOT TRIED: {missing}")
    keys = {"livekit_api_key": livekit.api_key, "livekit_api_secret": livekit.api_secret}
    server = Server(tmp_path / "data", sfu={"livekit_url": livekit.url, **keys})
    livekit.webhook_url = f"{server.url}/v1/calls/livekit/webhook"
    with livekit:
        server.launch()
        try:
            yield server
        finally:
            server.clean()


async def test_a_call_of_six_over_the_product(chromium: str, large: Server) -> None:
    await large.ready()
    scripts = [livekit_client(), PAGES / "sfu.js", PAGES / "sfu_call.js"]
    async with chromium_with_media(chromium) as browser:
        people = await callers(browser, large, *PEOPLE, scripts=scripts)
        first, *rest = people
        chat = await group(first.person, [one.person for one in rest])
        placed = await first.does("placeCall", chat["conversation_id"], [one.user_id for one in rest])
        assert (placed["topology"], placed["most"]) == ("sfu", 50)
        for one in rest:
            await one.does("answerCall", placed["callId"])
        for one in people:
            others = [other.user_id for other in people if other is not one]
            assert await one.does("seesEverybody", others) == 5

        await first.page.evaluate("state.signaling.command('screen_share_started')")
        await first.does("shareScreen")
        await rest[0].does("untilFrame", "screen_share_started")
        assert await rest[0].does("seesEverybody", [first.user_id], "screen_share") == 1

        gone = rest.pop()
        await gone.page.context.close()

        async def left() -> bool:
            call = (await first.person.get(f"/v1/calls/{placed['callId']}")).ok()
            states = {one["user_id"]: one["state"] for one in call["participants"]}
            return states[gone.user_id] in {"left", "reconnecting"} and call["status"] == "active"

        await eventually(left)
        await rest[0].person.post(f"/v1/calls/{placed['callId']}/leave")
        (await first.person.post(f"/v1/calls/{placed['callId']}/end")).ok()
        for one in (first, *rest):
            await one.does("untilEnded")
