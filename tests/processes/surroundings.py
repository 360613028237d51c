"""Two processes and everything that they stand on, each of which can be taken away."""

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from stack.certificates import make_certificate
from stack.coturn import Coturn
from stack.postgres import Postgres
from stack.seaweed import Seaweed
from stack.server import MissingProgram
from stack.valkey import Valkey
from tests.mailbox import MailServer
from tests.processes.alarms import Alarms, watching
from tests.processes.cable import Cable
from tests.processes.pair import Pair
from tests.push_service import PushService
from tests.scenarios.profiles import PROFILE
from tests.scenarios.stores import Stores
from tests.scenarios.test_10_calls_sfu import LiveKit, sfu

__all__ = ["Surroundings", "surroundings"]

POOL = 10


class Surroundings:
    """Servers of their own, with a cable to each but TURN: `lines` by the name of the dependency."""

    alarms: Alarms

    def __init__(self, directory: Path, pool: int) -> None:
        self.directory = directory
        self._pool = pool
        self.postgres = Postgres(directory / "postgres")
        self.redis = Valkey(directory / "valkey")
        self.seaweed = Seaweed(directory / "seaweed")
        self.office = MailServer(directory / "mails")
        self.livekit = LiveKit()
        try:
            self.coturn: Coturn | None = Coturn(directory / "coturn", make_certificate(directory / "tls"))
        except MissingProgram:
            self.coturn = None
        self.lines = {
            "database": Cable(self.postgres.port),
            "object_store": Cable(int(self.seaweed.endpoint.rpartition(":")[2])),
            "mail": Cable(self.office.port),
            "sfu": Cable(int(self.livekit.url.rpartition(":")[2])),
        }
        push = Cable(1)  # whose service wants to know how it is called
        self.service = PushService(known_as=f"http://127.0.0.1:{push.port}")
        push.lead_to(self.service.port)
        self.lines["push"] = push

    def start(self) -> None:
        """The servers."""
        for server in (self.postgres, self.redis, self.seaweed, *([self.coturn] if self.coturn else [])):
            server.start()
        self.office.start()

    def close(self) -> None:
        """The same, and nothing of them stays."""
        for server in (self.postgres, self.redis, self.seaweed, *([self.coturn] if self.coturn else [])):
            server.close()
        self.office.kill()
        self.service.close()
        self.livekit.stop()

    def pair(self) -> Pair:
        """The processes, which reach everything by the lines."""
        database = self.postgres.create_database()
        keyspace = f"of_{secrets.token_hex(6)}" if PROFILE.has_cassandra else None
        stores = Stores(
            self.postgres, database, self.redis, self.seaweed, f"b-{secrets.token_hex(4)}", keyspace
        )
        stores.migrate()
        host = f"127.0.0.1:{self.postgres.port}"
        settings = stores.settings()
        endpoint = f"http://127.0.0.1:{self.lines['object_store'].port}"
        sections: dict[str, dict[str, Any]] = {
            "database": {
                "url": database.replace(host, f"127.0.0.1:{self.lines['database'].port}"),
                "pool_max": self._pool,
                "statement_timeout": 20,
            },
            "object_store": {
                **settings["object_store"],
                "endpoint": endpoint,
                "public_endpoint": endpoint,
                "timeout": 4,
            },
            "mail": {
                "backend": "smtp",
                "host": "127.0.0.1",
                "port": self.lines["mail"].port,
                "tls": "none",
                "from": "server@example.test",
            },
            "push": {**settings["push"], "allow_private_endpoints": True, "suppress_when_online": False},
            "sfu": {**sfu(self.livekit), "livekit_url": f"http://127.0.0.1:{self.lines['sfu'].port}"},
        }
        if self.coturn is not None:
            sections["turn"] = {"urls": self.coturn.urls[1], "secret": self.coturn.secret}
        return Pair(self.directory, stores, **sections)

    async def work(self, name: str) -> None:
        """Do to the line or server `name` nothing bad any more."""
        line = self.lines[name]
        line.delay = 0.0
        line.resound()
        await line.lay()


@contextlib.asynccontextmanager
async def surroundings(directory: Path, pool: int = POOL) -> AsyncIterator[tuple[Surroundings, Pair]]:
    """Everything runs, Prometheus included, and is gone afterwards; `pool` connections per process."""
    made = await asyncio.to_thread(Surroundings, directory, pool)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(asyncio.to_thread, made.close)
        await asyncio.to_thread(made.start)
        pair = await asyncio.to_thread(made.pair)
        stack.push_async_callback(pair.clean)
        for line in made.lines.values():
            stack.push_async_callback(line.cut)
            await line.lay()
        await pair.start()
        targets = {"secureconnect": [f"127.0.0.1:{piece.port}" for piece in pair.pieces]}
        made.alarms = await stack.enter_async_context(watching(directory / "monitoring", targets))
        yield made, pair
