"""A server, a Chromium of one's own, and a page of the server in it."""

import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from playwright.async_api import Page, async_playwright

from tests.scenarios.server import Server

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of the browser. Without one nothing here was tried, and the summary says so."""
    named = os.environ.get("CHROMIUM")
    found = named or next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        pytest.skip("NOT TRIED in a browser: no Chromium here (Debian: chromium), and none named in CHROMIUM")
    return found


@pytest.fixture(scope="session")
def _started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("browser") / "data")
    server.launch()
    yield server
    server.clean()


@pytest.fixture
async def server(_started: Server) -> Server:
    """A process of its own, reached as http://localhost, which browsers trust like https."""
    await _started.ready()
    return _started


@pytest.fixture
async def page(chromium: str, server: Server, tmp_path: Path) -> AsyncIterator[Page]:
    """The reference page of the server, in a browser with a new profile."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch_persistent_context(
            tmp_path / "profile", executable_path=chromium, args=list(_FLAGS), headless=True
        )
        try:
            page = await browser.new_page()
            await page.goto(f"http://localhost:{server.port}/docs")
            yield page
        finally:
            await browser.close()
