"""Periodic work of notifications."""

from secureconnect.edge.module import Task
from secureconnect.features.notifications.service import Inbox

__all__ = ["tasks"]


def tasks(inbox: Inbox) -> list[Task]:
    """Forget entries after `retention.notifications_days`."""
    return [Task("notifications_retention", 3600, inbox.purge)]
