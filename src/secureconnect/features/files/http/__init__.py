"""Routes of files, by the role that serves them when the product is split."""

from secureconnect.edge.http.paging import Paging
from secureconnect.edge.http.routing import Route
from secureconnect.features.files.http import avatars, downloads, holdings, uploads
from secureconnect.features.files.service import FileCases
from secureconnect.features.users.api import Users
from secureconnect.kit.pagination import Cursors

__all__ = ["avatar_routes", "conversation_routes", "storage_routes"]


def storage_routes(cases: FileCases, cursors: Cursors) -> list[Route]:
    """Below `/v1/storage`."""
    return [
        *uploads.routes(cases.uploads, cases.completion),
        *downloads.routes(cases.downloads),
        *holdings.routes(cases.holdings, Paging(cursors)),
    ]


def conversation_routes(cases: FileCases, cursors: Cursors) -> list[Route]:
    """What the chat role serves."""
    return holdings.attached_routes(cases.attached, Paging(cursors))


def avatar_routes(cases: FileCases, users: Users) -> list[Route]:
    """What the auth role serves."""
    return avatars.routes(cases.avatars, users)
