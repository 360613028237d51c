"""A browser on its way to an OpenID provider and back, and the application that sent it."""

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx

from tests.scenarios.steps import Answer, request

__all__ = ["APP", "application", "callback", "code_of", "exchange", "query_of", "start", "wander"]

#: The application that the shared process leads back to.
APP = "http://localhost:5173/sso?from=stub"


def query_of(url: str) -> dict[str, str]:
    """The parameters of an address."""
    return dict(parse_qsl(urlsplit(url).query, strict_parsing=True))


async def start(url: str, provider: str = "stub", redirect_uri: str = APP, **more: str) -> Answer:
    """Ask the server for the way to the provider."""
    params = {"redirect_uri": redirect_uri, **more}
    return await request(url, "GET", f"/v1/auth/oidc/{provider}/start", params=params)


async def wander(url: str, begun: Answer) -> str:
    """Log in at the provider, which asks nothing; returns where it sends the browser back to."""
    assert begun.status == 302, begun.raw
    async with httpx.AsyncClient(verify=False) as browser:
        answer = await browser.get(begun.headers["location"])
    assert answer.status_code == 302, answer.text
    back = urlsplit(answer.headers["location"])
    # The public address of the server, whatever a test calls it by.
    assert (back.hostname, back.port) == ("localhost", urlsplit(url).port)
    return f"{back.path}?{back.query}"


async def callback(url: str, back: str) -> Answer:
    """Come back to the server."""
    return await request(url, "GET", back)


def application(answer: Answer, redirect_uri: str = APP) -> dict[str, str]:
    """What the application is told."""
    assert (answer.status, answer.raw) == (302, b"")
    location = answer.headers["location"]
    assert location.startswith(redirect_uri)
    return {name: value for name, value in query_of(location).items() if name != "from"}


async def code_of(url: str, **more: str) -> str:
    """All the way; the code for the exchange."""
    return application(await callback(url, await wander(url, await start(url, **more))))["code"]


async def exchange(url: str, code: str, **more: Any) -> Answer:
    """What the application does with it."""
    return await request(url, "POST", "/v1/auth/oidc/exchange", {"code": code, **more})
