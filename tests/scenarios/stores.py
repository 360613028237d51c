"""The stores of a run on networked stores: real servers, shared by all servers of one test process."""

import atexit
import functools
import secrets
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

from stack.cassandra import Cassandra
from stack.postgres import Postgres
from stack.seaweed import Seaweed
from stack.server import ServerProcess
from stack.settings import Keys, Sections, store_settings, timeline_settings
from stack.valkey import Valkey
from tests.scenarios.pieces import environment
from tests.scenarios.profiles import PROFILE

__all__ = ["KEYS", "Stores", "cassandra", "migrate", "new_stores"]

#: Of all servers of this run.
KEYS = Keys()


@functools.cache
def _directory() -> Path:
    """Of the servers; away from the directories of tests, which may go earlier."""
    directory = Path(tempfile.mkdtemp(prefix="secureconnect-stores-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return directory


def _started(server: ServerProcess) -> None:
    atexit.register(server.close)
    server.start()


@functools.cache
def postgres() -> Postgres:
    """The server of this test process, with a database per server of ours."""
    server = Postgres(_directory() / "postgres", max_connections=500)
    _started(server)
    return server


@functools.cache
def seaweed() -> Seaweed:
    """The same for objects, with a bucket per server of ours."""
    server = Seaweed(_directory() / "seaweed")
    _started(server)
    return server


@functools.cache
def cassandra() -> Cassandra:
    """The same for timelines, with a keyspace per server of ours."""
    server = Cassandra(_directory() / "cassandra")
    _started(server)
    return server


class Stores(NamedTuple):
    """What one server of ours stands on, and nobody else. No `keyspace`: the timeline is in the database."""

    postgres: Postgres
    database: str
    redis: Valkey
    seaweed: Seaweed
    bucket: str
    keyspace: str | None = None

    def settings(self) -> Sections:
        settings = store_settings(
            KEYS, database=self.database, redis=self.redis.url, store=self.seaweed, bucket=self.bucket
        )
        if self.keyspace is not None:
            settings["timeline"] = timeline_settings(cassandra(), self.keyspace)
        return settings

    def migrate(self) -> None:
        """`secureconnect migrate up` on them."""
        _migrate(self.settings())

    def close(self) -> None:
        """Give them up."""
        self.redis.close()
        self.postgres.drop_database(self.database)


def new_stores() -> Stores:
    """A migrated database, a Valkey of its own (channels know no databases), and the name of a bucket."""
    name = secrets.token_hex(6)
    redis = Valkey(_directory() / f"valkey-{name}")
    redis.start()
    keyspace = f"of_{name}" if PROFILE.has_cassandra else None
    database = postgres().copy_of("migrated", migrate)
    stores = Stores(postgres(), database, redis, seaweed(), f"bucket-{name}", keyspace)
    if keyspace is not None:
        _migrate(stores.settings())
    return stores


def migrate(url: str) -> None:
    """`secureconnect migrate up` on a database."""
    _migrate(store_settings(KEYS, database=url, redis="redis://127.0.0.1:1", store=seaweed(), bucket="none"))


def _migrate(settings: Sections) -> None:
    subprocess.run(
        [sys.executable, "-m", "secureconnect", "migrate", "up"],
        env=environment(**settings),
        cwd=_directory(),
        check=True,
        stdout=subprocess.DEVNULL,
    )
