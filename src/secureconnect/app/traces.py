"""Traces of one process, when `observability.otlp_endpoint` asks for them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from secureconnect import __version__
from secureconnect.app.settings import Settings
from secureconnect.infra.telemetry import tracing

__all__ = ["traced"]


@contextlib.asynccontextmanager
async def traced(settings: Settings, service: str) -> AsyncIterator[None]:
    """Trace for the length of the block; what is left goes out at its end."""
    given = settings.observability
    if not given.otlp_endpoint:
        yield
        return
    from secureconnect.infra.telemetry.otlp import Exporter  # with an HTTP client that few processes need

    tracing.configure(given.trace_sample_ratio)
    exporter = Exporter(given.otlp_endpoint, service, __version__)
    exporting = asyncio.create_task(exporter.run(), name="traces")
    try:
        yield
    finally:
        exporting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await exporting
        await exporter.close()
        tracing.configure(None)
