"""Routes of drafts (docs/reference/http.md, conversations)."""

from msgspec import Struct

from secureconnect.edge.http.routing import Call, Reply, Route
from secureconnect.edge.validation import Uuid
from secureconnect.features.drafts.service import DraftAnswer, DraftRequest, DraftService
from secureconnect.kit.errors import ErrorCode

__all__ = ["routes"]

_PATH = "/v1/conversations/{id}/draft"


class WhichDraft(Struct):
    """The draft of a thread, or of the conversation itself."""

    thread_root_id: Uuid | None = None


def routes(service: DraftService) -> list[Route]:
    """Drafts."""

    async def find(call: Call[None, WhichDraft]) -> Reply:
        return Reply(await service.find(call.caller, call.path["id"], call.query.thread_root_id))

    async def save(call: Call[DraftRequest, None]) -> Reply:
        return Reply(await service.save(call.caller, call.path["id"], call.body))

    async def remove(call: Call[None, WhichDraft]) -> Reply:
        return Reply(await service.remove(call.caller, call.path["id"], call.query.thread_root_id))

    members_only = (ErrorCode.NOT_FOUND, ErrorCode.FORBIDDEN)
    return [
        Route(
            method="GET",
            path=_PATH,
            handler=find,
            summary="The caller's draft",
            tag="drafts",
            row="conversation",
            query=WhichDraft,
            returns={200: DraftAnswer},
            errors=members_only,
        ),
        Route(
            method="PUT",
            path=_PATH,
            handler=save,
            summary="Keep a draft; without content it is forgotten",
            tag="drafts",
            row="conversation",
            body=DraftRequest,
            returns={200: DraftAnswer},
            errors=(*members_only, ErrorCode.E2EE_REQUIRED, ErrorCode.TIMELINE_UNAVAILABLE),
        ),
        Route(
            method="DELETE",
            path=_PATH,
            handler=remove,
            summary="Forget a draft",
            tag="drafts",
            row="conversation",
            query=WhichDraft,
            returns={200: DraftAnswer},
            errors=(*members_only, ErrorCode.TIMELINE_UNAVAILABLE),
        ),
    ]
