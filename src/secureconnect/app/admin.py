"""`createadmin`: the first server admin of an installation."""

import asyncio

from secureconnect import __version__
from secureconnect.app.data_dir import open_data_dir
from secureconnect.app.health import SERVICE
from secureconnect.app.product import Product, assemble_product
from secureconnect.app.settings import Settings
from secureconnect.app.stores import open_stores
from secureconnect.infra.telemetry.metrics import Metrics
from secureconnect.kit.clock import SystemClock

__all__ = ["create_admin"]


def create_admin(settings: Settings, email: str, username: str, password: str) -> str:
    """Create a server admin, or promote the user with this e-mail; returns what was done.

    Works beside a running server: the database takes one writer after the other.

    Raises:
        ApiError: an address, name or password that the rules refuse, or a name that is taken.
    """
    return asyncio.run(_create(settings, email, username, password))


async def _create(settings: Settings, email: str, username: str, password: str) -> str:
    data_dir = open_data_dir(settings)
    metrics = Metrics(SERVICE, __version__)
    async with open_stores(settings, data_dir, SystemClock(), metrics, alone=False) as stores:
        product: Product = assemble_product(settings, stores)
        created = await product.accounts.ensure_admin(email=email, username=username, password=password)
        product.hasher.close()
    return f"{username} is a server admin now." if created else f"{email} was promoted to server admin."
