"""One fresh world per test."""

from collections.abc import AsyncIterator

import pytest

from tests.unit.client.world import World


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """A server in this process."""
    async with World() as world:
        yield world
