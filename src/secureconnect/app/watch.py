"""What a process finds out about itself, whether somebody asks or not."""

import asyncio
import os
import shutil
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import msgspec

from secureconnect.app.settings import Settings
from secureconnect.edge.http.answers import PageReply
from secureconnect.infra.telemetry.log import get_logger
from secureconnect.infra.telemetry.operation_metrics import OperationMetrics

__all__ = ["Watch", "memory_limit"]

log = get_logger()

_EVERY = 2.0
_CGROUPS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


class Watch:
    """Asks for readiness every few seconds, so that metrics and log know it without a load balancer.

    Args:
        readyz: what answers `/readyz`.
        metrics: told what was found.
    """

    def __init__(
        self,
        readyz: Callable[[Mapping[bytes, bytes]], Awaitable[PageReply]],
        settings: Settings,
        metrics: OperationMetrics,
        clock: Callable[[], float],
    ) -> None:
        self._readyz = readyz
        self._settings = settings
        self._metrics = metrics
        self._clock = clock
        self._down: dict[str, float] = {}
        # Of these nobody else says that they went away and came back.
        self._told_here = {"turn", *(["object_store"] if settings.object_store.backend == "local" else [])}

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(_EVERY)

    async def look(self) -> None:
        """Look once."""
        try:
            reply = await self._readyz({})
        except Exception:
            log.exception("readiness cannot be told")
            self._metrics.ready(now=False)
            return
        self._metrics.ready(now=reply.status == 200)
        self._tell(msgspec.json.decode(reply.body).get("dependencies", {}))
        await asyncio.to_thread(self._bounds)

    def _tell(self, dependencies: Mapping[str, Mapping[str, object]]) -> None:
        for name in self._told_here & dependencies.keys():
            up = dependencies[name]["status"] != "down"
            if not up and name not in self._down:
                self._down[name] = self._clock()
                log.warning("a dependency is away", dependency=name)
            elif up and name in self._down:
                since = self._down.pop(name)
                log.info("a dependency is back", dependency=name, duration_s=round(self._clock() - since, 3))

    def _bounds(self) -> None:
        """The disk may grow and the certificate be renewed while the server runs."""
        folder = self._settings.data_dir
        self._metrics.bounds(
            disk=shutil.disk_usage(folder if folder.exists() else "/").total,
            memory=memory_limit(),
            sockets=self._settings.realtime.max_sockets,
        )
        path = self._settings.server.tls_cert_file
        if path:
            from cryptography import x509

            certificate = x509.load_pem_x509_certificate(Path(path).read_bytes())
            self._metrics.certificate(certificate.not_valid_after_utc.timestamp())


def memory_limit() -> int:
    """Bytes that this process may have: those of its control group, or of the machine."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for path in _CGROUPS:
        try:
            text = path.read_text("ascii").strip()
        except OSError:
            continue
        if text.isdigit() and int(text) < machine:
            return int(text)
    return machine
