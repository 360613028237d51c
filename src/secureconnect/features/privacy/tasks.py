"""Periodic work of privacy."""

from secureconnect.edge.module import Task
from secureconnect.features.privacy.service import Erasure, ExportService

__all__ = ["tasks"]

_DUE_EVERY, _SWEEP_EVERY = 60.0, 3600.0


def tasks(erasure: Erasure, exports: ExportService) -> list[Task]:
    """Begin what is due; remove what is over."""
    return [
        Task("due_erasures", _DUE_EVERY, erasure.queue_due),
        Task("expired_exports", _SWEEP_EVERY, exports.sweep),
    ]
