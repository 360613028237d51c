"""Processes of SecureConnect itself, one per role, as an operator runs them."""

import http.client
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from stack.ports import free_port
from stack.server import ServerProcess

__all__ = ["RoleProcess", "variables"]


def variables(sections: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Settings as environment variables."""
    return {
        f"SECURECONNECT__{section}__{key}".upper(): str(value).lower()
        if isinstance(value, bool)
        else str(value)
        for section, values in sections.items()
        for key, value in values.items()
    }


class RoleProcess(ServerProcess):
    """`secureconnect serve ROLE` on a port of its own."""

    name = "secureconnect"

    def __init__(
        self,
        directory: Path,
        role: str,
        name: str,
        settings: Mapping[str, Mapping[str, Any]],
        *,
        data_dir: Path,
        port: int | None = None,
    ) -> None:
        super().__init__(directory, name)
        self.role = role
        self.port = port or free_port()
        self._data_dir = data_dir
        self._environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("SECURECONNECT")},
            **variables(settings),
        }

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    def environment(self) -> Mapping[str, str]:
        return self._environment

    def command(self) -> Sequence[str]:
        return [
            *(sys.executable, "-m", "secureconnect", "serve", self.role),
            *("--data-dir", str(self._data_dir), "--port", str(self.port)),
        ]

    def answers(self) -> bool:
        """Whether it is ready; a gateway, whether all its roles are."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        try:
            connection.request("GET", "/readyz")
            answer = connection.getresponse()
            told = json.loads(answer.read())
        except (OSError, http.client.HTTPException, ValueError):
            return False
        finally:
            connection.close()
        states = {name: state["status"] for name, state in told.get("dependencies", {}).items()}
        wanted = ("auth", "chat", "video", "storage") if self.role == "gateway" else ()
        return answer.status == 200 and all(states.get(name) == "up" for name in wanted)
