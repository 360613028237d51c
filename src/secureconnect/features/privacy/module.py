"""What privacy contributes."""

from secureconnect.edge.module import Module
from secureconnect.features.privacy.http import routes
from secureconnect.features.privacy.service import Deletion, Erasure, ExportService
from secureconnect.features.privacy.tasks import tasks

__all__ = ["module"]


def module(deletion: Deletion, erasure: Erasure, exports: ExportService) -> Module:
    """Deleting one's account, what becomes of it, and getting one's data."""

    async def start() -> None:
        await erasure.start()
        await exports.start()

    return Module(
        name="privacy",
        role="auth",
        routes=routes(deletion, exports),
        tasks=tasks(erasure, exports),
        jobs=["export", "erase"],
        start=start,
    )
