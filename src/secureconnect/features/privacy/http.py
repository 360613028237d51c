"""Deleting one's own account, and getting one's data (docs/reference/http.md, users)."""

from typing import Literal

from msgspec import Struct

from secureconnect.edge.http.routing import Call, Reply, Route
from secureconnect.features.privacy.rules import ExportStatus
from secureconnect.features.privacy.service import Deletion, ExportService
from secureconnect.kit.clock import rfc3339
from secureconnect.kit.errors import ErrorCode
from secureconnect.kit.objects import Id, Time

__all__ = ["routes"]


class DeletedAccount(Struct, frozen=True):
    """Until `erase_at` a server admin can restore the account."""

    message: str
    erase_at: Time


class ExportBegun(Struct, frozen=True):
    """An export that is being made."""

    export_id: Id
    status: Literal["pending"] = "pending"


class ExportState(Struct, frozen=True):
    """An export. `download_url` is given while it is ready, and works for 15 minutes."""

    export_id: Id
    status: ExportStatus
    download_url: str | None
    expires_at: Time | None


def routes(deletion: Deletion, exports: ExportService) -> list[Route]:
    """The routes of somebody who wants its data, or leaves."""

    async def ask(call: Call[None, None]) -> Reply:
        return Reply(ExportBegun(await exports.ask(call.caller, call.context)), 202)

    async def look(call: Call[None, None]) -> Reply:
        seen = await exports.find(call.caller, call.context, call.path["export_id"])
        expires_at = rfc3339(seen.expires_at) if seen.expires_at is not None else None
        return Reply(ExportState(seen.export_id, seen.status, seen.download_url, expires_at))

    async def delete_me(call: Call[None, None]) -> Reply:
        erase_at = await deletion.delete_own(call.caller, call.context)
        return Reply(
            DeletedAccount("The account is deleted; all its sessions have ended.", rfc3339(erase_at))
        )

    return [
        Route(
            method="DELETE",
            path="/v1/users/me",
            handler=delete_me,
            summary="Delete one's own account",
            tag="users",
            row="users_me",
            fresh=True,
            returns={200: DeletedAccount},
            errors=(ErrorCode.CONFLICT,),
        ),
        Route(
            method="POST",
            path="/v1/users/me/export",
            handler=ask,
            summary="Begin an export of one's own data, once in 24 hours",
            tag="users",
            row="users_me",
            fresh=True,
            returns={202: ExportBegun},
            errors=(ErrorCode.REQUEST_IN_PROGRESS,),
        ),
        Route(
            method="GET",
            path="/v1/users/me/export/{export_id}",
            handler=look,
            summary="See how an export stands, and download it",
            tag="users",
            row="users_me",
            returns={200: ExportState},
            errors=(ErrorCode.NOT_FOUND, ErrorCode.STORAGE_UNAVAILABLE),
        ),
    ]
