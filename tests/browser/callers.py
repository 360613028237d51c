"""People with a page each, who call each other over the product."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Page

from tests.browser.media import PAGES, open_page
from tests.scenarios.server import Server
from tests.scenarios.steps import Person, register, stranger

__all__ = ["Caller", "callers", "everybody_sees_everybody"]

#: Seconds that a page may take for one thing. Encoding and decoding for several people takes the machine.
_PATIENCE = 90.0
_ALWAYS = tuple(PAGES / name for name in ("person.js", "signaling.js"))
_MESH = tuple(PAGES / name for name in ("call.js", "seeing.js", "recording.js"))


class Caller:
    """A registered person and their page."""

    def __init__(self, person: Person, page: Page) -> None:
        self.person = person
        self.page = page

    @property
    def user_id(self) -> str:
        return self.person.user_id

    async def does(self, function: str, *arguments: Any) -> Any:
        """Call a function of the page; its result, or an Error with what it threw."""
        async with asyncio.timeout(_PATIENCE):
            return await self.page.evaluate(f"(given) => {function}(...given)", list(arguments))

    async def state(self, expression: str) -> Any:
        """The value of an expression over the page's `state`."""
        return await self.page.evaluate(expression)

    async def until(self, expression: str) -> Any:
        """Wait until an expression over the page's `state` is true."""
        async with asyncio.timeout(_PATIENCE):
            return await self.page.evaluate(f"until(() => {expression})")


async def callers(
    browser: Browser,
    server: Server,
    *names: str,
    relay_only: bool = False,
    scripts: Sequence[Path] = _MESH,
) -> list[Caller]:
    """New people, each on a page of the server's own origin."""
    origin = f"http://localhost:{server.port}"
    found = []
    for name in names:
        person = await register(stranger(server.url, name))
        caller = Caller(person, await open_page(browser, origin, *_ALWAYS, *scripts))
        told = {"origin": origin, "token": person.access, "userId": person.user_id, "relayOnly": relay_only}
        await caller.does("become", told)
        found.append(caller)
    return found


async def everybody_sees_everybody(people: list[Caller], videos: int = 1) -> None:
    """Wait until each of them decodes more frames of each other."""
    ids = [one.user_id for one in people]
    looks = [
        one.does("seesEverybody", [user_id for user_id in ids if user_id != one.user_id], videos)
        for one in people
    ]
    assert await asyncio.gather(*looks) == [len(people) - 1] * len(people)
