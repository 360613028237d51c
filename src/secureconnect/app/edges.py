"""Both edges on one port: the HTTP application and the chat gate, over the product's features."""

from collections.abc import Collection

from msgspec import Struct

from secureconnect.app.documents import document_pages
from secureconnect.app.health import SERVICE, Health
from secureconnect.app.product import Product
from secureconnect.app.roles import EVERYTHING
from secureconnect.app.settings import Settings
from secureconnect.app.stores import Stores
from secureconnect.app.watch import Watch
from secureconnect.app.wiring.media import turn_ping
from secureconnect.edge.http.admission import Admission
from secureconnect.edge.http.answers import Answers
from secureconnect.edge.http.client_address import ClientAddress
from secureconnect.edge.http.cors import Cors
from secureconnect.edge.http.dispatch import HttpEdge
from secureconnect.edge.http.idempotency import Idempotency
from secureconnect.edge.http.routing import Route, Router
from secureconnect.edge.http.streams import StreamRouter
from secureconnect.edge.module import Task
from secureconnect.edge.realtime.base import Gate, Refusal, UpgradeRequest
from secureconnect.edge.realtime.entrance import Entrance
from secureconnect.edge.realtime.gate import CHAT_PATH, ChatGate
from secureconnect.edge.realtime.gates import Gates
from secureconnect.edge.realtime.places import Places
from secureconnect.edge.realtime.session.commands import Commands
from secureconnect.edge.realtime.session.host import SessionHost
from secureconnect.edge.realtime.signaling.gate import SIGNALING_PATH, SignalGate
from secureconnect.edge.realtime.signaling.host import SignalHost
from secureconnect.edge.realtime.transport.heartbeat import Heartbeat
from secureconnect.infra.outbox.base import Kind
from secureconnect.infra.telemetry.log import get_logger
from secureconnect.infra.telemetry.metrics import Metrics
from secureconnect.kit.clock import Clock
from secureconnect.kit.errors import ApiError
from secureconnect.kit.ids import new_id
from secureconnect.kit.principal import RequestContext

__all__ = ["Drain", "Edges", "build_edges", "new_heartbeat", "unreadable"]

log = get_logger()

_SOCKETS = (CHAT_PATH, SIGNALING_PATH)
#: The role that tidies up what belongs to no feature.
_KEEPER = "auth"


class Edges(Struct):
    """What the server listens with. `draining` stops new requests."""

    http: HttpEdge
    answers: Answers
    cors: Cors
    gate: Gate
    places: Places
    heartbeat: Heartbeat
    health: Health
    tasks: list[Task]
    jobs: list[Kind]
    state: "Drain"
    watch: Watch


class Drain(Struct):
    """Whether the process is stopping."""

    draining: bool = False


def build_edges(
    settings: Settings,
    stores: Stores,
    product: Product,
    *,
    heartbeat: Heartbeat | None = None,
    roles: Collection[str] = EVERYTHING,
    service: str = SERVICE,
) -> Edges:
    """Connect the edges to the features that these roles own. All others work without being served here."""
    owned = [module for module in product.modules if module.role in roles]
    drain = Drain()
    cors = Cors(settings.http.allowed_origins)
    answers = Answers(stores.clock, cors)
    address = ClientAddress(settings.server.trusted_proxies)
    health = Health(
        stores.database,
        stores.blobs,
        stores.metrics,
        stores.clock,
        redis=stores.ping_redis,
        timeline=stores.ping_timeline,
        sfu=product.calls.ping_sfu if "video" in roles else None,
        turn=turn_ping(settings) if "video" in roles else None,
        mail_goes_out=lambda: product.mail.reachable,
        pushes_go_out=lambda: product.push.reachable,
        draining=lambda: drain.draining,
        metrics_token=settings.observability.metrics_token,
        service=service,
    )
    routes: list[Route] = [route for module in owned for route in module.routes]
    streams = [stream for module in owned for stream in module.streams]
    commands = Commands(command for module in product.modules for command in module.commands)
    pages = health.pages(metrics=not settings.observability.metrics_listen)
    pages += [page for module in owned for page in module.pages]
    if settings.http.docs_enabled:
        # Every process describes the whole.
        pages += document_pages(
            [route for module in product.modules for route in module.routes],
            [stream for module in product.modules for stream in module.streams],
            commands,
            product.calls.commands,
        )
    idempotency = Idempotency(stores.database, stores.sealer, stores.clock)
    http = HttpEdge(
        router=Router(routes),
        streams=StreamRouter(streams),
        pages=pages,
        authenticator=product.access,
        limiter=product.limiter,
        idempotency=idempotency,
        denials=product.audit,
        metrics=stores.metrics,
        answers=answers,
        cors=cors,
        address=address,
        max_body_bytes=settings.http.max_body_bytes,
        request_timeout=settings.http.request_timeout,
        draining=lambda: drain.draining,
        admission=Admission(stores.metrics.operations),
    )

    def context(request: UpgradeRequest) -> RequestContext:
        headers = {name.encode(): value.encode("latin-1") for name, value in request.headers.items()}
        return http.context(headers, (request.peer, 0))

    def own_origin(request: UpgradeRequest) -> str | None:
        host = request.headers.get("host")
        return f"{'https' if request.secure else 'http'}://{host}".lower() if host else None

    def render(request: UpgradeRequest, error: ApiError) -> Refusal:
        origin = request.headers.get("origin")
        given = context(request)
        status, headers, body = answers.bare(
            error,
            given.request_id,
            secure=request.secure,
            origin=origin.encode("latin-1") if origin is not None else None,
        )
        stores.metrics.refused_early("GET", request.path if request.path in _SOCKETS else "unmatched", status)
        log.warning(
            "upgrade refused",
            request_id=given.request_id,
            status=status,
            error_code=error.code.name,
            client_ip=given.client_ip,
        )
        return Refusal(status, [(name.decode(), value.decode()) for name, value in headers], body)

    # Behind a proxy that speaks TLS the server's own pages have this origin, whatever the request says.
    public = "/".join(settings.server.public_url.lower().split("/")[:3])
    places = Places(settings.realtime)
    host = SessionHost(
        settings=settings.realtime,
        clock=stores.clock,
        timers=product.timers,
        background=product.background,
        roster=product.hub,
        commands=commands,
        limits=product.limiter,
        limits_enabled=settings.rate_limits.enabled,
        authenticator=product.access,
        denials=product.audit,
        memberships=product.memberships,
        source=product.view,
        metrics=stores.metrics,
    )
    entrance = Entrance(
        authenticator=product.access,
        tickets=product.tickets,
        limits=product.limiter,
        places=places,
        denials=product.audit,
        metrics=stores.metrics,
        own_origin=own_origin,
        origin_allowed=lambda origin: origin == public or cors.allows(origin.encode("latin-1")),
        context=context,
        render=render,
    )
    signal_host = SignalHost(
        settings=settings.realtime,
        clock=stores.clock,
        timers=product.timers,
        background=product.background,
        rooms=product.calls.rooms,
        calls=product.calls.switchboard,
        commands=product.calls.commands,
        limits=product.limiter,
        limits_enabled=settings.rate_limits.enabled,
        authenticator=product.access,
        denials=product.audit,
        metrics=stores.metrics,
    )
    gates: dict[str, Gate] = {
        CHAT_PATH: ChatGate(host=host, hub=product.hub, memberships=product.memberships, entrance=entrance),
        SIGNALING_PATH: SignalGate(host=signal_host, entrance=entrance),
    }
    heartbeat = heartbeat or new_heartbeat(settings, stores.clock)
    rooms = product.calls.rooms
    stores.metrics.watch_sockets(
        lambda: max(0, len(places) - rooms.sockets),
        lambda: rooms.sockets,
        lambda: len(product.hub.interest.users),
    )
    watch = Watch(health.readyz, settings, stores.metrics.operations, stores.clock.monotonic)
    tasks = [task for module in owned for task in module.tasks]
    if _KEEPER in roles:
        tasks.append(Task("idempotency_retention", 3600, idempotency.purge))
        tasks.append(Task("outbox_retention", 3600, stores.outbox.purge))
    jobs = [kind for module in owned for kind in module.jobs]
    sockets = {path for module in owned for path in module.sockets}
    gate = Gates({path: gate for path, gate in gates.items() if path in sockets}, render)
    return Edges(http, answers, cors, gate, places, heartbeat, health, tasks, jobs, drain, watch)


def new_heartbeat(settings: Settings, clock: Clock) -> Heartbeat:
    """What keeps the sockets of a process alive."""
    realtime = settings.realtime
    return Heartbeat(clock=clock, ping_interval=realtime.ping_interval, idle_timeout=realtime.idle_timeout)


def unreadable(
    answers: Answers, metrics: Metrics, *, secure: bool, error: ApiError
) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    """The answer to a request that never reached the application, counted and logged."""
    request_id, status = new_id(), error.code.status
    metrics.refused_early("other", "unmatched", status)
    log.warning("request refused", request_id=request_id, status=status, error_code=error.code.name)
    return answers.bare(error, request_id, secure=secure)
