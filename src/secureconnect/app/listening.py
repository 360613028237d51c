"""One port and one event loop: what every serving process has, whatever it serves."""

import asyncio
import contextlib
import gc
import os
import signal
import socket
import time
from collections.abc import Iterator
from typing import Any

import uvicorn

from secureconnect.app.failure import Failure
from secureconnect.app.settings import Settings
from secureconnect.infra.telemetry import log as logs
from secureconnect.infra.telemetry.metrics import Metrics

__all__ = [
    "DRAIN",
    "HttpServer",
    "accepting",
    "collect_rarely",
    "configure_logs",
    "http_server",
    "listening",
    "until_asked_to_stop",
    "watch_loop",
]

#: Seconds in which sockets are told to leave.
DRAIN = 8.0
_KEEP_ALIVE = 75
_BACKLOG = 2048
_ACCEPTED_AT_ONCE = 16
_LAG_PERIOD = 0.5
_COLLECT_AFTER = 20_000  # more new than freed objects; CPython's own is 700


def configure_logs(settings: Settings, service: str, *, worker: int | None = None) -> None:
    """Write lines as the settings say; each of several workers has a file of its own."""
    observability = settings.observability
    name = service if worker is None else f"{service}-{worker}"
    logs.configure(
        service=service,
        level=observability.log_level,
        text=observability.log_format == "text",
        file=observability.log_file.format(service=name) if observability.log_output == "file" else None,
    )


@contextlib.contextmanager
def listening(settings: Settings) -> Iterator[socket.socket]:
    """The socket on `server.host` and `server.port`, bound but not listening yet. Raises Failure."""
    host, port = settings.server.host, settings.server.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if settings.server.workers > 1:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            raise _taken(host, port, error) from error
        yield listener


def _taken(host: str, port: int, error: OSError) -> Failure:
    return Failure(
        f"cannot listen on {host}:{port}: {error.strerror}\nChoose another address with --host and --port."
    )


def accepting(listener: socket.socket) -> list[socket.socket]:
    """Listen from now on; the sockets to serve for it.

    Raises Failure: somebody else began to listen there since it was bound. (uvloop would only close it.)

    libuv takes one connection in each turn of the loop from each of them. In a rush of new connections a turn
    is long, and the last to come would wait for as many turns as there are others: seconds, before anything
    is read of them. Through its duplicates a turn takes sixteen.
    """
    host, port = listener.getsockname()[:2]
    try:
        listener.listen(_BACKLOG)
    except OSError as error:
        raise _taken(host, port, error) from error
    return [listener, *(listener.dup() for _ in range(_ACCEPTED_AT_ONCE - 1))]


class HttpServer(uvicorn.Server):
    """uvicorn without its own signal handling: stopping begins with our sockets."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def http_server(
    settings: Settings, app: Any, *, http: type[asyncio.Protocol], ws: type[asyncio.Protocol]
) -> HttpServer:
    """Serves `app`, reading requests with `http` and giving upgrades to `ws`."""
    config = uvicorn.Config(
        app,
        loop="none",
        interface="asgi3",
        http=http,
        ws=ws,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=_KEEP_ALIVE,
        timeout_graceful_shutdown=max(1, int(settings.server.shutdown_grace - DRAIN)),
        backlog=_BACKLOG,
        ssl_certfile=settings.server.tls_cert_file or None,
        ssl_keyfile=settings.server.tls_key_file or None,
    )
    config.load()  # the TLS context exists only then
    return HttpServer(config)


def collect_rarely() -> None:
    """Let the garbage collector look for cycles less often, and never at what lives as long as the process.

    Hardly anything here is a cycle, but whatever is in flight is looked at again and again: at CPython's own
    pace an eighth of the time under many concurrent sends.
    """
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER)


async def until_asked_to_stop(serving: "asyncio.Task[None]") -> None:
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


async def watch_loop(metrics: Metrics) -> None:
    """How late timers fire says how busy the event loop is."""
    while True:
        due = time.monotonic() + _LAG_PERIOD
        await asyncio.sleep(_LAG_PERIOD)
        metrics.loop_lag(max(0.0, time.monotonic() - due))
