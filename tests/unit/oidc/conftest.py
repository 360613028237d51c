"""A provider that does as it is told, and a fresh world for each test."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.openid import Provider, serving
from tests.unit.auth.world import World, world


@pytest.fixture(scope="session")
def _provider() -> Iterator[Provider]:
    with serving() as provider:
        yield provider


@pytest.fixture
def provider(_provider: Provider) -> Provider:
    _provider.honest()
    _provider.seen.clear()
    return _provider


@pytest.fixture
async def w(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as made:
        yield made
