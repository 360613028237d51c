"""Background jobs of bots."""

from secureconnect.edge.module import Task
from secureconnect.features.bots.service import BotService

__all__ = ["tasks"]


def tasks(service: BotService) -> list[Task]:
    """Forget what ended long ago."""
    return [Task("bot_retention", 3600, service.purge)]
