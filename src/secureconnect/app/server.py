"""`serve`: start, listen, stop without losing anything (docs/reference/operations.md §5)."""

import asyncio
import contextlib
import shutil
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from functools import partial
from typing import Any, NamedTuple

import uvloop

from secureconnect import __version__
from secureconnect.app.data_dir import DataDirectory, open_data_dir, restore_mark
from secureconnect.app.edges import Edges, build_edges, new_heartbeat, unreadable
from secureconnect.app.elections import stand
from secureconnect.app.entrance import Entrance, WaitingVitals
from secureconnect.app.failure import Failure
from secureconnect.app.jobs import Jobs
from secureconnect.app.listening import (
    DRAIN,
    HttpServer,
    accepting,
    collect_rarely,
    configure_logs,
    http_server,
    listening,
    until_asked_to_stop,
    watch_loop,
)
from secureconnect.app.metrics_port import metrics_port
from secureconnect.app.patience import patiently
from secureconnect.app.product import Product, assemble_product
from secureconnect.app.reload import Reload
from secureconnect.app.roles import EVERYTHING, service_of
from secureconnect.app.settings import Settings
from secureconnect.app.settings.production import warnings
from secureconnect.app.stores import Stores, open_stores
from secureconnect.app.traces import traced
from secureconnect.app.workers import Worker, in_workers, shown_together
from secureconnect.edge.http.answers import Answers
from secureconnect.edge.http.client_address import ClientAddress
from secureconnect.edge.http.cors import Cors
from secureconnect.edge.http.envelope import Headers
from secureconnect.edge.http.protocol import http_protocol
from secureconnect.edge.realtime.drain import drain
from secureconnect.edge.realtime.transport import TransportLimits, transport_factory
from secureconnect.edge.realtime.transport.heartbeat import Heartbeat
from secureconnect.infra.crypto.sealing import SealBroken
from secureconnect.infra.telemetry import log as logs
from secureconnect.infra.telemetry.metrics import Metrics
from secureconnect.kit.clock import Clock, SystemClock
from secureconnect.kit.errors import ApiError

__all__ = ["serve", "working"]

log = logs.get_logger()


def serve(settings: Settings, read: Callable[[], Settings], roles: Sequence[str] = ()) -> int:
    """Run the server until SIGTERM or SIGINT; returns the exit code. `read` is asked again at SIGHUP.

    Args:
        roles: what this process serves; none means everything.

    Raises:
        Failure, DatabaseRefused: it could not start.
    """
    if restore_mark(settings.data_dir).exists():
        raise Failure("a restore of this data directory was not finished\nRun `secureconnect restore` again.")
    data_dir = open_data_dir(settings)
    # Processes of one machine may share a directory that holds nothing durable.
    lock = contextlib.nullcontext() if roles else data_dir.lock()
    with lock, listening(settings) as listener:
        service = service_of(roles)
        configure_logs(settings, service)

        def work(own: socket.socket, worker: Worker | None) -> int:
            place = _Place(settings, read, data_dir, own, roles, service, worker)
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                return runner.run(_until_stopped(_run(place)))

        try:
            return in_workers(settings, service, listener, work)
        except SealBroken as error:
            raise Failure(
                f"{error}\n"
                "Give the master key that this data directory was made with, "
                "here or in secrets.previous_master_keys."
            ) from error


class _Place(NamedTuple):
    """What one process serves, and where."""

    settings: Settings
    read: Callable[[], Settings]
    data_dir: DataDirectory
    listener: socket.socket
    roles: Sequence[str]
    service: str
    worker: Worker | None


async def _until_stopped(run: Coroutine[Any, Any, int]) -> int:
    """The exit code of `run`; being asked to stop before it listens to that ends it with 0."""
    running, loop = asyncio.ensure_future(run), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, running.cancel)
    try:
        return await running
    except asyncio.CancelledError:
        log.info("stopped")
        return 0


async def _run(place: _Place) -> int:
    settings, data_dir, listener, worker = place.settings, place.data_dir, place.listener, place.worker
    started, service, clock = time.perf_counter(), place.service, SystemClock()
    metrics = Metrics(service, __version__, worker=worker.number if worker else None)
    metrics.watch_disk(lambda: shutil.disk_usage(data_dir.path).free)
    heartbeat = new_heartbeat(settings, clock)
    entrance, server = _doors(settings, service, metrics, clock, heartbeat)
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(traced(settings, service))
        early = not settings.embedded_sql  # another server may be late
        if early:
            serving = await stack.enter_async_context(_serving(server, listener))
        stores = await stack.enter_async_context(
            open_stores(settings, data_dir, clock, metrics, alone=not place.roles and worker is None)
        )
        product = assemble_product(settings, stores)
        edges = build_edges(
            settings, stores, product, heartbeat=heartbeat, roles=place.roles or EVERYTHING, service=service
        )
        await stack.enter_async_context(working(product, edges, stores))
        await stack.enter_async_context(shown_together(worker, metrics))
        if worker is None or worker.number == 1:
            await stack.enter_async_context(metrics_port(settings.observability.metrics_listen, edges.health))
        entrance.open(edges.http, edges.gate)
        if not early:
            serving = await stack.enter_async_context(_serving(server, listener))
        host, port = listener.getsockname()[:2]
        for warning in warnings(settings):
            log.warning(warning)
        log.info(
            "listening",
            version=__version__,
            address=f"http{'s' if settings.server.tls_cert_file else ''}://{host}:{port}",
            started_ms=round((time.perf_counter() - started) * 1000),
        )
        reload = Reload(place.read, settings, limiter=product.limiter, cors=edges.cors, tls=server.config.ssl)
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reload)
        collect_rarely()
        await until_asked_to_stop(serving)
        await _stop(settings, server, serving, product, edges)
    log.info("stopped")
    return 0


def _doors(
    settings: Settings, service: str, metrics: Metrics, clock: Clock, heartbeat: Heartbeat
) -> tuple[Entrance, HttpServer]:
    """The entrance, and the server that leads there."""
    cors = Cors(settings.http.allowed_origins)
    answers = Answers(clock, cors)
    vitals = WaitingVitals(service, metrics, clock, metrics_token=settings.observability.metrics_token)
    pages = vitals.pages(metrics=not settings.observability.metrics_listen)
    entrance = Entrance(pages, metrics, answers, cors, ClientAddress(settings.server.trusted_proxies))
    tls, realtime = bool(settings.server.tls_cert_file), settings.realtime

    def render(error: ApiError) -> tuple[int, Headers, bytes]:
        return unreadable(answers, metrics, secure=tls, error=error)

    server = http_server(
        settings,
        entrance,
        http=http_protocol(
            render=render,
            shed=partial(entrance.shed, tls),
            max_header_bytes=settings.http.max_header_bytes,
        ),
        ws=transport_factory(
            gate=entrance,
            heartbeat=heartbeat,
            limits=TransportLimits(
                send_buffer_frames=realtime.send_buffer_frames,
                send_buffer_bytes=realtime.send_buffer_bytes,
            ),
        ),
    )
    return entrance, server


@contextlib.asynccontextmanager
async def _serving(server: HttpServer, listener: socket.socket) -> AsyncIterator["asyncio.Task[None]"]:
    """Listen; what is left of it at the end ends too."""
    task = asyncio.create_task(server.serve(sockets=accepting(listener)))
    try:
        yield task
    finally:
        server.should_exit = True
        await asyncio.gather(task, return_exceptions=True)


@contextlib.asynccontextmanager
async def working(product: Product, edges: Edges, stores: Stores) -> AsyncIterator[None]:
    """Everything that runs beside the requests."""
    await product.hub.open()
    for module in product.modules:
        if module.start is not None:
            await patiently(module.start)
    await patiently(lambda: stores.outbox.start(edges.jobs))
    scope = contextlib.AsyncExitStack()
    holds = await scope.enter_async_context(stand(stores, edges.tasks, product.modules))
    jobs = Jobs(edges.tasks, stores.metrics, holds)
    jobs.start()
    edges.heartbeat.start()
    loops = [
        asyncio.create_task(product.timers.run(), name="timers"),
        asyncio.create_task(watch_loop(stores.metrics), name="loop lag"),
        asyncio.create_task(edges.watch.run(), name="watch"),
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


async def _stop(
    settings: Settings, server: HttpServer, serving: "asyncio.Task[None]", product: Product, edges: Edges
) -> None:
    """Sockets first, then running requests; readiness and new requests say 503 meanwhile."""
    log.info("stopping")
    edges.state.draining = True
    await drain(
        product.hub,
        product.calls.rooms,
        edges.places,
        product.background,
        seconds=min(DRAIN, settings.server.shutdown_grace / 3),
    )
    server.should_exit = True
    await serving
