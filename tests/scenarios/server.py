"""A real SecureConnect: started as a user starts it, stopped as an operator or a power cut does."""

import asyncio
import contextlib
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx

from stack.ports import free_port
from tests.scenarios.arrangements import Arrange, arranged
from tests.scenarios.pieces import Piece, environment
from tests.scenarios.tables import Tables

__all__ = ["STARTED", "Server", "environment", "free_port", "running"]

#: Every server of this run, those that are gone included.
STARTED: list["Server"] = []


class Server:
    """The processes of the profile of this run, on stores of their own. `data_dir` is what they have on disk,
    `sections` are settings: `Server(path, auth={"access_ttl": 2})`. Where there is a process per role, there
    are so many `processes` of chat and of video; with more than one, nginx is in front of all.
    """

    def __init__(
        self, data_dir: Path, *, processes: int = 1, arrange: Arrange = arranged, **sections: dict[str, Any]
    ) -> None:
        self.data_dir = data_dir
        self.port = free_port()
        self._arrangement = arrange(data_dir, self.port, processes)
        given = {"rate_limits": {"enabled": False}, **sections}
        self.environment = environment(**self._arrangement.settings(given))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/v1/ws/chat"

    @property
    def pieces(self) -> list[Piece]:
        """Its processes; clients go to the last one, or to nginx before it."""
        return self._arrangement.pieces

    @property
    def tables(self) -> Tables:
        """Its relational store, behind its back."""
        return self._arrangement.tables

    @property
    def indexes(self) -> list[Tables]:
        """Where it keeps the index of searches, if not among the tables."""
        return self._arrangement.indexes

    @property
    def every_table(self) -> list[Tables]:
        """The same, and where it keeps the index of searches if that is elsewhere."""
        return [self.tables, *self.indexes]

    def object_keys(self) -> list[str]:
        """Where every object lies in its store."""
        return self._arrangement.object_keys()

    def without_objects(self) -> contextlib.AbstractContextManager[None]:
        """The object store is away while the block runs."""
        return self._arrangement.without_objects()

    def search_terms(self) -> set[str]:
        """Every term of the search index."""
        return self._arrangement.search_terms()

    @property
    def logs(self) -> list[Path]:
        """What each process writes to."""
        return [piece.log for piece in self.pieces]

    def piece(self, name: str) -> Piece:
        """One of its processes, by its name."""
        (found,) = [piece for piece in self.pieces if piece.name == name]
        return found

    def url_of(self, role: str) -> str:
        """Of a process of this role; of the one process, where there are no roles."""
        named = [piece for piece in self.pieces if piece.name.rstrip("0123456789") == role]
        return (named or self.pieces)[0].url

    @property
    def services(self) -> dict[str, str]:
        """What each process calls itself, by its URL."""
        names = {"gateway": "api-gateway", "secureconnect": "secureconnect"}
        roles = {piece.url: piece.name.rstrip("0123456789") for piece in self.pieces}
        return {url: names.get(role, f"{role}-service") for url, role in roles.items()}

    @property
    def alive(self) -> bool:
        """Whether every process runs."""
        return all(piece.alive for piece in self.pieces)

    @property
    def pids(self) -> list[int]:
        """Of its processes."""
        return [piece.process.pid for piece in self.pieces if piece.process is not None]

    def launch(self) -> None:
        """Start the processes without waiting for them."""
        if self not in STARTED:
            STARTED.append(self)
        self._arrangement.prepare()
        for piece in self.pieces:
            if not piece.alive:
                piece.launch(self.environment, self.data_dir.parent)

    async def start(self) -> None:
        """Start the processes and return once they are ready."""
        await asyncio.to_thread(self.launch)
        await self.ready()

    async def ready(self, seconds: float = 60) -> None:
        """Wait until `/readyz` of each process answers 200, and the gateway leaves no role alone."""
        async with asyncio.TaskGroup() as waiting:
            for piece in self.pieces:
                waiting.create_task(_ready(piece, seconds))

    def kill(self) -> None:
        """SIGKILL to all of it, as a power cut."""
        for piece in self.pieces:
            piece.signal(signal.SIGKILL)
        for piece in self.pieces:
            if piece.process is not None:
                piece.process.wait()

    def terminate(self) -> None:
        """SIGTERM to all of it."""
        for piece in self.pieces:
            piece.signal(signal.SIGTERM)

    async def stop(self, seconds: float = 30) -> int:
        """SIGTERM; returns the exit code."""
        self.terminate()
        return await self.exited(seconds)

    async def exited(self, seconds: float = 30) -> int:
        """Wait for the end; returns the exit code, of several the one that is not 0."""
        codes = []
        async with asyncio.timeout(seconds):
            for piece in self.pieces:
                assert piece.process is not None
                codes.append(await asyncio.to_thread(piece.process.wait))
        return next((code for code in codes if code != 0), 0)

    def clean(self) -> None:
        """End what still runs, and give up what only this server used."""
        self.kill()
        self._arrangement.close()

    def log_text(self) -> str:
        """What the processes wrote so far, one after the other."""
        return "".join(log.read_text() for log in self.logs if log.exists())

    def lines(self) -> list[str]:
        """The same by lines."""
        return self.log_text().splitlines()


async def _ready(piece: Piece, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    async with httpx.AsyncClient(verify=False) as client:
        while time.monotonic() < deadline and piece.alive:
            with contextlib.suppress(httpx.TransportError):
                answer = await client.get(f"{piece.url}/readyz")
                if answer.status_code == 200 and (piece.name != "gateway" or b'"ready"' in answer.content):
                    return
            await asyncio.sleep(0.02)
    state = "is not ready" if piece.alive else "has ended"
    raise AssertionError(f"{piece.name} {state}:\n{piece.log.read_text()[-4000:]}")


@contextlib.asynccontextmanager
async def running(data_dir: Path, **sections: Any) -> AsyncIterator[Server]:
    """A ready server that is gone afterwards."""
    server = Server(data_dir, **sections)
    try:
        await server.start()
        yield server
    finally:
        await asyncio.to_thread(server.clean)
