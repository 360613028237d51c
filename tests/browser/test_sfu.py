"""Chromium with LiveKit's own client and passes of ours: six people see each other and a screen."""

import asyncio
from collections.abc import Iterator

import pytest
from playwright.async_api import Error

from secureconnect.infra.sfu.base import Sfu
from secureconnect.kit.clock import SystemClock
from stack.livekit import LiveKitServer
from stack.server import MissingProgram
from tests.browser.livekit_client import livekit_client
from tests.browser.media import PAGES, chromium_with_media, open_page
from tests.contract.test_sfu import adapter

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
