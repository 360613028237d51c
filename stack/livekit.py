"""A real LiveKit server: built once from its Go module, of the version that stack/livekit_server pins.

`python -m stack.livekit` builds it and prints where it is.
"""

import fcntl
import functools
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

from stack.ports import free_ports
from stack.server import MissingProgram, ServerProcess

__all__ = ["LiveKitServer", "livekit_program"]

_MODULE = "github.com/livekit/livekit-server/cmd/server"
_PATIENCE_WITH_END = 0.5
_PINS = Path(__file__).with_name("livekit_server")
_MISSING = (
    "LiveKit is missing: `livekit-server` is not on the PATH, and there is no Go to build it with "
    "(Debian: `apt-get install golang`; the version that stack/livekit_server/go.mod names, or newer)"
)


class LiveKitServer(ServerProcess):
    """One server with one key, which listens on the loopback interface and sends media over it.

    Rooms have to be made before somebody enters them, as in deploy/livekit/livekit.yaml. `webhook_url` is who
    is told what happens in rooms.
    """

    name = "livekit"
    api_key = "APItests"

    def __init__(
        self, directory: Path, *, webhook_url: str | None = None, api_secret: str = "tests-" * 6
    ) -> None:
        super().__init__(directory)
        self.api_secret = api_secret
        self.port, self._tcp, self._udp = free_ports(3)
        self.url = f"ws://127.0.0.1:{self.port}"
        self.webhook_url = webhook_url
        self._config = directory / "livekit.yaml"
        self._program = livekit_program()

    def prepare(self) -> None:
        config: dict[str, object] = {
            "port": self.port,
            "bind_addresses": ["127.0.0.1"],
            "keys": {self.api_key: self.api_secret},
            "rtc": {
                "tcp_port": self._tcp,
                "udp_port": self._udp,
                "node_ip": "127.0.0.1",
                "use_external_ip": False,
                "enable_loopback_candidate": True,
                "interfaces": {"includes": ["lo"]},
            },
            "room": {"auto_create": False},
            "logging": {"level": "info", "json": True},
        }
        if self.webhook_url is not None:
            config["webhook"] = {"api_key": self.api_key, "urls": [self.webhook_url]}
        self._config.touch(mode=0o600)
        # What is JSON is YAML, too.
        self._config.write_text(json.dumps(config))

    def command(self) -> Sequence[str]:
        return [str(self._program), "--config", str(self._config)]

    def stop(self, seconds: float = _PATIENCE_WITH_END) -> int | None:
        """As for every server; it would look only every few seconds whether everybody left."""
        return super().stop(seconds)

    def answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=1) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False


@functools.cache
def livekit_program() -> Path:
    """Where `livekit-server` is: what LIVEKIT_SERVER names, what is on the PATH, or what was built here.

    Raises:
        MissingProgram: there is none, and nothing to build it with.
    """
    if named := os.environ.get("LIVEKIT_SERVER") or shutil.which("livekit-server"):
        return Path(named)
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "secureconnect"
    caches.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256((_PINS / "go.sum").read_bytes()).hexdigest()[:12]
    program = caches / f"livekit-server-{digest}"
    if program.exists():
        return program
    go = shutil.which("go")
    if go is None:
        raise MissingProgram(_MISSING)
    with program.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.exists():
            _build(go, program)
    return program


def _build(go: str, program: Path) -> None:
    with tempfile.TemporaryDirectory(dir=program.parent) as scratch:
        built = Path(scratch) / program.name
        done = subprocess.run(
            [go, "build", "-mod=readonly", "-trimpath", "-ldflags=-s -w", "-o", str(built), _MODULE],
            cwd=_PINS,
            env={**os.environ, "GOTOOLCHAIN": "local", "GOWORK": "off"},
            capture_output=True,
            check=False,
        )
        if done.returncode != 0:
            words = done.stderr.decode(errors="replace").strip()[-2_000:]
            raise MissingProgram(f"LiveKit is missing: it could not be built:\n{words}")
        built.rename(program)


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{livekit_program()}\n")
    except MissingProgram as missing:
        sys.exit(str(missing))
