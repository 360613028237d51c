"""Deleting one's own account (docs/reference/http.md, users)."""

from msgspec import Struct

from secureconnect.edge.http.routing import Call, Reply, Route
from secureconnect.features.privacy.service import Deletion
from secureconnect.kit.clock import rfc3339
from secureconnect.kit.errors import ErrorCode
from secureconnect.kit.objects import Time

__all__ = ["routes"]


class DeletedAccount(Struct, frozen=True):
    """Until `erase_at` a server admin can restore the account."""

    message: str
    erase_at: Time


def routes(deletion: Deletion) -> list[Route]:
    """The route of somebody who leaves."""

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
        )
    ]
