"""A real TURN server: coturn with the shipped configuration, on the loopback interface."""

import asyncio
import os
import shutil
import ssl
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from secureconnect.infra.turn.base import IceServer
from secureconnect.infra.turn.probe import probe_url
from secureconnect.infra.turn.rest import password_of
from stack.certificates import Certificate
from stack.ports import free_ports
from stack.server import MissingProgram, ServerProcess

__all__ = ["Coturn"]

_START = Path(__file__).parents[1] / "deploy" / "coturn" / "start"
_RELAYS = 200  # ports
_MISSING = "coturn is missing: the Debian package `coturn` has it (its service need not run)"


class Coturn(ServerProcess):
    """One server with a secret and a certificate of its own.

    By `loopback_peers` it relays to this machine, which the shipped configuration refuses.
    """

    name = "coturn"

    def __init__(
        self,
        directory: Path,
        certificate: Certificate,
        *,
        secret: str = "shared-by-tests",
        loopback_peers: bool = False,
        arguments: Sequence[str] = (),
    ) -> None:
        super().__init__(directory)
        self.secret = secret
        self.certificate = certificate
        self.port, self.tls_port, self._first_relay = free_ports(3)
        self._arguments = list(arguments)
        if loopback_peers:
            self._arguments += ["--allow-loopback-peers", "--allowed-peer-ip=127.0.0.1"]
        self._secret_file = directory / "secret"
        _program()

    @property
    def urls(self) -> tuple[str, str, str]:
        """By UDP, TCP and TLS."""
        return (
            f"turn:127.0.0.1:{self.port}",
            f"turn:127.0.0.1:{self.port}?transport=tcp",
            f"turns:127.0.0.1:{self.tls_port}",
        )

    def credentials(
        self, user_id: str = "tests", *, lasts: int = 3600, secret: str | None = None
    ) -> IceServer:
        """As SecureConnect makes them; `lasts` below 0 is in the past."""
        username = f"{int(time.time()) + lasts}:{user_id}"
        password = password_of(username, secret or self.secret)
        return IceServer(urls=self.urls, username=username, credential=password)

    def trust(self) -> ssl.SSLContext:
        """Whom a client has to trust."""
        return ssl.create_default_context(cafile=str(self.certificate.chain))

    def prepare(self) -> None:
        self._secret_file.touch(mode=0o600)
        self._secret_file.write_text(f"{self.secret}\n")

    def environment(self) -> Mapping[str, str]:
        return {
            **os.environ,
            "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/bin",
            "TMPDIR": str(self.directory),
            "TURN_SECRET_FILE": str(self._secret_file),
        }

    def command(self) -> Sequence[str]:
        return [
            str(_START),
            "--listening-ip=127.0.0.1",
            "--relay-ip=127.0.0.1",
            f"--listening-port={self.port}",
            f"--tls-listening-port={self.tls_port}",
            f"--min-port={self._first_relay}",
            f"--max-port={self._first_relay + _RELAYS}",
            f"--cert={self.certificate.chain}",
            f"--pkey={self.certificate.key}",
            *self._arguments,
        ]

    def answers(self) -> bool:
        stun = f"stun:127.0.0.1:{self.port}"
        return asyncio.run(probe_url(stun, "", "", timeout=1)).ok


def _program() -> str:
    found = shutil.which("turnserver", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/bin")
    if found is None:
        raise MissingProgram(_MISSING)
    return found
