"""A process per role on stores of its own, any of which can be taken away."""

import asyncio
import contextlib
import itertools
import random
import secrets
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from stack.postgres import Postgres
from stack.seaweed import Seaweed
from stack.server import ServerProcess
from stack.valkey import Valkey
from tests.processes.cable import Cable
from tests.scenarios.crash import HttpWriter, Reader, SocketWriter, Writer, check_promises
from tests.scenarios.networked import Split
from tests.scenarios.patience import eventually
from tests.scenarios.pieces import Piece
from tests.scenarios.server import Server
from tests.scenarios.steps import Person, events, group, register, stranger, whole_log
from tests.scenarios.stores import Stores, migrate

__all__ = ["Cluster", "Load", "cluster"]


class Cluster(Server):
    """Two processes of chat and of video behind nginx, on PostgreSQL, Valkey and S3 that nobody shares.

    `servers` are those and nginx, by name; if it is `wired`, `links` are the lines to those stores and to
    each process of a role, by the name of who is at their end.
    """

    def __init__(self, directory: Path, *, wired: bool = False, **sections: dict[str, Any]) -> None:
        self.links: dict[str, Cable] = {}
        self._ways: dict[int, Cable] = {}
        self.postgres = Postgres(directory / "postgres")
        self.redis = Valkey(directory / "valkey")
        self.seaweed = Seaweed(directory / "seaweed")
        for server in (self.postgres, self.redis, self.seaweed):
            server.start()
        self.database = self.postgres.create_database()
        stores = Stores(self.postgres, self.database, self.redis, self.seaweed, f"b-{secrets.token_hex(4)}")

        def arrange(data_dir: Path, port: int, processes: int) -> Split:
            self.split = Split(data_dir, port, processes, stores, self._lead if wired else int)
            return self.split

        given = {**(self._wire(stores) if wired else {}), **sections}
        super().__init__(directory / "data", processes=2, arrange=arrange, **given)
        self.links |= {
            piece.name: self._ways[piece.port] for piece in self.pieces if piece.port in self._ways
        }

    def _lead(self, port: int) -> int:
        """Where others reach this port."""
        cable = self._ways[port] = Cable(port)
        return cable.port

    def _wire(self, stores: Stores) -> dict[str, dict[str, Any]]:
        """Settings of who reaches the stores by lines."""
        to_objects = int(self.seaweed.endpoint.rpartition(":")[2])
        ports = {"postgres": self.postgres.port, "valkey": self.redis.port, "seaweed": to_objects}
        self.links |= {name: Cable(port) for name, port in ports.items()}

        def by(url: str, name: str) -> str:
            return url.replace(f":{ports[name]}", f":{self.links[name].port}")

        endpoint = by(self.seaweed.endpoint, "seaweed")
        objects = {**stores.settings()["object_store"], "endpoint": endpoint, "public_endpoint": endpoint}
        return {
            "database": {"url": by(self.database, "postgres")},
            "redis": {"url": by(self.redis.url, "valkey")},
            "object_store": objects,
        }

    @property
    def servers(self) -> dict[str, ServerProcess]:
        assert self.split.nginx is not None
        found: list[ServerProcess] = [self.postgres, self.redis, self.seaweed, self.split.nginx]
        return {server.name: server for server in found}

    def take(self, name: str) -> Callable[[], None]:
        """SIGKILL to one process or server; what is returned brings it back."""
        if name in self.servers:
            server = self.servers[name]
            server.kill()
            return server.start
        piece = self.piece(name)
        kill(piece)
        return lambda: piece.launch(self.environment, self.data_dir.parent)

    def clean(self) -> None:
        for piece in self.pieces:
            piece.signal(signal.SIGCONT)
        self.kill()
        for server in self.servers.values():
            server.close()


def kill(piece: Piece) -> None:
    """SIGKILL, and wait for the end."""
    assert piece.process is not None
    piece.process.kill()
    piece.process.wait()


@contextlib.asynccontextmanager
async def cluster(
    directory: Path, *, wired: bool = False, **sections: dict[str, Any]
) -> AsyncIterator[Cluster]:
    """A ready one, which is gone afterwards."""
    made = await asyncio.to_thread(Cluster, directory, wired=wired, **sections)
    try:
        await asyncio.to_thread(migrate, made.database)
        for link in made.links.values():
            await link.lay()
        if wired:
            for piece in made.pieces:
                piece.set_ahead(0)
        await made.start()
        yield made
    finally:
        for link in made.links.values():
            await link.cut()
        await asyncio.to_thread(made.clean)


class Load:
    """People who write over HTTP and sockets and others who read along, until everything is checked."""

    def __init__(self, people: list[Person], g: str, chance: random.Random) -> None:
        kinds = itertools.cycle((HttpWriter, SocketWriter))
        half = len(people) // 2
        self.writers: list[Writer] = [
            kind(one, g, chance) for one, kind in zip(people[:half], kinds, strict=False)
        ]
        self.readers = [Reader(one, g) for one in people[half:]]
        self.g = g
        self.owner = people[-1]

    @property
    def acked(self) -> int:
        return sum(len(writer.acked) for writer in self.writers)

    async def more(self, count: int, seconds: float = 60) -> None:
        """Wait until so many more messages were acknowledged, to each writer one at least."""
        goal = self.acked + count
        before = [len(writer.acked) for writer in self.writers]

        async def enough() -> bool:
            each = all(len(writer.acked) > had for writer, had in zip(self.writers, before, strict=True))
            return each and self.acked >= goal

        await eventually(enough, seconds)

    @classmethod
    @contextlib.asynccontextmanager
    async def on(cls, url: str, chance: random.Random, people: int = 8) -> AsyncIterator["Load"]:
        """While the block runs. At its end everything that was acknowledged is looked for, at everybody."""
        made = [await register(stranger(url, f"p{number}")) for number in range(people)]
        g = (await group(made[0], made[1:]))["conversation_id"]
        load = cls(made, g, chance)
        async with asyncio.TaskGroup() as reading:
            for reader in load.readers:
                reading.create_task(reader.run())
            async with asyncio.TaskGroup() as writing:
                for writer in load.writers:
                    writing.create_task(writer.run())
                yield load
                for writer in load.writers:
                    writer.stop()
            log = await whole_log(load.owner, g)
            for reader in load.readers:
                reader.finish(len(log))
        check_promises(log, load.writers, load.readers)
        assert await events(load.owner, g, len(log)) == []
