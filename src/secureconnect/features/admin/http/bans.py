"""Routes that keep people out and let them in again."""

from typing import Annotated

from msgspec import Meta, Struct

from secureconnect.edge.http.routing import Access, Call, Done, Reply, Route, done
from secureconnect.edge.validation import Uuid
from secureconnect.features.admin.http.objects import Reason, admin_of, time_of
from secureconnect.features.admin.service import BanService
from secureconnect.kit.errors import ErrorCode, invalid
from secureconnect.kit.objects import Time

__all__ = ["routes"]


class BanBody(Struct):
    """`duration` is in hours and needed unless the ban is `permanent`."""

    user_id: Uuid
    reason: Reason
    permanent: bool = False
    duration: Annotated[float, Meta(ge=0.01, le=87_600)] | None = None


class UnbanBody(Struct):
    user_id: Uuid
    reason: Reason


class Banned(Struct, frozen=True):
    """`banned_until` is null for good."""

    message: str
    banned_until: Time | None


def routes(bans: BanService) -> list[Route]:
    """Banning and lifting a ban."""

    async def ban(call: Call[BanBody, None]) -> Reply:
        body = call.body
        if not body.permanent and body.duration is None:
            raise invalid("duration", "is required unless permanent")
        hours = None if body.permanent else body.duration
        found = await bans.ban(admin_of(call), body.user_id, reason=body.reason, hours=hours)
        return Reply(Banned("The user is banned; all its sessions have ended.", time_of(found.banned_until)))

    async def unban(call: Call[UnbanBody, None]) -> Reply:
        await bans.lift(admin_of(call), call.body.user_id, call.body.reason)
        return done("The ban is lifted.")

    return [
        Route(
            method="POST",
            path="/v1/admin/users/ban",
            handler=ban,
            summary="Keep a user out, for some hours or for good",
            tag="admin",
            access=Access.ADMIN,
            row="admin_users",
            body=BanBody,
            returns={200: Banned},
            errors=(ErrorCode.NOT_FOUND, ErrorCode.CONFLICT),
        ),
        Route(
            method="POST",
            path="/v1/admin/users/unban",
            handler=unban,
            summary="Lift a ban",
            tag="admin",
            access=Access.ADMIN,
            row="admin_users",
            body=UnbanBody,
            returns={200: Done},
            errors=(ErrorCode.NOT_FOUND,),
        ),
    ]
