"""What files contribute: one module for each role that serves a part of it."""

from secureconnect.edge.module import Module
from secureconnect.features.files.http import avatar_routes, conversation_routes, storage_routes
from secureconnect.features.files.service import FileCases, FileMetrics
from secureconnect.features.files.tasks import tasks
from secureconnect.features.users.api import Users
from secureconnect.infra.database.base import Database
from secureconnect.infra.images.base import Images
from secureconnect.infra.outbox.base import Outbox
from secureconnect.kit.pagination import Cursors

__all__ = ["modules"]


def modules(
    cases: FileCases,
    *,
    database: Database,
    outbox: Outbox,
    images: Images,
    users: Users,
    cursors: Cursors,
    metrics: FileMetrics,
    upload_sweep_interval: float,
) -> list[Module]:
    """Storage itself, with the jobs that it takes from the outbox; files of conversations; avatars.

    `delete_objects` jobs carry a `service.Removal`; other features may queue their own.
    """
    outbox.handle("thumbnail", cases.thumbnails.make, at_once=1)
    outbox.handle("delete_objects", cases.objects.remove, at_once=1)
    work = tasks(cases, database, metrics, upload_sweep_interval=upload_sweep_interval)
    return [
        Module(
            name="files",
            role="storage",
            routes=storage_routes(cases, cursors),
            tasks=work,
            jobs=["thumbnail", "delete_objects"],
            stop=images.close,
        ),
        Module(name="attached_files", role="chat", routes=conversation_routes(cases, cursors)),
        Module(name="avatars", role="auth", routes=avatar_routes(cases, users)),
    ]
