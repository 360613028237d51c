"""Fixtures of the acceptance scenarios: real processes, fresh people."""

import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from tests.openid import Provider, serving
from tests.scenarios.accounts import login
from tests.scenarios.commands import make_admin
from tests.scenarios.logs import check_log, check_secrets
from tests.scenarios.server import STARTED, Server, running
from tests.scenarios.steps import Person, register, stranger

Register = Callable[..., Awaitable[list[Person]]]
Serve = Callable[..., AbstractAsyncContextManager[Server]]

#: Access ends after 15 minutes, and so does the right to what wants a fresh login.
_LONG_AGO = 300.0  # seconds


@pytest.fixture(scope="session", autouse=True)
def _logs() -> Iterator[None]:
    """At the end of a run: what all its servers wrote down."""
    yield
    for server in STARTED:
        check_log(server)
    check_secrets()


@pytest.fixture(scope="session")
def _provider() -> Iterator[Provider]:
    with serving() as provider:
        yield provider


@pytest.fixture
def provider(_provider: Provider) -> Iterator[Provider]:
    """The OpenID provider that the shared process trusts, honest to others than the scenario that asks."""
    yield _provider
    _provider.honest()


@pytest.fixture(scope="session")
def _shared(tmp_path_factory: pytest.TempPathFactory, _provider: Provider) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("shared") / "data", processes=2, auth=_provider.settings)
    server.launch()
    yield server
    server.clean()


@pytest.fixture
async def server(_shared: Server) -> Server:
    """One process shared by the scenarios that need no settings of their own; nobody stops or changes it."""
    await _shared.ready()
    return _shared


@pytest.fixture(scope="session")
def _admins() -> dict[str, tuple[Person, float]]:
    return {}


@pytest.fixture
async def admin(server: Server, _admins: dict[str, tuple[Person, float]]) -> Person:
    """A server admin of the shared process, made with `createadmin`, who logged in not long ago."""
    found, since = _admins.get(server.url, (None, 0.0))
    now = time.monotonic()
    if found is None:
        found = await make_admin(server)
        _admins[server.url] = (found, now)
    elif now - since > _LONG_AGO:
        found.take((await login(found)).ok())
        _admins[server.url] = (found, now)
    return found


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    """Start a process with own settings: `async with serve(auth={"access_ttl": 2}) as server`."""
    count = iter(range(100))

    def start(**sections: dict[str, Any]) -> AbstractAsyncContextManager[Server]:
        return running(tmp_path / f"data{next(count)}", **sections)

    return start


@pytest.fixture
def reg(server: Server) -> Register:
    """`a, b = await reg("a", "b")` registers fresh people; `url=` names another server."""

    async def people(*names: str, url: str | None = None) -> list[Person]:
        return [await register(stranger(url or server.url, name)) for name in names]

    return people
