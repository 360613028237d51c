"""What the tests here stand on."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.http.objects import Store, opened


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with opened(tmp_path / "objects") as place:
        yield place
