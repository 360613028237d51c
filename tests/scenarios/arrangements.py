"""Which arrangement the profile of this run has."""

from pathlib import Path

from tests.scenarios.networked import AllInOne, Split
from tests.scenarios.pieces import Arrangement, Embedded
from tests.scenarios.profiles import PROFILE, Profile

__all__ = ["arranged"]


def arranged(data_dir: Path, port: int) -> Arrangement:
    """The pieces of a server on `port`."""
    if PROFILE is Profile.EMBEDDED:
        return Embedded(data_dir, port)
    if PROFILE in {Profile.ALL_IN_ONE, Profile.CASSANDRA_IN_ONE}:
        return AllInOne(data_dir, port)
    return Split(data_dir, port)
