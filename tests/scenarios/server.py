"""A real SecureConnect process: started as a user starts it, stopped as an operator or a power cut does."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx

__all__ = ["STARTED", "Server", "environment", "free_port"]

#: Every server of this run, those that are gone included.
STARTED: list["Server"] = []


def free_port() -> int:
    """A port of the loopback interface that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment(**sections: dict[str, Any]) -> dict[str, str]:
    """Settings as environment variables: `environment(auth={"access_ttl": 2})`."""
    variables = {
        f"SECURECONNECT__{section}__{key}".upper(): str(value).lower()
        if isinstance(value, bool)
        else str(value)
        for section, values in sections.items()
        for key, value in values.items()
    }
    # Without its byte code a process needs a second more to start.
    inherited = {
        name: value
        for name, value in os.environ.items()
        if "SECURECONNECT" not in name and name != "PYTHONDONTWRITEBYTECODE"
    }
    return {**inherited, **variables}


class Server:
    """One process on one data directory."""

    def __init__(self, data_dir: Path, **sections: dict[str, Any]) -> None:
        self.data_dir = data_dir
        self.port = free_port()
        self.log = data_dir.parent / f"{data_dir.name}.log"
        self.environment = environment(**{"rate_limits": {"enabled": False}, **sections})
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/v1/ws/chat"

    def launch(self) -> None:
        """Start the process without waiting for it."""
        if self not in STARTED:
            STARTED.append(self)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "secureconnect",
                    "serve",
                    "--data-dir",
                    str(self.data_dir),
                    "--port",
                    str(self.port),
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self.environment,
                cwd=self.data_dir.parent,
            )

    async def start(self) -> None:
        """Start the process and return once it is ready."""
        self.launch()
        await self.ready()

    async def ready(self, seconds: float = 60) -> None:
        """Wait until `/readyz` answers 200."""
        assert self.process is not None
        deadline = time.monotonic() + seconds
        async with httpx.AsyncClient(verify=False) as client:
            while time.monotonic() < deadline:
                if self.process.poll() is not None:
                    break
                with contextlib.suppress(httpx.TransportError):
                    if (await client.get(f"{self.url}/readyz")).status_code == 200:
                        return
                await asyncio.sleep(0.02)
        raise AssertionError(f"the server did not become ready:\n{self.log.read_text()[-4000:]}")

    def kill(self) -> None:
        """SIGKILL, as a power cut for the process."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    async def stop(self, seconds: float = 30) -> int:
        """SIGTERM; returns the exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return await self.exited(seconds)

    async def exited(self, seconds: float = 30) -> int:
        """Wait for the process to end; returns its exit code."""
        assert self.process is not None
        async with asyncio.timeout(seconds):
            return await asyncio.to_thread(self.process.wait)

    def clean(self) -> None:
        """End the process if it still runs."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def lines(self) -> list[str]:
        """What the process wrote so far."""
        return self.log.read_text().splitlines()


@contextlib.asynccontextmanager
async def running(data_dir: Path, **sections: dict[str, Any]) -> AsyncIterator[Server]:
    """A ready server that is gone afterwards."""
    server = Server(data_dir, **sections)
    try:
        await server.start()
        yield server
    finally:
        server.clean()
