"""The whole of SecureConnect on one machine without containers: every server and every role."""

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from stack.cassandra import Cassandra
from stack.certificates import make_certificate
from stack.coturn import Coturn
from stack.livekit import LiveKitServer
from stack.monitoring import Alertmanager, Prometheus
from stack.nginx import Nginx
from stack.ports import free_port
from stack.postgres import Postgres
from stack.roles import RoleProcess, variables
from stack.seaweed import Seaweed
from stack.server import MissingProgram, ServerProcess
from stack.settings import ROLES, Keys, Sections, gateway_settings, store_settings, timeline_settings
from stack.valkey import Valkey

__all__ = ["Local", "Wish"]

Report = Callable[[str], None]
Server = TypeVar("Server", bound=ServerProcess)


@dataclass(frozen=True)
class Wish:
    """What to bring up, besides PostgreSQL, Valkey, SeaweedFS, nginx and the roles."""

    cassandra: bool = False
    livekit: bool = False
    coturn: bool = True
    monitoring: bool = True
    #: So many processes of chat and of video.
    processes: int = 2
    #: Of nginx; a free one when None.
    port: int | None = None


class Local:
    """Everything in `directory`, with new secrets. `start` and `stop` report what they do, line by line.

    What a role does not need to serve and is missing on this machine is reported and left out.
    """

    def __init__(self, directory: Path, wish: Wish, report: Report) -> None:
        self.directory = directory
        self.keys = Keys()
        self._wish = wish
        self._report = report
        self._started: list[ServerProcess] = []
        self.missing: list[str] = []
        certificate = make_certificate(directory / "tls")
        self.certificate = certificate.chain
        self.postgres = Postgres(directory / "postgres", fsync=True, password=self.keys.postgres)
        self.valkey = Valkey(directory / "valkey", password=self.keys.valkey)
        self.seaweed = Seaweed(
            directory / "seaweed", access_key=self.keys.store_access, secret_key=self.keys.store_secret
        )
        self.coturn = self._optional(
            wish.coturn, lambda: Coturn(directory / "coturn", certificate, secret=self.keys.turn)
        )
        self.cassandra = self._optional(
            wish.cassandra, lambda: Cassandra(directory / "cassandra"), required=True
        )
        self.alertmanager = self._optional(wish.monitoring, lambda: Alertmanager(directory / "alertmanager"))
        ports = {role: [free_port() for _ in range(self._count(role))] for role in (*ROLES, "gateway")}
        addresses = {role: [f"127.0.0.1:{port}" for port in found] for role, found in ports.items()}
        self.prometheus = self._optional(
            wish.monitoring,
            lambda: Prometheus(
                directory / "prometheus",
                {_job(role): found for role, found in addresses.items()},
                alertmanager=self.alertmanager.address if self.alertmanager else None,
                token=self.keys.metrics,
            ),
        )
        self.nginx = Nginx(
            directory / "nginx",
            gateway=addresses["gateway"],
            chat=addresses["chat"],
            video=addresses["video"],
            certificate=certificate.chain,
            key=certificate.key,
            port=wish.port,
        )
        self.livekit = self._optional(
            wish.livekit,
            lambda: LiveKitServer(
                directory / "livekit",
                webhook_url=f"{self.nginx.url}/v1/calls/livekit/webhook",
                api_secret=secrets.token_urlsafe(32),
            ),
            required=True,
        )
        self._ports = ports
        self.roles: list[RoleProcess] = []

    @property
    def url(self) -> str:
        """Where users go."""
        return self.nginx.url

    @property
    def servers(self) -> list[ServerProcess]:
        """Everything that is not ours, as far as it is there."""
        chosen: list[ServerProcess | None] = [
            self.postgres,
            self.valkey,
            self.seaweed,
            self.nginx,
            self.coturn,
            self.cassandra,
            self.livekit,
            self.prometheus,
            self.alertmanager,
        ]
        return [server for server in chosen if server is not None]

    def start(self) -> None:
        """Bring everything up.

        Raises:
            MissingProgram, NotReady, RuntimeError: something that is needed did not come up; call `stop`.
        """
        for complaint in self.missing:
            self._report(f"left out: {complaint}")
        self._together(self.servers)
        self._report("migrations")
        settings = self._settings()
        self._migrate(settings)
        behind = gateway_settings(
            {role: [f"http://127.0.0.1:{port}" for port in self._ports[role]] for role in ROLES}
        )
        for role, ports in self._ports.items():
            for number, port in enumerate(ports, 1):
                own = {**settings, **(behind if role == "gateway" else {})}
                self.roles.append(
                    RoleProcess(
                        self.directory / "roles",
                        role,
                        f"{role}{number}" if len(ports) > 1 else role,
                        own,
                        data_dir=self.directory / "data",
                        port=port,
                    )
                )
        self._together(self.roles)

    def stop(self) -> None:
        """Take everything down, by pid: first the roles, then what they stand on."""
        for group in (self.roles, [server for server in self._started if server not in self.roles]):
            running = [server for server in group if server.running]
            if running:
                self._report(f"stopping {', '.join(server.name for server in running)}")
                with ThreadPoolExecutor(len(running)) as pool:
                    list(pool.map(lambda server: server.close(), running))
        self.postgres.close()

    def ended(self) -> list[ServerProcess]:
        """What should run and does not."""
        return [server for server in self._started if not server.running]

    def _together(self, servers: Sequence[ServerProcess]) -> None:
        began = time.monotonic()

        def start(server: ServerProcess) -> None:
            self._started.append(server)
            server.start(120.0 if server is self.cassandra else 60.0)
            self._report(f"{server.name:<14} ready after {time.monotonic() - began:.1f} s")

        with ThreadPoolExecutor(len(servers)) as pool:
            for done in [pool.submit(start, server) for server in servers]:
                done.result()

    def _settings(self) -> Sections:
        database = self.postgres.create_database("secureconnect")
        settings = store_settings(
            self.keys, database=database, redis=self.valkey.url, store=self.seaweed, bucket="secureconnect"
        )
        settings["server"] |= {"public_url": self.nginx.url, "trusted_proxies": "127.0.0.1/32"}
        settings["observability"] = {"metrics_token": self.keys.metrics}
        if self.coturn is not None:
            settings["turn"] = {"urls": ",".join(self.coturn.urls), "secret": self.keys.turn}
        if self.livekit is not None:
            settings["sfu"] = {
                "livekit_url": self.livekit.url,
                "livekit_api_key": self.livekit.api_key,
                "livekit_api_secret": self.livekit.api_secret,
            }
        if self.cassandra is not None:
            settings["timeline"] = timeline_settings(self.cassandra, "secureconnect_ks")
        return settings

    def _migrate(self, settings: Sections) -> None:
        done = subprocess.run(
            [sys.executable, "-m", "secureconnect", "migrate", "up"],
            env={**os.environ, **variables(settings)},
            cwd=self.directory,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"`secureconnect migrate up` failed:\n{done.stdout}{done.stderr}")

    def _count(self, role: str) -> int:
        return self._wish.processes if role in {"chat", "video"} else 1

    def _optional(self, wanted: bool, make: Callable[[], Server], *, required: bool = False) -> Server | None:
        if not wanted:
            return None
        try:
            return make()
        except MissingProgram as missing:
            if required:
                raise
            self.missing.append(str(missing))
            return None


def _job(role: str) -> str:
    return f"secureconnect-{role}"
