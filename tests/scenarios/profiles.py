"""The profiles that the scenarios run on, one per run: `PROFILE=postgres make test`.

| Profile | What serves |
|---|---|
| `embedded` | one process on a data directory |
| `all-in-one` | one process on PostgreSQL, Valkey and S3 |
| `cassandra-in-one` | the same, with the timeline in Cassandra |
| `postgres` | five roles behind the gateway and nginx on the same stores |
| `cassandra` | as `postgres`, with the timeline in Cassandra |
"""

import os
from enum import StrEnum

__all__ = ["PROFILE", "Profile"]


class Profile(StrEnum):
    EMBEDDED = "embedded"
    ALL_IN_ONE = "all-in-one"
    CASSANDRA_IN_ONE = "cassandra-in-one"
    POSTGRES = "postgres"
    CASSANDRA = "cassandra"

    @property
    def has_roles(self) -> bool:
        """Whether there is a process per role."""
        return self in {Profile.POSTGRES, Profile.CASSANDRA}

    @property
    def has_cassandra(self) -> bool:
        """Whether the timeline is in Cassandra."""
        return self in {Profile.CASSANDRA_IN_ONE, Profile.CASSANDRA}


#: That of this run.
PROFILE = Profile(os.environ.get("PROFILE", Profile.EMBEDDED))
