"""What pushes contribute."""

from secureconnect.edge.http.paging import Paging
from secureconnect.edge.module import Module
from secureconnect.features.push.http import routes
from secureconnect.features.push.service import Deliverer, Devices, PushQueue, Receipts
from secureconnect.features.push.socket import commands
from secureconnect.features.push.tasks import tasks
from secureconnect.kit.pagination import Cursors

__all__ = ["module"]


def module(
    *,
    devices: Devices,
    queue: PushQueue,
    deliverer: Deliverer,
    receipts: Receipts,
    cursors: Cursors,
    public_key: str | None,
) -> Module:
    """Pushes; `queue` is called by notifications, `devices` by sessions."""
    return Module(
        name="push",
        role="auth",
        routes=routes(devices, queue, receipts, Paging(cursors), public_key=public_key),
        commands=commands(receipts),
        tasks=tasks(devices, receipts),
        jobs=["push"],
        start=deliverer.start,
        stop=deliverer.stop,
    )
