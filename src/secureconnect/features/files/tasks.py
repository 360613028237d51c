"""Periodic work of files."""

from secureconnect.edge.module import Task
from secureconnect.features.files.service import FileCases
from secureconnect.features.files.service.journal import FileMetrics
from secureconnect.infra.database.base import Database

__all__ = ["tasks"]

_STRAYS_EVERY = 6 * 3600.0
_COUNT_EVERY = 5.0


def tasks(
    cases: FileCases, database: Database, metrics: FileMetrics, *, upload_sweep_interval: float
) -> list[Task]:
    """End late uploads, remove objects without a row, and show how much is stored."""

    async def count() -> int:
        metrics.stored(await database.read(cases.readers.stored_bytes_in))
        return 0

    return [
        Task("expired_uploads", upload_sweep_interval, cases.expiry.sweep),
        Task("stray_objects", _STRAYS_EVERY, cases.objects.sweep),
        Task("stored_bytes", _COUNT_EVERY, count, everywhere=True),
    ]
