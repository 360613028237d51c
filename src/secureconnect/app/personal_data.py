"""`export-user` and `erase-user`: what a person may ask for, done by the operator."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from msgspec import Struct

from secureconnect import __version__
from secureconnect.app.data_dir import DataDirectory, InUse, open_data_dir
from secureconnect.app.edges import build_edges
from secureconnect.app.failure import Failure
from secureconnect.app.health import SERVICE
from secureconnect.app.product import Product, assemble_product
from secureconnect.app.server import working
from secureconnect.app.settings import Settings
from secureconnect.app.stores import Stores, open_stores
from secureconnect.features.privacy.service import erase_job
from secureconnect.features.users.api import UserRecord
from secureconnect.infra.telemetry import log as logs
from secureconnect.infra.telemetry.metrics import Metrics
from secureconnect.kit.clock import SystemClock
from secureconnect.kit.ids import normalise_uuid

__all__ = ["Receipt", "erase_user", "export_user"]

_LOOK_EVERY = 0.1
_LOOKS_PER_LOCK = 20


class Receipt(Struct, frozen=True):
    """What was exported, in rows by file, or erased, in rows by store."""

    user_id: str
    counts: dict[str, int]


def export_user(settings: Settings, user: str, out: Path) -> Receipt:
    """Write everything about a person, by id or e-mail, to a new file. Works beside a running server.

    Raises:
        Failure: there is no such user, or the file exists.
    """
    return asyncio.run(_export(settings, user, out))


def erase_user(settings: Settings, user: str) -> Receipt:
    """Delete and erase a person, by id or e-mail, without delay. A server that runs on the data directory
    does it, so that nothing stays in its memory either; else this process does.

    Raises:
        Failure: there is no such user, or it is the last server admin.
    """
    return asyncio.run(_erase(settings, user))


async def _export(settings: Settings, user: str, out: Path) -> Receipt:
    async with _opened(settings, open_data_dir(settings), alone=False) as (stores, product):
        record = await _find(stores, product, user)
        try:
            descriptor = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError as error:
            raise Failure(f"{out} exists already") from error
        os.close(descriptor)
        try:
            counts = await product.privacy.export(record.user_id, str(out))
        except BaseException:
            await asyncio.to_thread(out.unlink, missing_ok=True)
            raise
        return Receipt(record.user_id, counts)


async def _erase(settings: Settings, user: str) -> Receipt:
    data_dir = open_data_dir(settings)
    with contextlib.ExitStack() as held:
        try:
            held.enter_context(data_dir.lock())
            alone = True
        except InUse:
            alone = False
        async with _opened(settings, data_dir, alone=alone) as (stores, product):
            record = await _find(stores, product, user)
            await product.privacy.check_may_erase(record.user_id)
            job = erase_job(record.user_id, at_once=True)
            async with contextlib.AsyncExitStack() as stack:
                await stores.database.write(lambda tx: stores.outbox.enqueue_in(tx, job))
                if alone:
                    edges = build_edges(settings, stores, product)
                    await stack.enter_async_context(working(product, edges, stores))
                counts = await _done(product, record.user_id, None if alone else data_dir)
            return Receipt(record.user_id, counts)


@contextlib.asynccontextmanager
async def _opened(
    settings: Settings, data_dir: DataDirectory, *, alone: bool
) -> AsyncIterator[tuple[Stores, Product]]:
    with contextlib.redirect_stdout(sys.stderr):  # standard output is for the receipt
        logs.configure(service=SERVICE, level="warn")
    metrics = Metrics(SERVICE, __version__)
    async with open_stores(settings, data_dir, SystemClock(), metrics, alone=alone) as stores:
        product = assemble_product(settings, stores)
        try:
            yield stores, product
        finally:
            product.hasher.close()


async def _find(stores: Stores, product: Product, user: str) -> UserRecord:
    user_id = normalise_uuid(user)
    record = await stores.database.read(
        lambda conn: (
            product.users.many_in(conn, [user_id]).get(user_id)
            if user_id is not None
            else product.users.by_email_in(conn, user)
        )
    )
    if record is None or record.state == "erased":
        raise Failure(f"there is no user {user}")
    return record


async def _done(product: Product, user_id: str, server: DataDirectory | None) -> dict[str, int]:
    """The receipt, as soon as there is one; `server` is where another process has to do it."""
    looks = 0
    while (counts := await product.privacy.receipt(user_id)) is None:
        looks += 1
        if server is not None and looks % _LOOKS_PER_LOCK == 0:
            with contextlib.suppress(InUse), server.lock():
                raise Failure("The server has stopped before it was done.\nRun the command again.")
        await asyncio.sleep(_LOOK_EVERY)
    return counts
