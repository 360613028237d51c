"""What every suite has: how a run is shared out, and tests that make sense on some profiles only (see
tests/scenarios/profiles.py)."""

import pytest
from hypothesis import HealthCheck, settings

from tests.scenarios.profiles import PROFILE
from tests.sharing import share_out, workers

# How fast the machine is at that moment says nothing about the code: no test is timed.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


def pytest_xdist_auto_num_workers() -> int:
    """What `-n auto` means."""
    return workers()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what is not for the profile of this run; `only_on` says which ones, and why."""
    share_out(items)
    for item in items:
        for marker in item.iter_markers("only_on"):
            if PROFILE.value not in marker.args:
                item.add_marker(pytest.mark.skip(reason=f"not on {PROFILE}: {marker.kwargs['reason']}"))
