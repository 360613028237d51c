"""Routes of the timeline and of messages (docs/reference/http.md, messages)."""

from secureconnect.edge.http.routing import Route
from secureconnect.features.messages.http import messages
from secureconnect.features.messages.service import MarkService, ReadService, SendService, SyncService

__all__ = ["routes"]


def routes(
    sending: SendService, reading: ReadService, syncing: SyncService, marking: MarkService
) -> list[Route]:
    """Every route of this feature."""
    return [*messages.routes(sending, reading, syncing, marking)]
