"""What administration contributes."""

from secureconnect.edge.module import Module
from secureconnect.features.admin.http import routes
from secureconnect.features.admin.service import BanService, Overview, Retention, UserAdministration
from secureconnect.features.admin.tasks import tasks
from secureconnect.kit.pagination import Cursors

__all__ = ["module"]


def module(
    users: UserAdministration,
    bans: BanService,
    overview: Overview,
    retention: Retention,
    cursors: Cursors,
    *,
    version: str,
) -> Module:
    """The routes of administrators and retention."""
    return Module(
        name="admin",
        role="auth",
        routes=routes(users, bans, overview, retention, cursors, version=version),
        tasks=tasks(retention),
    )
