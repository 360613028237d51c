"""Periodic work of administration."""

from secureconnect.edge.module import Task
from secureconnect.features.admin.service import Retention

__all__ = ["tasks"]

_HOUR = 3600.0


def tasks(retention: Retention) -> list[Task]:
    """Remove events that are older than their conversation keeps them."""
    return [Task("message_retention", _HOUR, retention.sweep)]
