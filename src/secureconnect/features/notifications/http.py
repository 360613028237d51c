"""Routes of the inbox (docs/reference/http.md, notifications and push)."""

from typing import Annotated

from msgspec import Meta, Struct

from secureconnect.edge.http.routing import Call, Done, Reply, Route, done
from secureconnect.edge.validation import Opaque
from secureconnect.features.notifications.api import NoticeType
from secureconnect.features.notifications.rules import PreferencesObject
from secureconnect.features.notifications.service.inbox import (
    Inbox,
    NotificationsPage,
    PreferenceChange,
    UnreadCount,
    Updated,
)
from secureconnect.kit.errors import ErrorCode

__all__ = ["routes"]


class InboxQuery(Struct):
    """Which entries."""

    unread_only: bool = False
    type: NoticeType | None = None
    cursor: Annotated[Opaque, Meta(min_length=1, max_length=512)] | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 20


def routes(inbox: Inbox) -> list[Route]:
    """The inbox and its preferences."""

    async def entries(call: Call[None, InboxQuery]) -> Reply:
        query = call.query
        page = await inbox.list(
            call.caller,
            unread_only=query.unread_only,
            type_=query.type,
            cursor=query.cursor,
            limit=query.limit,
        )
        return Reply(page)

    async def count(call: Call[None, None]) -> Reply:
        return Reply(await inbox.unread(call.caller))

    async def read(call: Call[None, None]) -> Reply:
        await inbox.read(call.caller, call.path["id"])
        return done("The notification is read.")

    async def read_all(call: Call[None, None]) -> Reply:
        return Reply(await inbox.read_all(call.caller))

    async def remove(call: Call[None, None]) -> Reply:
        await inbox.remove(call.caller, call.path["id"])
        return done("The notification is gone.")

    async def preferences(call: Call[None, None]) -> Reply:
        return Reply(await inbox.preferences(call.caller))

    async def change(call: Call[PreferenceChange, None]) -> Reply:
        return Reply(await inbox.change_preferences(call.caller, call.body))

    base = "/v1/notifications"
    return [
        Route(
            method="GET",
            path=base,
            handler=entries,
            summary="The caller's notifications, the last changed first",
            tag="notifications",
            row="notifications",
            query=InboxQuery,
            returns={200: NotificationsPage},
        ),
        Route(
            method="GET",
            path=f"{base}/count",
            handler=count,
            summary="How many notifications are unread",
            tag="notifications",
            row="notifications",
            returns={200: UnreadCount},
        ),
        Route(
            method="POST",
            path=f"{base}/read-all",
            handler=read_all,
            summary="Mark all notifications as read",
            tag="notifications",
            row="notifications_read_all",
            returns={200: Updated},
        ),
        Route(
            method="GET",
            path=f"{base}/preferences",
            handler=preferences,
            summary="What the caller wants to be told",
            tag="notifications",
            row="notifications",
            returns={200: PreferencesObject},
        ),
        Route(
            method="PATCH",
            path=f"{base}/preferences",
            handler=change,
            summary="Change what the caller wants to be told",
            tag="notifications",
            row="notifications",
            body=PreferenceChange,
            returns={200: PreferencesObject},
        ),
        Route(
            method="POST",
            path=f"{base}/{{id}}/read",
            handler=read,
            summary="Mark one notification as read",
            tag="notifications",
            row="notifications",
            returns={200: Done},
            errors=(ErrorCode.NOT_FOUND,),
        ),
        Route(
            method="DELETE",
            path=f"{base}/{{id}}",
            handler=remove,
            summary="Delete one notification",
            tag="notifications",
            row="notifications",
            returns={200: Done},
            errors=(ErrorCode.NOT_FOUND,),
        ),
    ]
