"""Servers on networked stores: everything in one process, or a process per role."""

from pathlib import Path

from stack.ports import free_port
from stack.settings import ROLES, gateway_settings
from tests.scenarios.pieces import Arrangement, Piece, Sections
from tests.scenarios.stores import Stores, new_stores
from tests.scenarios.tables import PostgresTables, Tables

__all__ = ["AllInOne", "Split"]

#: A scenario that brings settings of these sections brings all of them.
_WHOLE = frozenset({"secrets", "object_store"})


class _Networked(Arrangement):
    """On PostgreSQL, Valkey and S3."""

    def __init__(self) -> None:
        self._stores: Stores | None = None

    @property
    def stores(self) -> Stores:
        if self._stores is None:
            self._stores = new_stores()
        return self._stores

    @property
    def tables(self) -> Tables:
        return PostgresTables(self.stores.database)

    def search_terms(self) -> set[str]:
        return set()

    def settings(self, given: Sections) -> Sections:
        merged = {name: dict(keys) for name, keys in self.stores.settings().items()}
        for name, keys in given.items():
            merged[name] = dict(keys) if name in _WHOLE else {**merged.get(name, {}), **keys}
        return merged

    def prepare(self) -> None:
        if not self.stores.redis.running:
            self.stores.redis.start()

    def close(self) -> None:
        if self._stores is not None:
            self._stores.close()


class AllInOne(_Networked):
    """`secureconnect serve` on networked stores."""

    def __init__(self, data_dir: Path, port: int) -> None:
        super().__init__()
        arguments = ["serve", "--data-dir", str(data_dir), "--port", str(port)]
        log = data_dir.parent / f"{data_dir.name}.log"
        self.pieces = [Piece("secureconnect", arguments, port=port, log=log)]


class Split(_Networked):
    """A process per role, `count` of chat and of video, and the gateway, where clients go."""

    def __init__(self, data_dir: Path, port: int, count: int = 1) -> None:
        super().__init__()
        self._port = port
        addresses: dict[str, list[str]] = {role: [] for role in ROLES}
        self.pieces = []
        for role in ROLES:
            for number in range(count if role in {"chat", "video"} else 1):
                piece = self._piece(data_dir, role, f"{role}{number + 1}", free_port())
                addresses[role].append(piece.url)
                self.pieces.append(piece)
        self.pieces.append(self._piece(data_dir, "gateway", "gateway", port, gateway_settings(addresses)))

    def settings(self, given: Sections) -> Sections:
        merged = {name: dict(keys) for name, keys in super().settings(given).items()}
        server = merged["server"]
        server.setdefault("public_url", f"http://localhost:{self._port}")
        return merged

    @staticmethod
    def _piece(data_dir: Path, role: str, name: str, port: int, settings: Sections | None = None) -> Piece:
        arguments = ["serve", role, "--data-dir", str(data_dir), "--port", str(port)]
        log = data_dir.parent / f"{data_dir.name}-{name}.log"
        return Piece(name, arguments, port=port, log=log, settings=settings)
