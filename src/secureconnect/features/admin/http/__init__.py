"""Routes of administration (docs/reference/http.md, admin): `users` and `bans` for accounts, `server` for all
else.
"""

from secureconnect.edge.http.paging import Paging
from secureconnect.edge.http.routing import Route
from secureconnect.features.admin.http import bans, server, users
from secureconnect.features.admin.service import BanService, Overview, Retention, UserAdministration
from secureconnect.kit.pagination import Cursors

__all__ = ["routes"]


def routes(
    administration: UserAdministration,
    banning: BanService,
    overview: Overview,
    retention: Retention,
    cursors: Cursors,
    *,
    version: str,
) -> list[Route]:
    """Every route of this feature."""
    paging = Paging(cursors)
    return [
        *users.routes(administration, paging),
        *bans.routes(banning),
        *server.routes(overview, retention, paging, version=version),
    ]
