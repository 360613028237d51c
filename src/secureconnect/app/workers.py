"""`--workers N`: several processes on one port, each started again when it dies
(docs/reference/operations.md §2).

Each has a listening socket of its own, between which the kernel spreads new connections. A scrape of any of
them shows all: every sample says which worker it is of.
"""

import asyncio
import contextlib
import ctypes
import os
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import FrameType

import msgspec

from secureconnect.app.listening import configure_logs
from secureconnect.app.settings import Settings
from secureconnect.infra.telemetry import log as logs
from secureconnect.infra.telemetry.metrics import Metrics

__all__ = ["Worker", "in_workers", "shown_together"]

log = logs.get_logger()

_PAUSE = 1.0
_REFUSALS = range(1, 4)  # exit codes that say that starting again would not help
_PATIENCE = 1.0
_PASSED_ON = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_PR_SET_PDEATHSIG = 1


class Worker(msgspec.Struct, frozen=True):
    """One of `count` processes, `number` from 1; `directory` is theirs alone."""

    number: int
    count: int
    directory: Path

    def door(self, number: int) -> Path:
        """Where a worker tells its metrics to the others."""
        return self.directory / f"{number}.sock"


def in_workers(
    settings: Settings,
    service: str,
    reserved: socket.socket,
    work: Callable[[socket.socket, Worker | None], int],
) -> int:
    """The exit code of `work`, done in `server.workers` processes; with one, in this process itself.

    `reserved` is bound to the port of all. With more than one the caller returns in each of them.
    """
    count = settings.server.workers
    if count == 1:
        return work(reserved, None)
    directory = Path(tempfile.mkdtemp(prefix="secureconnect-"))
    parent = os.getpid()
    try:
        outcome = _Supervisor(count, directory).run()
    finally:
        if os.getpid() == parent:
            shutil.rmtree(directory, ignore_errors=True)
    if isinstance(outcome, int):
        return outcome
    configure_logs(settings, service, worker=outcome.number)
    with socket.socket(reserved.family) as own:
        own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        own.bind(reserved.getsockname())
        reserved.close()
        return work(own, outcome)


class _Supervisor:
    """Keeps the workers running until it is asked to stop."""

    def __init__(self, count: int, directory: Path) -> None:
        self._count = count
        self._directory = directory
        self._running: dict[int, int] = {}
        self._stopping = False

    def run(self) -> Worker | int:
        """In a worker: which one it is. Here: the exit code, once all of them have ended."""
        for name in _PASSED_ON:
            signal.signal(name, self._pass_on)
        for number in range(1, self._count + 1):
            if self._fork(number):
                return self._worker(number)
        code = 0
        while self._running:
            pid, status = os.wait()
            number = self._running.pop(pid, 0)
            ended = os.waitstatus_to_exitcode(status)
            if self._stopping:
                code = code or max(0, ended)
            elif ended in _REFUSALS:
                code = ended
                self._stop()
            else:
                log.error("a worker died", worker=number, code=ended)
                if self._again(number):
                    return self._worker(number)
        return code

    def _again(self, number: int) -> bool:
        """Start a worker anew, unless all are to stop meanwhile; True in itself."""
        time.sleep(_PAUSE)
        return not self._stopping and self._fork(number)

    def _fork(self, number: int) -> bool:
        """Start a worker; True in itself."""
        pid = os.fork()
        if pid == 0:
            return True
        self._running[pid] = number
        log.info("worker started", worker=number, worker_pid=pid)
        return False

    def _worker(self, number: int) -> Worker:
        for name in _PASSED_ON:
            signal.signal(name, signal.SIG_DFL)
        # Whoever is left alone ends too.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        return Worker(number, self._count, self._directory)

    def _pass_on(self, number: int, _: FrameType | None) -> None:
        if number in (signal.SIGTERM, signal.SIGINT):
            self._stopping = True
        for pid in list(self._running):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def _stop(self) -> None:
        self._pass_on(signal.SIGTERM, None)


@contextlib.asynccontextmanager
async def shown_together(worker: Worker | None, metrics: Metrics) -> AsyncIterator[None]:
    """Make `/metrics` of each worker show those of all, meanwhile."""
    if worker is None:
        yield
        return

    async def tell(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(metrics.exposition())
        writer.close()

    async def hear(number: int) -> bytes:
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                reader, writer = await asyncio.open_unix_connection(worker.door(number))
                try:
                    return await reader.read(-1)
                finally:
                    writer.close()
        return b""  # it is just being started again

    async def everybody() -> bytes:
        others = [number for number in range(1, worker.count + 1) if number != worker.number]
        return merged(metrics.exposition(), *await asyncio.gather(*map(hear, others)))

    own = worker.door(worker.number)
    own.unlink(missing_ok=True)
    server = await asyncio.start_unix_server(tell, own)
    metrics.whole = everybody
    try:
        yield
    finally:
        server.close()


def merged(*texts: bytes) -> bytes:
    """Several texts of `/metrics` as one: each name once, with the samples of all."""
    heads: dict[bytes, bytes] = {}
    samples: dict[bytes, list[bytes]] = {}
    for text in texts:
        for block in text.split(b"# HELP ")[1:]:
            name = block.split(b" ", 1)[0]
            lines = block.splitlines(keepends=True)
            heads[name] = b"# HELP " + b"".join(lines[:2])
            samples.setdefault(name, []).extend(lines[2:])
    return b"".join(b"".join([heads[name], *samples[name]]) for name in heads)
