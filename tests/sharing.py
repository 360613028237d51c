"""How a run is shared out among its workers (pytest-xdist)."""

import os
from pathlib import PurePath

import pytest

__all__ = ["share_out", "workers"]

#: Their modules share servers that take seconds to start, so that one worker runs all of a module.
_WHOLE_MODULES = ("contract", "deploy", "faults", "processes")
#: What a parameter is called that stands for a timeline there, and the group and marker of its tests: a node
#: takes half a minute of processor time to start, so that one has to do for a run.
_CASSANDRA = "cassandra"


def workers() -> int:
    """Many tests wait rather than compute, so small machines take more workers than processors."""
    return max(3, os.cpu_count() or 1)


def share_out(items: list[pytest.Item]) -> None:
    """Name the tests that belong on one worker; the others go wherever there is room, one by one."""
    for item in items:
        group = _group(item)
        if group == _CASSANDRA:
            item.add_marker(pytest.mark.cassandra)
        if group is not None:
            item.add_marker(pytest.mark.xdist_group(group))


def _group(item: pytest.Item) -> str | None:
    parameters = getattr(getattr(item, "callspec", None), "params", {}).values()
    if _CASSANDRA in parameters or item.get_closest_marker(_CASSANDRA):
        return _CASSANDRA
    path = PurePath(item.nodeid.partition("::")[0])
    return path.stem if set(_WHOLE_MODULES) & set(path.parts) else None
