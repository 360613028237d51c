"""Two processes on one PostgreSQL, Valkey and S3, without a gateway: clients choose whom they talk to."""

import asyncio
import contextlib
import dataclasses
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from stack.ports import free_port
from tests.processes.cable import Cable
from tests.scenarios.pieces import Piece, environment
from tests.scenarios.server import _ready
from tests.scenarios.steps import Person
from tests.scenarios.stores import Stores, new_stores

__all__ = ["Pair", "at", "lines", "metric", "readiness", "two_processes"]


class Pair:
    """`one` and `two`, each with a `Cable` to Valkey."""

    def __init__(self, directory: Path, stores: Stores | None = None, **sections: dict[str, Any]) -> None:
        self.directory = directory
        self.stores = stores or new_stores()
        self.cables = [Cable(self.stores.redis.port) for _ in range(2)]
        self.pieces = [
            self._piece(name, cable) for name, cable in zip(("one", "two"), self.cables, strict=True)
        ]
        given: dict[str, dict[str, Any]] = {"rate_limits": {"enabled": False}, **sections}
        for name, keys in self.stores.settings().items():
            given[name] = {**keys, **given.get(name, {})}
        self.settings = given
        self._environment = environment(**given)

    def _piece(self, name: str, cable: Cable) -> Piece:
        port = free_port()
        return Piece(
            name,
            ["serve", "--data-dir", str(self.directory / name), "--port", str(port)],
            port=port,
            log=self.directory / f"{name}.log",
            settings={"redis": {"url": f"redis://127.0.0.1:{cable.port}/0"}},
        )

    @property
    def one(self) -> Piece:
        return self.pieces[0]

    @property
    def two(self) -> Piece:
        return self.pieces[1]

    async def start(self) -> None:
        """Both, until they are ready."""
        for cable in self.cables:
            await cable.lay()
        for piece in self.pieces:
            await self.launch(piece)
        async with asyncio.TaskGroup() as waiting:
            for piece in self.pieces:
                waiting.create_task(_ready(piece, 120))

    async def launch(self, piece: Piece) -> None:
        """Start one of them."""
        await asyncio.to_thread(piece.launch, self._environment, self.directory)

    async def clean(self) -> None:
        """End both, and give up their stores."""
        for piece in self.pieces:
            piece.signal(signal.SIGKILL)
        for piece in self.pieces:
            if piece.process is not None:
                await asyncio.to_thread(piece.process.wait)
        for cable in self.cables:
            await cable.cut()
        await asyncio.to_thread(self.stores.close)


@contextlib.asynccontextmanager
async def two_processes(directory: Path, **sections: dict[str, Any]) -> AsyncIterator[Pair]:
    """Two ready processes that are gone afterwards."""
    pair = Pair(directory, None, **sections)
    try:
        await pair.start()
        yield pair
    finally:
        await pair.clean()


def at(piece: Piece, person: Person) -> Person:
    """The same session, at this process."""
    return dataclasses.replace(person, url=piece.url)


async def metric(piece: Piece, name: str, **labels: str) -> float:
    """The sum of the samples of `name` with these labels."""
    async with httpx.AsyncClient(verify=False) as client:
        text = (await client.get(f"{piece.url}/metrics")).text
    return sum(
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )


async def readiness(piece: Piece) -> dict[str, Any]:
    """What `/readyz` says."""
    async with httpx.AsyncClient(verify=False) as client:
        answer = await client.get(f"{piece.url}/readyz")
    return {"code": answer.status_code, **answer.json()}


def lines(piece: Piece, **fields: str) -> list[dict[str, Any]]:
    """Lines of its log with these fields."""
    found = [json.loads(line) for line in piece.log.read_text().splitlines() if line.startswith("{")]
    return [line for line in found if fields.items() <= line.items()]
