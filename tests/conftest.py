"""What every suite has: tests that make sense on some profiles only (see tests/scenarios/profiles.py)."""

import pytest

from tests.scenarios.profiles import PROFILE


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what is not for the profile of this run; `only_on` says which ones, and why."""
    for item in items:
        for marker in item.iter_markers("only_on"):
            if PROFILE.value not in marker.args:
                item.add_marker(pytest.mark.skip(reason=f"not on {PROFILE}: {marker.kwargs['reason']}"))
