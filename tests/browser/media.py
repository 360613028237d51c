"""Chromium with a fake camera, microphone and screen, and pages of ours in it."""

import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, Page, Route, async_playwright

__all__ = ["MEDIA_FLAGS", "PAGES", "chromium_with_media", "open_page"]

PAGES = Path(__file__).with_name("pages")

MEDIA_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
    "--auto-select-desktop-capture-source=Entire screen",
    "--allow-loopback-in-peer-connection",
    "--autoplay-policy=no-user-gesture-required",
    # Pages that nobody served count as coming from the Internet, which may not call this machine.
    "--disable-features=LocalNetworkAccessChecks,LocalNetworkAccessChecksWebSockets,LocalNetworkAccessChecksWebRTC",
)
_PATH = "/browser-test"


@contextlib.asynccontextmanager
async def chromium_with_media(chromium: str, *flags: str) -> AsyncIterator[Browser]:
    """A running browser, for the length of the block."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium, args=[*MEDIA_FLAGS, *flags], headless=True
        )
        try:
            yield browser
        finally:
            await browser.close()


async def open_page(browser: Browser, origin: str, *scripts: Path) -> Page:
    """An empty page of `origin` with these scripts, in a profile of its own; nobody needs to serve it."""
    context = await browser.new_context(ignore_https_errors=True)
    body = "<!doctype html><meta charset=utf-8><title>test</title>" + "".join(
        f'<script src="{_PATH}/{script.name}"></script>' for script in scripts
    )
    served: Mapping[str, Mapping[str, Any]] = {
        _PATH: {"body": body, "content_type": "text/html"},
        **{f"{_PATH}/{one.name}": {"path": one, "content_type": "text/javascript"} for one in scripts},
    }

    async def serve(route: Route) -> None:
        await route.fulfill(**served[route.request.url.removeprefix(origin)])

    await context.route(f"{origin}{_PATH}**", serve)
    page = await context.new_page()
    await page.goto(f"{origin}{_PATH}")
    return page
