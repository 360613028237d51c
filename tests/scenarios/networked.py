"""Servers on networked stores: everything in one process, or a process per role."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from stack.certificates import make_certificate
from stack.nginx import Nginx
from stack.ports import free_port
from stack.settings import ROLES, gateway_settings
from tests.scenarios.pieces import Arrangement, Piece, Sections
from tests.scenarios.stores import Stores, new_stores
from tests.scenarios.tables import PostgresTables, Tables

__all__ = ["AllInOne", "Split"]

_BEHIND: Sections = {"server": {"trusted_proxies": "127.0.0.1/32"}}
#: A scenario that brings settings of these sections brings all of them.
_WHOLE = frozenset({"secrets", "object_store"})


class _Networked(Arrangement):
    """On PostgreSQL, Valkey and S3."""

    def __init__(self, stores: Stores | None = None) -> None:
        self._stores = stores

    @property
    def stores(self) -> Stores:
        if self._stores is None:
            self._stores = new_stores()
        return self._stores

    @property
    def tables(self) -> Tables:
        return PostgresTables(self.stores.database)

    def search_terms(self) -> set[str]:
        every = "SELECT word FROM ts_stat('SELECT words FROM search_documents')"
        return {word for (word,) in self.tables.rows(every)}

    def object_keys(self) -> list[str]:
        pages = self.stores.seaweed.boto3().get_paginator("list_objects_v2")
        found = pages.paginate(Bucket=self.stores.bucket)
        return [one["Key"] for page in found for one in page.get("Contents", [])]

    @contextmanager
    def without_objects(self) -> Iterator[None]:
        self.stores.seaweed.kill()
        yield
        self.stores.seaweed.start()

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
    """A process per role and the gateway. Alone it is where clients go; with several `processes` of chat and
    of video, nginx is. Who is in front of a role reaches its processes `through` other ports than theirs, if
    that is given.
    """

    def __init__(
        self,
        data_dir: Path,
        port: int,
        processes: int = 1,
        stores: Stores | None = None,
        through: Callable[[int], int] = int,
    ) -> None:
        super().__init__(stores)
        self._data_dir = data_dir
        self._port = port
        self.nginx: Nginx | None = None
        addresses: dict[str, list[str]] = {role: [] for role in ROLES}
        self.pieces = []
        for role in ROLES:
            for number in range(processes if role in {"chat", "video"} else 1):
                # Only the gateway and nginx come from here, and they say whose request it is.
                piece = self._piece(role, f"{role}{number + 1}", free_port(), _BEHIND)
                addresses[role].append(f"127.0.0.1:{through(piece.port)}")
                self.pieces.append(piece)
        behind = gateway_settings(
            {role: [f"http://{address}" for address in found] for role, found in addresses.items()}
        )
        if processes == 1:
            self.pieces.append(self._piece("gateway", "gateway", port, behind))
            return
        gateway = self._piece("gateway", "gateway", free_port(), {**behind, **_BEHIND})
        self.pieces.append(gateway)
        certificate = make_certificate(data_dir.parent / f"{data_dir.name}-tls")
        self.nginx = Nginx(
            data_dir.parent / f"{data_dir.name}-nginx",
            gateway=[f"127.0.0.1:{gateway.port}"],
            chat=addresses["chat"],
            video=addresses["video"],
            certificate=certificate.chain,
            key=certificate.key,
            port=port,
        )

    def settings(self, given: Sections) -> Sections:
        merged = {name: dict(keys) for name, keys in super().settings(given).items()}
        merged["server"].setdefault("public_url", f"http://localhost:{self._port}")
        return merged

    def prepare(self) -> None:
        super().prepare()
        if self.nginx is not None and not self.nginx.running:
            self.nginx.start()

    def close(self) -> None:
        if self.nginx is not None:
            self.nginx.close()
        super().close()

    def _piece(self, role: str, name: str, port: int, settings: Sections) -> Piece:
        arguments = ["serve", role, "--data-dir", str(self._data_dir), "--port", str(port)]
        log = self._data_dir.parent / f"{self._data_dir.name}-{name}.log"
        return Piece(name, arguments, port=port, log=log, settings=settings)
