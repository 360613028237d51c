"""The published documents without a running server."""

import asyncio
import tempfile

import msgspec

from secureconnect import __version__
from secureconnect.app.asyncapi import asyncapi_document
from secureconnect.app.data_dir import open_data_dir
from secureconnect.app.documents import openapi
from secureconnect.app.health import SERVICE
from secureconnect.app.product import Product, assemble_product
from secureconnect.app.settings import Settings
from secureconnect.app.stores import open_stores
from secureconnect.edge.realtime.session.commands import Commands
from secureconnect.infra.telemetry.metrics import Metrics
from secureconnect.kit.clock import SystemClock

__all__ = ["asyncapi_bytes", "openapi_bytes"]


def openapi_bytes() -> bytes:
    """Exactly what a server answers at `/openapi.json`."""
    return asyncio.run(_describe())[0]


def asyncapi_bytes() -> bytes:
    """Exactly what a server answers at `/asyncapi.json`."""
    return asyncio.run(_describe())[1]


async def _describe() -> tuple[bytes, bytes]:
    """Assemble the real product on an empty database; routes and commands are known only to it."""
    with tempfile.TemporaryDirectory() as directory:
        defaults = Settings()
        settings = msgspec.structs.replace(
            defaults, server=msgspec.structs.replace(defaults.server, data_dir=directory)
        )
        metrics = Metrics(SERVICE, __version__)
        async with open_stores(settings, open_data_dir(settings), SystemClock(), metrics) as stores:
            product: Product = assemble_product(settings, stores)
            product.hasher.close()
            routes = [route for module in product.modules for route in module.routes]
            streams = [stream for module in product.modules for stream in module.streams]
            commands = Commands(command for module in product.modules for command in module.commands)
            document = asyncapi_document(commands, product.calls.commands, version=__version__)
            return openapi(routes, streams), document
