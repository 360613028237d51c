"""A fresh world for each test, and somebody in it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.auth.world import World, world
from tests.unit.factors.people import Person, join


@pytest.fixture
async def w(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as made:
        yield made


@pytest.fixture
async def ann(w: World) -> Person:
    return await join(w, "ann")
