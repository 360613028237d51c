"""What the tests of several processes have in common."""

from collections.abc import Iterator

import pytest

from tests.scenarios.logs import check_secrets


@pytest.fixture(scope="session", autouse=True)
def _logs() -> Iterator[None]:
    """At the end of a run: what all its processes wrote down."""
    yield
    check_secrets()
