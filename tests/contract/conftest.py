"""The ports and the adapters that must pass their suites.

A further adapter adds one entry to a table below; no test names an adapter.
"""

import contextlib
import functools
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from secureconnect.infra.bus.base import Bus
from secureconnect.infra.bus.memory import MemoryBus
from secureconnect.infra.cache.base import Cache
from secureconnect.infra.cache.memory import MemoryCache
from secureconnect.infra.database.base import BatchDatabase, Database
from secureconnect.kit.clock import Clock
from stack.cassandra import Cassandra
from stack.postgres import Postgres
from stack.seaweed import Seaweed, seaweed
from stack.server import MissingProgram
from stack.valkey import Valkey
from stack.valkey_groups import ValkeyCluster

from .blob_worlds import BLOBS, BlobWorld
from .database_worlds import DATABASES, StartServer
from .manual_clock import ManualClock
from .numbers import numbers
from .outbox_world import Desk
from .redis_worlds import fresh_database, opened_bus, opened_cache
from .timeline_adapters import TIMELINES, StartCassandra
from .timeline_world import World

Url = Callable[[str], str]  # of a server by its kind
OpenCache = Callable[[Clock], contextlib.AbstractAsyncContextManager[Cache]]


@contextlib.asynccontextmanager
async def memory_bus(_: Url) -> AsyncIterator[Bus]:
    bus = MemoryBus()
    yield bus
    await bus.close()


@contextlib.asynccontextmanager
async def memory_cache(_: Url, clock: Clock) -> AsyncIterator[Cache]:
    cache = MemoryCache(clock)
    yield cache
    await cache.close()


BUSES: dict[str, Callable[[Url], contextlib.AbstractAsyncContextManager[Bus]]] = {
    "memory": memory_bus,
    "valkey": lambda url: opened_bus(fresh_database(url("valkey"))),
    "valkey cluster": lambda url: opened_bus(url("cluster")),
}
CACHES: dict[str, Callable[[Url, Clock], contextlib.AbstractAsyncContextManager[Cache]]] = {
    "memory": memory_cache,
    "valkey": lambda url, clock: opened_cache(fresh_database(url("valkey")), clock),
    "valkey cluster": lambda url, clock: opened_cache(url("cluster"), clock),
}


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Url]:
    """The URLs of servers of this run, each started when it is first asked for."""
    with contextlib.ExitStack() as stack:

        @functools.cache
        def url(kind: str) -> str:
            directory = tmp_path_factory.mktemp(kind)
            if kind == "cluster":
                return stack.enter_context(ValkeyCluster(directory)).url
            return stack.enter_context(Valkey(directory)).url

        yield url


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartServer]:
    """The PostgreSQL server of this run, started when it is first asked for."""
    with contextlib.ExitStack() as stack:
        yield functools.cache(lambda: stack.enter_context(Postgres(tmp_path_factory.mktemp("postgres"))))


@pytest.fixture(params=sorted(DATABASES))
async def database(
    request: pytest.FixtureRequest, tmp_path: Path, postgres_server: StartServer
) -> AsyncIterator[BatchDatabase]:
    with DATABASES[request.param](tmp_path, postgres_server) as open_database:
        opened = await open_database()
        yield opened
        await opened.close()


@pytest.fixture(params=sorted(BUSES))
async def bus(request: pytest.FixtureRequest, redis_url: Url) -> AsyncIterator[Bus]:
    async with BUSES[request.param](redis_url) as opened:
        yield opened


@pytest.fixture(params=sorted(CACHES))
def open_cache(request: pytest.FixtureRequest, redis_url: Url) -> OpenCache:
    """Opens a cache without entries."""
    return functools.partial(CACHES[request.param], redis_url)


@pytest.fixture
async def cache(open_cache: OpenCache, clock: ManualClock) -> AsyncIterator[Cache]:
    async with open_cache(clock) as opened:
        yield opened


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Seaweed]]:
    """The S3 server of this run, started when it is first asked for."""
    with contextlib.ExitStack() as stack:
        yield functools.cache(lambda: stack.enter_context(seaweed(tmp_path_factory.mktemp("seaweed"))))


@pytest.fixture(params=sorted(BLOBS))
async def blob_world(
    request: pytest.FixtureRequest, tmp_path: Path, s3_server: Callable[[], Seaweed]
) -> AsyncIterator[BlobWorld]:
    directory = tmp_path / "objects"
    directory.mkdir()
    async with BLOBS[request.param](directory, s3_server) as world:
        yield world


@pytest.fixture(scope="session")
def cassandra_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartCassandra]:
    """The Cassandra server of this run, started when it is first asked for."""
    with contextlib.ExitStack() as stack:

        @functools.cache
        def start() -> Cassandra:
            try:
                server = Cassandra(tmp_path_factory.mktemp("cassandra"), lasting_schema=False)
                return stack.enter_context(server)
            except MissingProgram as missing:
                pytest.skip(str(missing))

        yield start


@pytest.fixture(params=sorted(TIMELINES))
async def world(
    request: pytest.FixtureRequest, database: BatchDatabase, cassandra_server: StartCassandra
) -> AsyncIterator[World]:
    world = World(database)
    async with TIMELINES[request.param](database, world.listen, cassandra_server) as opened:
        world.database, world.timeline = opened
        yield world


@pytest.fixture(params=[False, True], ids=["plain", "brief"])
def brief(request: pytest.FixtureRequest) -> bool:
    """Whether works are declared brief; nothing but speed may depend on it."""
    chosen: bool = request.param
    return chosen


@pytest.fixture
async def store(database: BatchDatabase) -> BatchDatabase:
    await database.write(lambda tx: numbers.create(tx.conn))
    return database


@pytest.fixture
async def desk(database: Database, clock: ManualClock) -> AsyncIterator[Desk]:
    """An outbox that nobody started yet."""
    made = Desk(database, clock)
    yield made
    await made.outbox.stop()
