"""Routes of recordings of calls."""

from msgspec import Struct

from secureconnect.edge.http.routing import Call as Request
from secureconnect.edge.http.routing import Reply, Route
from secureconnect.edge.validation import Uuid
from secureconnect.features.calls.service import RecordingService
from secureconnect.features.calls.service.recording import Attached, Recordings
from secureconnect.kit.errors import ErrorCode

__all__ = ["recording_routes"]


class AttachRecording(Struct):
    """A completed file of the caller's own."""

    file_id: Uuid


class IsRecording(Struct, frozen=True):
    """Whether the caller records now."""

    recording: bool


def recording_routes(recordings: RecordingService) -> list[Route]:
    """Starting, stopping, keeping."""

    async def start(request: Request[None, None]) -> Reply:
        await recordings.set(request.caller, request.context, request.path["id"], recording=True)
        return Reply(IsRecording(True))

    async def stop(request: Request[None, None]) -> Reply:
        await recordings.set(request.caller, request.context, request.path["id"], recording=False)
        return Reply(IsRecording(False))

    async def attach(request: Request[AttachRecording, None]) -> Reply:
        kept = await recordings.attach(request.caller, request.path["id"], request.body.file_id)
        return Reply(kept, 201)

    async def listed(request: Request[None, None]) -> Reply:
        return Reply(await recordings.of(request.caller, request.path["id"]))

    invited_only = (ErrorCode.NOT_FOUND, ErrorCode.FORBIDDEN)
    durable = (*invited_only, ErrorCode.TIMELINE_UNAVAILABLE)
    return [
        Route(
            method="POST",
            path="/v1/calls/{id}/recording/start",
            handler=start,
            summary="Say that the caller records; everybody is told",
            tag="calls",
            row="calls",
            returns={200: IsRecording},
            errors=(*durable, ErrorCode.CALL_ENDED),
        ),
        Route(
            method="POST",
            path="/v1/calls/{id}/recording/stop",
            handler=stop,
            summary="Say that the caller records no more",
            tag="calls",
            row="calls",
            returns={200: IsRecording},
            errors=(*durable, ErrorCode.CALL_ENDED),
        ),
        Route(
            method="POST",
            path="/v1/calls/{id}/recordings",
            handler=attach,
            summary="Give a recording to the conversation, as a message of type file",
            tag="calls",
            row="calls",
            body=AttachRecording,
            returns={201: Attached},
            errors=(*durable, ErrorCode.E2EE_REQUIRED, ErrorCode.FILE_NOT_READY),
        ),
        Route(
            method="GET",
            path="/v1/calls/{id}/recordings",
            handler=listed,
            summary="Recordings of a call",
            tag="calls",
            row="calls",
            returns={200: Recordings},
            errors=invited_only,
        ),
    ]
