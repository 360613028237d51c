"""Making and upgrading the tables in Cassandra. Safe to run from several hosts at once."""

import re
import time

import msgspec

from secureconnect.infra.timeline.cassandra_link import Cluster, Link
from secureconnect.infra.timeline.cassandra_schema import UPGRADES

__all__ = ["migrate", "pending"]

_NAME = re.compile(r"[a-z][a-z0-9_]{0,47}", re.ASCII)

_VERSIONS = (
    "CREATE TABLE IF NOT EXISTS {0}.schema_migrations (part int, version int, applied_at bigint,"
    " PRIMARY KEY (part, version))"
)


async def migrate(cluster: Cluster) -> list[int]:
    """Make the keyspace and whatever its tables lack; the versions that were missing.

    Each statement says IF NOT EXISTS, and the nodes agree on one schema before the next, so that hosts that
    do this at the same time end with the same tables.

    Raises:
        ApiError: `TIMELINE_UNAVAILABLE`.
    """
    keyspace = _checked(cluster.keyspace)
    link = Link(msgspec.structs.replace(cluster, keyspace=""))
    try:
        centre = cluster.local_dc or await _centre(link)
        if not re.fullmatch(r"[A-Za-z0-9_.-]{1,100}", centre):
            raise ValueError("timeline.local_dc is no name of a data centre")
        await link.execute(
            f"CREATE KEYSPACE IF NOT EXISTS {keyspace} WITH replication ="
            f" {{'class': 'NetworkTopologyStrategy', '{centre}': {int(cluster.replication_factor)}}}"
        )
        await link.execute(_VERSIONS.format(keyspace))
        missing = await _missing(link, keyspace)
        for version in missing:
            for statement in UPGRADES[version - 1]:
                await link.execute(statement.replace("IF NOT EXISTS ", f"IF NOT EXISTS {keyspace}.", 1))
            await link.execute(
                f"INSERT INTO {keyspace}.schema_migrations (part, version, applied_at)"  # noqa: S608 - checked
                f" VALUES (0, {version}, {int(time.time() * 1000)})"
            )
        return missing
    finally:
        await link.close()


async def pending(cluster: Cluster) -> list[int]:
    """The versions that `migrate` would apply."""
    keyspace = _checked(cluster.keyspace)
    link = Link(msgspec.structs.replace(cluster, keyspace=""))
    try:
        made = await link.execute(
            "SELECT table_name FROM system_schema.tables"  # noqa: S608 - checked
            f" WHERE keyspace_name = '{keyspace}' AND table_name = 'schema_migrations'"
        )
        return await _missing(link, keyspace) if made else list(range(1, len(UPGRADES) + 1))
    finally:
        await link.close()


async def _missing(link: Link, keyspace: str) -> list[int]:
    rows = await link.execute(
        f"SELECT version FROM {keyspace}.schema_migrations WHERE part = 0"  # noqa: S608 - checked
    )
    return sorted(set(range(1, len(UPGRADES) + 1)) - {row[0] for row in rows})


async def _centre(link: Link) -> str:
    rows = await link.execute("SELECT data_center FROM system.local")
    return str(rows[0][0])


def _checked(keyspace: str) -> str:
    if not _NAME.fullmatch(keyspace):
        raise ValueError("timeline.keyspace is no name of a keyspace")
    return keyspace
