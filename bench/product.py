"""The whole product as its users start it: one process on a data directory of its own."""

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.population import Account, populate

__all__ = ["ENVIRONMENT", "Product", "free_port", "populated", "running"]

_PATIENCE = 30.0

#: Everything is as installed, but for what would stop a load that no client is allowed to make.
ENVIRONMENT = {
    "SECURECONNECT__RATE_LIMITS__ENABLED": "false",
    "SECURECONNECT__REALTIME__MAX_SOCKETS": "20000",
    "SECURECONNECT__AUTH__ACCESS_TTL": "86400",
    # The peers answer no pings.
    "SECURECONNECT__REALTIME__IDLE_TIMEOUT": "3600",
}


def free_port() -> int:
    """A port of the loopback that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


class Product:
    """A running server. `pid` is its process, `accounts` are logged in."""

    def __init__(self, pid: int, port: int, accounts: Sequence[Account]) -> None:
        self.pid = pid
        self.port = port
        self.accounts = accounts

    def call(self, token: str, method: str, path: str, body: object = None) -> Any:
        """One request; the `data` of its answer.

        Raises:
            RuntimeError: it was refused.
        """
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_PATIENCE)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        answer = connection.getresponse()
        envelope = json.loads(answer.read())
        connection.close()
        if answer.status >= 400:
            raise RuntimeError(f"{method} {path}: {envelope}")
        return envelope["data"]

    def group(self, members: Sequence[Account], title: str = "bench") -> str:
        """A group of `members`, owned by the first; its conversation id."""
        body = {
            "type": "group",
            "title": title,
            "participant_ids": [member.user_id for member in members[1:]],
        }
        conversation: dict[str, str] = self.call(members[0].token, "POST", "/v1/conversations", body)
        return conversation["conversation_id"]

    def metrics(self) -> dict[str, float]:
        """The samples without labels other than `service`, by name."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_PATIENCE)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        samples = {}
        for line in text.splitlines():
            name, _, rest = line.partition("{")
            labels, _, value = rest.partition("} ")
            if not line.startswith("#") and labels.count("=") == 1:
                samples[name] = float(value)
        return samples


@contextmanager
def running(
    data_dir: Path,
    *,
    accounts: Sequence[Account] = (),
    core: int | None = None,
    environment: Mapping[str, str] = ENVIRONMENT,
) -> Iterator[Product]:
    """A server on `data_dir`, ready, for the length of the block; its log goes to a file there."""
    port = free_port()
    command = [sys.executable, "-m", "secureconnect", "serve"]
    command += ["--data-dir", str(data_dir), "--port", str(port)]

    data_dir.mkdir(exist_ok=True)
    with (data_dir / "server.log").open("wb") as log:
        server = subprocess.Popen(command, env={**os.environ, **environment}, stdout=log, stderr=log)
        if core is not None:
            os.sched_setaffinity(server.pid, {core})
        try:
            _wait_until_ready(server, port, data_dir)
            yield Product(server.pid, port, accounts)
        finally:
            server.kill()
            server.wait()


@contextmanager
def populated(count: int, *, core: int | None = None) -> Iterator[Product]:
    """A server with `count` accounts on a temporary data directory."""
    folder = Path(tempfile.mkdtemp(prefix="secureconnect-bench-"))
    try:
        accounts = populate(folder, ENVIRONMENT, count)
        with running(folder, accounts=accounts, core=core) as product:
            yield product
    finally:
        shutil.rmtree(folder)


def _wait_until_ready(server: "subprocess.Popen[bytes]", port: int, data_dir: Path) -> None:
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        if server.poll() is not None:
            raise RuntimeError(f"the server ended:\n{(data_dir / 'server.log').read_text()}")
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE)
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.005)
        finally:
            connection.close()
    raise RuntimeError("the server does not get ready")
