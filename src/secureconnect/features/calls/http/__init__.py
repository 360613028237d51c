"""Routes of calls (docs/reference/http.md, calls)."""

from secureconnect.edge.http.routing import Route
from secureconnect.features.calls.http.calls import call_routes
from secureconnect.features.calls.http.recordings import recording_routes
from secureconnect.features.calls.http.sockets import socket_routes
from secureconnect.features.calls.service import (
    Admissions,
    AnswerService,
    CallReadService,
    InitiateService,
    RecordingService,
    SfuNews,
)

__all__ = ["routes"]


def routes(
    initiating: InitiateService,
    answering: AnswerService,
    reading: CallReadService,
    recordings: RecordingService,
    admissions: Admissions,
    news: SfuNews,
) -> list[Route]:
    """Every route of this feature."""
    return [
        *call_routes(initiating, answering, reading, admissions),
        *recording_routes(recordings),
        *socket_routes(news),
    ]
