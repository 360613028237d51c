"""`/metrics` on an address of its own (`observability.metrics_listen`)."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import uvicorn

from secureconnect.app.vitals import Vitals
from secureconnect.kit.errors import ApiError

__all__ = ["metrics_port"]


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Any:
        yield


@contextlib.asynccontextmanager
async def metrics_port(address: str, vitals: Vitals) -> AsyncIterator[None]:
    """Serve `/metrics` on `host:port` meanwhile; nothing when `address` is empty."""
    if not address:
        yield
        return
    host, _, port = address.rpartition(":")
    config = uvicorn.Config(
        _app(vitals),
        host=host.strip("[]"),
        port=int(port),
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        loop="none",
        ws="none",
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve())
    try:
        yield
    finally:
        server.should_exit = True
        await serving


def _app(vitals: Vitals) -> Any:
    async def app(scope: dict[str, Any], _: Any, send: Callable[[dict[str, Any]], Awaitable[None]]) -> None:
        status, body, kind = 404, b"not found\n", b"text/plain"
        if scope["path"] == "/metrics":
            try:
                reply = await vitals.metrics(dict(scope["headers"]))
                status, body, kind = 200, reply.body, reply.content_type.encode()
            except ApiError as error:
                status, body = error.code.status, error.message.encode()
        headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app
