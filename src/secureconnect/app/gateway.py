"""`serve gateway`: one address for all roles (docs/reference/operations.md §2). It opens no store."""

import asyncio
import contextlib
import functools
import random
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable, Mapping

import msgspec
import uvloop

from secureconnect import __version__
from secureconnect.app.blueprint import Blueprint, draw
from secureconnect.app.documents import document_pages
from secureconnect.app.edges import Drain, unreadable
from secureconnect.app.listening import (
    DRAIN,
    accepting,
    collect_rarely,
    configure_logs,
    http_server,
    listening,
    until_asked_to_stop,
    watch_loop,
)
from secureconnect.app.metrics_port import metrics_port
from secureconnect.app.reload import Reload
from secureconnect.app.roles import EVERYTHING, GATEWAY, service_of
from secureconnect.app.settings import Settings
from secureconnect.app.settings.production import warnings
from secureconnect.app.traces import traced
from secureconnect.app.vitals import Dependency, Vitals
from secureconnect.app.watch import Watch
from secureconnect.app.workers import Worker, in_workers, shown_together
from secureconnect.edge.http.admission import Admission
from secureconnect.edge.http.answers import Answers, PageReply
from secureconnect.edge.http.client_address import ClientAddress
from secureconnect.edge.http.cors import Cors
from secureconnect.edge.http.envelope import Headers
from secureconnect.edge.http.protocol import http_protocol
from secureconnect.edge.limits import RateLimiter
from secureconnect.edge.realtime.close import CloseCode
from secureconnect.edge.realtime.gate import CHAT_PATH
from secureconnect.edge.realtime.signaling.gate import SIGNALING_PATH
from secureconnect.gateway.instances import Instance, Role, Target
from secureconnect.gateway.probes import Probes
from secureconnect.gateway.proxy import Gateway, Upstream
from secureconnect.gateway.table import Offer, RoutingTable
from secureconnect.gateway.tunnel import Passage, tunnel_factory
from secureconnect.gateway.turns import Turns
from secureconnect.infra.cache.memory import MemoryCache
from secureconnect.infra.resilience.breaker import Breaker, BreakerRules
from secureconnect.infra.telemetry import log as logs
from secureconnect.infra.telemetry.metrics import Metrics
from secureconnect.kit.clock import Clock, SystemClock
from secureconnect.kit.errors import ApiError
from secureconnect.kit.principal import RequestContext

__all__ = ["routing_table", "serve_gateway"]

log = logs.get_logger()

_SERVICE = service_of((GATEWAY,))
_NOTICE = 1.0
_PATIENCE = 1.0  # of a request that waits for a turn: longer would only make answers later


def serve_gateway(settings: Settings, read: Callable[[], Settings]) -> int:
    """Run the gateway until SIGTERM or SIGINT; returns the exit code. `read` is asked again at SIGHUP.

    Raises:
        Failure: the address is taken.
    """
    with listening(settings) as listener:
        configure_logs(settings, _SERVICE)

        def work(own: socket.socket, worker: Worker | None) -> int:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                return runner.run(_run(settings, read, own, worker))

        return in_workers(settings, _SERVICE, listener, work)


def routing_table(blueprint: Blueprint) -> RoutingTable:
    """Which role serves what, as the features say."""
    return RoutingTable(
        Offer(
            role=module.role,
            routes=module.routes,
            streams=module.streams,
            pages=[page.path for page in module.pages],
            sockets=module.sockets,
        )
        for module in blueprint.modules
    )


class _GatewayVitals(Vitals):
    """The gateway's own pages: how the roles are, as the last probes found them."""

    def __init__(
        self,
        metrics: Metrics,
        clock: Clock,
        *,
        metrics_token: str,
        roles: Mapping[str, Role],
        draining: Callable[[], bool],
    ) -> None:
        super().__init__(_SERVICE, metrics, clock, metrics_token=metrics_token)
        self._roles = roles
        self._draining = draining

    async def readyz(self, _: Mapping[bytes, bytes]) -> PageReply:
        """200 while one role can be reached."""
        dependencies = {
            name: Dependency("up", role.latency_ms)
            if role.ready
            else Dependency("down", None, "not ready" if role.reachable else "does not answer")
            for name, role in self._roles.items()
        }
        if self._draining() or not any(role.reachable for role in self._roles.values()):
            return self.readiness("unavailable", dependencies)
        whole = all(role.ready for role in self._roles.values())
        return self.readiness("ready" if whole else "degraded", dependencies)


class _Parts(msgspec.Struct):
    """Everything of one gateway."""

    app: Gateway
    answers: Answers
    cors: Cors
    limiter: RateLimiter
    passage: Passage
    vitals: Vitals
    probes: Probes
    upstreams: Mapping[str, Upstream]
    drain: Drain


def _build(settings: Settings, blueprint: Blueprint, metrics: Metrics, cache: MemoryCache) -> _Parts:
    clock, drain = SystemClock(), Drain()

    def draining() -> bool:
        return drain.draining

    cors = Cors(settings.http.allowed_origins)
    answers = Answers(clock, cors)
    upstreams = {role: _upstream(role, settings, metrics, clock) for role in EVERYTHING}
    roles = {name: upstream.role for name, upstream in upstreams.items()}
    vitals = _GatewayVitals(
        metrics,
        clock,
        metrics_token=settings.observability.metrics_token,
        roles=roles,
        draining=draining,
    )
    pages = vitals.pages(metrics=not settings.observability.metrics_listen)
    if settings.http.docs_enabled:
        pages += document_pages(
            blueprint.routes, blueprint.streams, blueprint.commands(), blueprint.signaling
        )
    limits = settings.rate_limits
    limiter = RateLimiter(cache, limits.rows(), metrics, enabled=limits.enabled)
    table = routing_table(blueprint)
    timeout = settings.gateway.response_timeout
    app = Gateway(
        table=table,
        upstreams=upstreams,
        pages=pages,
        metrics=metrics,
        errors=metrics.gateway,
        answers=answers,
        cors=cors,
        address=ClientAddress(settings.server.trusted_proxies),
        limiter=limiter,
        admission=Admission(metrics.operations),
        response_timeout=timeout,
        draining=draining,
    )
    passage = Passage(
        table=table,
        upstreams=upstreams,
        context=app.context,
        render=functools.partial(_refusal, answers, metrics, table),
        errors=metrics.gateway,
        response_timeout=timeout,
        draining=draining,
    )
    metrics.watch_sockets(lambda: passage.count(CHAT_PATH), lambda: passage.count(SIGNALING_PATH), lambda: 0)
    probes = Probes(roles.values(), metrics)
    return _Parts(app, answers, cors, limiter, passage, vitals, probes, upstreams, drain)


def _upstream(role: str, settings: Settings, metrics: Metrics, clock: Clock) -> Upstream:
    resilience = settings.resilience
    rules = BreakerRules(resilience.breaker_failures, resilience.breaker_reset, resilience.breaker_successes)
    urls = settings.gateway.urls(role)
    instances = []
    for number, url in enumerate(urls, 1):
        name = role if len(urls) == 1 else f"{role}_{number}"
        instances.append(
            Instance(
                name,
                Target(url),
                Breaker(name, rules, metrics, clock),
                connect_timeout=settings.gateway.connect_timeout,
            )
        )
    at_once = settings.gateway.max_in_flight * len(urls)
    turns = Turns(at_once, waiting=at_once, patience=_PATIENCE)
    return Upstream(Role(role, instances), turns)


async def _run(
    settings: Settings, read: Callable[[], Settings], listener: socket.socket, worker: Worker | None
) -> int:
    started = time.perf_counter()
    metrics = Metrics(_SERVICE, __version__, worker=worker.number if worker else None)
    cache = MemoryCache(SystemClock())
    parts = _build(settings, draw(settings), metrics, cache)
    tls = bool(settings.server.tls_cert_file)

    def render(error: ApiError) -> tuple[int, Headers, bytes]:
        return unreadable(parts.answers, metrics, secure=tls, error=error)

    server = http_server(
        settings,
        parts.app,
        http=http_protocol(
            render=render,
            shed=functools.partial(parts.app.shedder.unread, tls) if parts.app.shedder else None,
            max_header_bytes=settings.http.max_header_bytes,
        ),
        ws=tunnel_factory(parts.passage),
    )
    listen = settings.observability.metrics_listen if worker is None or worker.number == 1 else ""
    async with (
        traced(settings, _SERVICE),
        _asking(parts, metrics, settings),
        shown_together(worker, metrics),
        metrics_port(listen, parts.vitals),
    ):
        serving = asyncio.create_task(server.serve(sockets=accepting(listener)))
        host, port = listener.getsockname()[:2]
        for warning in warnings(settings):
            log.warning(warning)
        log.info(
            "listening",
            version=__version__,
            address=f"http{'s' if tls else ''}://{host}:{port}",
            started_ms=round((time.perf_counter() - started) * 1000),
        )
        reload = Reload(read, settings, limiter=parts.limiter, cors=parts.cors, tls=server.config.ssl)
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reload)
        collect_rarely()
        await until_asked_to_stop(serving)
        log.info("stopping")
        parts.drain.draining = True
        await _drain(parts.passage, min(DRAIN, settings.server.shutdown_grace / 3))
        server.should_exit = True
        await serving
    await cache.close()
    log.info("stopped")
    return 0


@contextlib.asynccontextmanager
async def _asking(parts: _Parts, metrics: Metrics, settings: Settings) -> AsyncIterator[None]:
    """Know how the roles are, meanwhile."""
    await parts.probes.start()
    watch = Watch(parts.vitals.readyz, settings, metrics.operations, SystemClock().monotonic)
    running = [
        asyncio.create_task(watch_loop(metrics), name="loop lag"),
        asyncio.create_task(watch.run(), name="readiness"),
    ]
    try:
        yield
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        await parts.probes.stop()
        for upstream in parts.upstreams.values():
            for instance in upstream.role.instances:
                instance.close()


async def _drain(passage: Passage, seconds: float) -> None:
    """Say goodbye to all sockets: a second's notice, then spread over `seconds`."""
    leaving = list(passage.tunnels)
    for tunnel in leaving:
        tunnel.warn(_jitter())
    if leaving:
        await asyncio.sleep(_NOTICE)
    random.shuffle(leaving)
    for done, tunnel in enumerate(leaving, 1):
        tunnel.leave(CloseCode.SHUTTING_DOWN, _jitter())
        if done % 50 == 0:
            await asyncio.sleep(min(0.05, seconds * 50 / len(leaving)))
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await passage.empty()


def _jitter() -> int:
    return random.randint(0, 10_000)  # noqa: S311 - jitter, not a secret


def _refusal(
    answers: Answers,
    metrics: Metrics,
    table: RoutingTable,
    path: str,
    headers: Headers,
    context: RequestContext,
    error: ApiError,
    secure: bool,
) -> tuple[int, Headers, bytes]:
    """The answer to an upgrade that was not passed on, counted and logged."""
    origin = next((value for name, value in headers if name == b"origin"), None)
    status, given, body = answers.bare(error, context.request_id, secure=secure, origin=origin)
    metrics.refused_early("GET", path if table.socket(path) else "unmatched", status)
    log.warning(
        "upgrade refused",
        request_id=context.request_id,
        status=status,
        error_code=error.code.name,
        client_ip=context.client_ip,
    )
    return status, given, body
