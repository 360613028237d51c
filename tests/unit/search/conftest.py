"""A fresh world per test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.search.world import World, world


@pytest.fixture
async def w(tmp_path: Path) -> AsyncIterator[World]:
    async with world(tmp_path) as made:
        yield made
