"""One process on PostgreSQL, Valkey and S3 that a scenario starts and stops itself."""

import asyncio
import contextlib
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from stack.server import MissingProgram
from tests.scenarios.commands import Outcome, secureconnect
from tests.scenarios.networked import AllInOne
from tests.scenarios.pieces import environment
from tests.scenarios.server import free_port
from tests.scenarios.stores import Stores

__all__ = ["Alone", "networked"]


class Alone:
    """A process on stores of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        self.data_dir = folder / "data"
        self.arrangement = AllInOne(self.data_dir, self.port)
        #: Sections of settings that it has besides.
        self.more: dict[str, Mapping[str, Any]] = {}
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def stores(self) -> Stores:
        return self.arrangement.stores

    def settings(self, **more: Mapping[str, Any]) -> dict[str, Any]:
        given: dict[str, Mapping[str, Any]] = {
            "rate_limits": {"enabled": False},
            "server": {"public_url": self.url},
            **self.more,
            **more,
        }
        return dict(self.arrangement.settings(given))

    async def command(self, *arguments: str | Path, **more: Any) -> Outcome:
        return await secureconnect(
            *arguments, "--data-dir", self.data_dir, cwd=self.folder, **self.settings(**more)
        )

    async def start(self) -> None:
        command = [sys.executable, "-m", "secureconnect", "serve", "--port", str(self.port)]
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(  # noqa: ASYNC220 - it returns at once
                [*command, "--data-dir", str(self.data_dir)],
                stdout=log,
                stderr=log,
                env=environment(**self.settings()),
            )
        deadline = time.monotonic() + 60
        async with httpx.AsyncClient(verify=False) as client:
            while not await _answers(client, f"{self.url}/readyz"):
                assert self.process.poll() is None, (self.folder / "log").read_text()
                assert time.monotonic() < deadline
                await asyncio.sleep(0.05)

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


async def _answers(client: httpx.AsyncClient, url: str) -> bool:
    """Whether it is ready, and misses nothing that it stands on: an object store may take a second longer."""
    with contextlib.suppress(httpx.TransportError):
        answer = await client.get(url)
        return answer.status_code == 200 and b'"ready"' in answer.content
    return False


def networked(folder: Path) -> Alone:
    """One that is not started yet; skips the test where a program for it is missing."""
    folder.mkdir()
    try:
        made = Alone(folder)
        made.settings()
    except MissingProgram as missing:
        pytest.skip(str(missing))
    return made
