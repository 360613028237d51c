"""The timelines that must pass the suites, over a relational database that was opened and migrated."""

import contextlib
from collections.abc import AsyncIterator, Callable
from functools import cache

import msgspec

from secureconnect.infra.database.base import BatchDatabase, Database
from secureconnect.infra.database.postgres import PostgresDatabase
from secureconnect.infra.timeline.base import CommitListener, Timeline
from secureconnect.infra.timeline.cassandra import CassandraTimeline
from secureconnect.infra.timeline.cassandra_link import Cluster, Link
from secureconnect.infra.timeline.cassandra_migrate import migrate
from secureconnect.infra.timeline.cassandra_schema import TABLES
from secureconnect.infra.timeline.postgres import PostgresTimeline
from secureconnect.infra.timeline.relational import RelationalTimeline
from secureconnect.kit.clock import SystemClock
from stack.cassandra import Cassandra

__all__ = ["TIMELINES", "StartCassandra", "cluster_of", "emptied"]

StartCassandra = Callable[[], Cassandra]
Opened = tuple[Database, Timeline]

_KEYSPACE = "contract"
_SOON = 20.0  # seconds; a machine with little to spare may take its time


@cache
def cluster_of(server: Cassandra, keyspace: str = _KEYSPACE) -> Cluster:
    """How to reach the server."""
    return Cluster(("127.0.0.1",), server.port, keyspace, server.datacenter, 1, timeout=_SOON)


async def emptied(cluster: Cluster) -> Cluster:
    """A keyspace with every table and nothing in them."""
    if not await migrate(cluster):
        link = Link(msgspec.structs.replace(cluster, keyspace=""))
        for table in TABLES:
            await link.execute(f"TRUNCATE {cluster.keyspace}.{table}")
        await link.close()
    return cluster


@contextlib.asynccontextmanager
async def relational(
    database: BatchDatabase, listen: CommitListener, _: StartCassandra
) -> AsyncIterator[Opened]:
    if isinstance(database, PostgresDatabase):
        yield database, PostgresTimeline(database, listen)
    else:
        yield database, RelationalTimeline(database, listen)


@contextlib.asynccontextmanager
async def cassandra(
    database: BatchDatabase, listen: CommitListener, start: StartCassandra
) -> AsyncIterator[Opened]:
    cluster = await emptied(cluster_of(start()))
    timeline = CassandraTimeline(database, cluster, SystemClock(), listen)
    yield timeline.database, timeline
    await timeline.close()


TIMELINES: dict[
    str,
    Callable[[BatchDatabase, CommitListener, StartCassandra], contextlib.AbstractAsyncContextManager[Opened]],
] = {"relational": relational, "cassandra": cassandra}
