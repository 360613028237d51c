"""Where the logs of conversations lie."""

from typing import Annotated, Literal

from secureconnect.kit.settings import Section, about

__all__ = ["TimelineSettings"]


class TimelineSettings(Section, frozen=True):
    """The store of the logs. With `database` they lie in the relational store, and the rest has no effect."""

    backend: Annotated[
        Literal["database", "cassandra"], about("where messages and events lie: `database` or `cassandra`")
    ] = "database"
    hosts: Annotated[tuple[str, ...], about("nodes of Cassandra that are asked first")] = ()
    port: Annotated[int, about("port of Cassandra's native protocol", ge=1, le=65_535)] = 9042
    keyspace: Annotated[str, about("keyspace, made when it is missing", min_length=1)] = "secureconnect_ks"
    local_dc: Annotated[
        str, about("data centre of this process; empty: that of the node that answers first")
    ] = ""
    replication_factor: Annotated[
        int, about("copies of each row, when the keyspace is made; 1 for a single node", ge=1, le=10)
    ] = 3
    username: Annotated[str, about("user of Cassandra; empty for none")] = ""
    password: Annotated[str, about("password of that user", secret=True)] = ""
    timeout: Annotated[
        float, about("longest wait for one statement, its repetitions included", unit="s", gt=0, le=60)
    ] = 5
