"""A real Prometheus and a real Alertmanager, from Debian's packages, with the shipped rules."""

import http.client
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from stack.ports import free_port
from stack.server import MissingProgram, ServerProcess

__all__ = ["Alertmanager", "Prometheus"]

DEPLOY = Path(__file__).parent.parent / "deploy"


class _Monitor(ServerProcess):
    """Something of the Prometheus project."""

    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        try:
            connection.request("GET", "/-/ready")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()


class Prometheus(_Monitor):
    """Scrapes `targets`, which are addresses by job, every `interval`, and tells `alertmanager`.

    `token` is what `observability.metrics_token` says.
    """

    name = "prometheus"

    def __init__(
        self,
        directory: Path,
        targets: Mapping[str, Sequence[str]],
        *,
        alertmanager: str | None = None,
        token: str | None = None,
        interval: str = "5s",
        rules: Sequence[Path] | None = None,
    ) -> None:
        super().__init__(directory)
        self.port = free_port()
        self._targets = targets
        self._alertmanager = alertmanager
        self._token = token
        self._interval = interval
        self._rules = sorted(DEPLOY.glob("prometheus/rules/*.y*ml")) if rules is None else rules

    def prepare(self) -> None:
        authorization = {}
        if self._token is not None:
            file = self.directory / "token"
            file.touch(mode=0o600)
            file.write_text(self._token)
            authorization = {"authorization": {"credentials_file": str(file)}}
        config = {
            "global": {"scrape_interval": self._interval, "evaluation_interval": self._interval},
            "rule_files": [str(path) for path in self._rules],
            "scrape_configs": [
                {"job_name": job, "static_configs": [{"targets": list(addresses)}], **authorization}
                for job, addresses in self._targets.items()
            ],
            "alerting": {
                "alertmanagers": [{"static_configs": [{"targets": [self._alertmanager]}]}]
                if self._alertmanager
                else []
            },
        }
        (self.directory / "prometheus.yml").write_text(json.dumps(config, indent=1))

    def command(self) -> Sequence[str]:
        return [
            _program("prometheus", "prometheus"),
            f"--config.file={self.directory / 'prometheus.yml'}",
            f"--storage.tsdb.path={self.directory / 'data'}",
            f"--web.listen-address=127.0.0.1:{self.port}",
            "--web.enable-lifecycle",
        ]


class Alertmanager(_Monitor):
    """Alone, with `config`; without one it takes alerts and tells nobody."""

    name = "alertmanager"

    def __init__(self, directory: Path, config: Path | None = None) -> None:
        super().__init__(directory)
        self.port = free_port()
        self._config = config

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def prepare(self) -> None:
        if self._config is None:
            self._config = self.directory / "alertmanager.yml"
            self._config.write_text("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")

    def command(self) -> Sequence[str]:
        return [
            _program("prometheus-alertmanager", "prometheus-alertmanager", "alertmanager"),
            f"--config.file={self._config}",
            f"--storage.path={self.directory / 'data'}",
            f"--web.listen-address={self.address}",
            "--cluster.listen-address=",
        ]


def _program(package: str, *names: str) -> str:
    for name in names:
        if (found := shutil.which(name)) is not None:
            return found
    raise MissingProgram(f"{names[0]} is missing: the Debian package `{package}` has it")
