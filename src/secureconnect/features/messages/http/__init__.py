"""Routes of the timeline and of messages (docs/reference/http.md, messages; pins, conversations)."""

from secureconnect.edge.http.routing import Route
from secureconnect.features.messages.http import changes, messages, pins, scheduled, threads
from secureconnect.features.messages.service import UseCases

__all__ = ["routes"]


def routes(cases: UseCases) -> list[Route]:
    """Every route of this feature."""
    return [
        *messages.routes(cases.sending, cases.reading, cases.syncing, cases.marking),
        *changes.routes(cases.reading, cases.editing, cases.deleting, cases.reacting, cases.history),
        *pins.routes(cases.pinning),
        *threads.routes(cases.threads, cases.forwarding, cases.receivers),
        *scheduled.routes(cases.scheduling),
    ]
