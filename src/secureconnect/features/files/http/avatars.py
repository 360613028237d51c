"""Avatars of people and groups (docs/reference/http.md, users and conversations)."""

from secureconnect.edge.http.routing import Call, Redirect, Reply, Route
from secureconnect.features.files.http.caller import caller_of
from secureconnect.features.files.http.objects import SetAvatar
from secureconnect.features.files.service import Avatars
from secureconnect.features.users.api import User, UserRecord, Users, render_user
from secureconnect.kit.errors import ErrorCode

__all__ = ["routes"]

_MINE = "/v1/users/me/avatar"


def routes(avatars: Avatars, users: Users) -> list[Route]:
    """The routes of avatars; reading one leads to the picture itself."""

    async def own(record: UserRecord) -> Reply:
        status = await users.own_status(record.user_id)
        enabled = await users.mfa_enabled(record.user_id)
        return Reply(render_user(record, status, mfa_enabled=enabled))

    async def put(call: Call[SetAvatar, None]) -> Reply:
        record = await avatars.set_own(caller_of(call), call.body.file_id)
        return await own(record)

    async def delete(call: Call[None, None]) -> Reply:
        record = await avatars.set_own(caller_of(call), None)
        return await own(record)

    async def of_user(call: Call[None, None]) -> Redirect:
        return Redirect((await avatars.of_user(call.path["id"])).url)

    async def of_conversation(call: Call[None, None]) -> Redirect:
        return Redirect((await avatars.of_conversation(call.caller.user_id, call.path["id"])).url)

    return [
        Route(
            method="PUT",
            path=_MINE,
            handler=put,
            summary="Show an avatar made of a file of one's own",
            tag="users",
            row="users_me",
            body=SetAvatar,
            returns={200: User},
            errors=(ErrorCode.NOT_FOUND, ErrorCode.STORAGE_UNAVAILABLE),
        ),
        Route(
            method="DELETE",
            path=_MINE,
            handler=delete,
            summary="Show no avatar any more",
            tag="users",
            row="users_me",
            returns={200: User},
        ),
        Route(
            method="GET",
            path="/v1/users/{id}/avatar",
            handler=of_user,
            summary="Go to a user's avatar",
            tag="users",
            row="users",
            returns={302: Redirect},
            errors=(ErrorCode.NOT_FOUND, ErrorCode.STORAGE_UNAVAILABLE),
        ),
        Route(
            method="GET",
            path="/v1/conversations/{id}/avatar",
            handler=of_conversation,
            summary="Go to the picture of a conversation",
            tag="conversations",
            row="conversation",
            returns={302: Redirect},
            errors=(ErrorCode.NOT_FOUND, ErrorCode.FORBIDDEN, ErrorCode.STORAGE_UNAVAILABLE),
        ),
    ]
