"""Which arrangement the profile of this run has."""

from collections.abc import Callable
from pathlib import Path

from tests.scenarios.networked import AllInOne, Split
from tests.scenarios.pieces import Arrangement, Embedded
from tests.scenarios.profiles import PROFILE, Profile

__all__ = ["Arrange", "arranged"]

#: Makes the pieces of a server with this directory and port, and so many processes.
Arrange = Callable[[Path, int, int], Arrangement]


def arranged(data_dir: Path, port: int, processes: int = 1) -> Arrangement:
    """The pieces of a server on `port`; with `processes` of chat and of video, where there are roles."""
    if PROFILE is Profile.EMBEDDED:
        return Embedded(data_dir, port)
    if PROFILE in {Profile.ALL_IN_ONE, Profile.CASSANDRA_IN_ONE}:
        return AllInOne(data_dir, port)
    return Split(data_dir, port, processes)
