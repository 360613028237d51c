"""`serve`: start, listen, stop without losing anything (docs/reference/operations.md §5)."""

import asyncio
import contextlib
import functools
import gc
import os
import shutil
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator

import uvicorn
import uvloop

from secureconnect import __version__
from secureconnect.app.data_dir import DataDirectory, open_data_dir, restore_mark
from secureconnect.app.edges import Edges, build_edges, unreadable
from secureconnect.app.elections import stand
from secureconnect.app.failure import Failure
from secureconnect.app.health import SERVICE
from secureconnect.app.jobs import Jobs
from secureconnect.app.metrics_port import metrics_port
from secureconnect.app.product import Product, assemble_product
from secureconnect.app.reload import Reload
from secureconnect.app.settings import Settings
from secureconnect.app.settings.production import warnings
from secureconnect.app.stores import Stores, open_stores
from secureconnect.edge.http.protocol import http_protocol
from secureconnect.edge.realtime.drain import drain
from secureconnect.edge.realtime.transport import TransportLimits, transport_factory
from secureconnect.infra.crypto.sealing import SealBroken
from secureconnect.infra.telemetry import log as logs
from secureconnect.infra.telemetry.metrics import Metrics
from secureconnect.kit.clock import SystemClock
from secureconnect.kit.errors import ApiError

__all__ = ["serve", "working"]

log = logs.get_logger()

_KEEP_ALIVE = 75
_BACKLOG = 2048
_DRAIN = 8.0
_LAG_PERIOD = 0.5
_COLLECT_AFTER = 20_000  # more new than freed objects; CPython's own is 700


def serve(settings: Settings, read: Callable[[], Settings]) -> int:
    """Run the server until SIGTERM or SIGINT; returns the exit code. `read` is asked again at SIGHUP.

    Raises:
        Failure, DatabaseRefused: it could not start.
    """
    if restore_mark(settings.data_dir).exists():
        raise Failure("a restore of this data directory was not finished\nRun `secureconnect restore` again.")
    data_dir = open_data_dir(settings)
    with data_dir.lock(), _listening(settings) as listener:
        observability = settings.observability
        logs.configure(
            service=SERVICE,
            level=observability.log_level,
            text=observability.log_format == "text",
            file=observability.log_file.format(service=SERVICE)
            if observability.log_output == "file"
            else None,
        )
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                return runner.run(_run(settings, read, data_dir, listener))
        except SealBroken as error:
            raise Failure(
                f"{error}\n"
                "Give the master key that this data directory was made with, "
                "here or in secrets.previous_master_keys."
            ) from error


@contextlib.contextmanager
def _listening(settings: Settings) -> Iterator[socket.socket]:
    host, port = settings.server.host, settings.server.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            raise Failure(
                f"cannot listen on {host}:{port}: {error.strerror}\n"
                "Choose another address with --host and --port."
            ) from error
        yield listener


async def _run(
    settings: Settings, read: Callable[[], Settings], data_dir: DataDirectory, listener: socket.socket
) -> int:
    started = time.perf_counter()
    metrics = Metrics(SERVICE, __version__)
    metrics.watch_disk(lambda: shutil.disk_usage(data_dir.path).free)
    async with open_stores(settings, data_dir, SystemClock(), metrics) as stores:
        product = assemble_product(settings, stores)
        edges = build_edges(settings, stores, product)
        async with working(product, edges, stores):
            server = _server(settings, edges, metrics)
            async with metrics_port(settings.observability.metrics_listen, edges.health):
                serving = asyncio.create_task(server.serve(sockets=[listener]))
                host, port = listener.getsockname()[:2]
                for warning in warnings(settings):
                    log.warning(warning)
                log.info(
                    "listening",
                    version=__version__,
                    address=f"http{'s' if settings.server.tls_cert_file else ''}://{host}:{port}",
                    started_ms=round((time.perf_counter() - started) * 1000),
                )
                reload = Reload(
                    read, settings, limiter=product.limiter, cors=edges.cors, tls=server.config.ssl
                )
                asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reload)
                _collect_rarely()
                await _until_asked_to_stop(serving)
                await _stop(settings, server, serving, product, edges)
    log.info("stopped")
    return 0


@contextlib.asynccontextmanager
async def working(product: Product, edges: Edges, stores: Stores) -> AsyncIterator[None]:
    """Everything that runs beside the requests."""
    await product.hub.open()
    for module in product.modules:
        if module.start is not None:
            await module.start()
    await stores.outbox.start()
    scope = contextlib.AsyncExitStack()
    holds = await scope.enter_async_context(stand(stores, edges.tasks, product.modules))
    jobs = Jobs(edges.tasks, stores.metrics, holds)
    jobs.start()
    edges.heartbeat.start()
    loops = [
        asyncio.create_task(product.timers.run(), name="timers"),
        asyncio.create_task(_watch_loop(stores.metrics), name="loop lag"),
    ]
    try:
        yield
    finally:
        for task in loops:
            task.cancel()
        await asyncio.gather(*loops, return_exceptions=True)
        edges.heartbeat.stop()
        await jobs.stop()
        await scope.aclose()
        await stores.outbox.stop()
        await product.background.stop()
        product.hub.close()
        for module in reversed(product.modules):
            if module.stop is not None:
                await module.stop()
        product.hasher.close()


class _Server(uvicorn.Server):
    """uvicorn without its own signal handling: stopping begins with our sockets."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _server(settings: Settings, edges: Edges, metrics: Metrics) -> _Server:
    tls = bool(settings.server.tls_cert_file)
    realtime, shedder = settings.realtime, edges.http.shedder
    config = uvicorn.Config(
        edges.http,
        loop="none",
        http=http_protocol(
            render=functools.partial(_render, edges, metrics, tls),
            shed=functools.partial(shedder.unread, tls) if shedder is not None else None,
            max_header_bytes=settings.http.max_header_bytes,
        ),
        ws=transport_factory(
            gate=edges.gate,
            heartbeat=edges.heartbeat,
            limits=TransportLimits(
                send_buffer_frames=realtime.send_buffer_frames,
                send_buffer_bytes=realtime.send_buffer_bytes,
            ),
        ),
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=max(1, int(settings.server.shutdown_grace - _DRAIN)),
        backlog=_BACKLOG,
        ssl_certfile=settings.server.tls_cert_file or None,
        ssl_keyfile=settings.server.tls_key_file or None,
    )
    config.load()  # the TLS context exists only then
    return _Server(config)


def _render(
    edges: Edges, metrics: Metrics, tls: bool, error: ApiError
) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    return unreadable(edges.answers, metrics, secure=tls, error=error)


def _collect_rarely() -> None:
    """Let the garbage collector look for cycles less often, and never at what lives as long as the process.

    Hardly anything here is a cycle, but whatever is in flight is looked at again and again: at CPython's own
    pace an eighth of the time under many concurrent sends.
    """
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER)


async def _until_asked_to_stop(serving: "asyncio.Task[None]") -> None:
    """Return at the first SIGTERM or SIGINT; a second one ends the process at once."""
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()

    def ask() -> None:
        if asked.is_set():
            os._exit(1)
        asked.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ask)
    waiting = asyncio.create_task(asked.wait())
    await asyncio.wait({waiting, serving}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()


async def _stop(
    settings: Settings, server: _Server, serving: "asyncio.Task[None]", product: Product, edges: Edges
) -> None:
    """Sockets first, then running requests; readiness and new requests say 503 meanwhile."""
    log.info("stopping")
    edges.state.draining = True
    await drain(
        product.hub,
        product.calls.rooms,
        edges.places,
        product.background,
        seconds=min(_DRAIN, settings.server.shutdown_grace / 3),
    )
    server.should_exit = True
    await serving


async def _watch_loop(metrics: Metrics) -> None:
    """How late timers fire says how busy the event loop is."""
    while True:
        due = time.monotonic() + _LAG_PERIOD
        await asyncio.sleep(_LAG_PERIOD)
        metrics.loop_lag(max(0.0, time.monotonic() - due))
