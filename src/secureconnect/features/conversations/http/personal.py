"""What a member decides for itself: archive and mute."""

from secureconnect.edge.http.routing import Call, Handler, Reply, Route
from secureconnect.features.conversations.api import MyState
from secureconnect.features.conversations.http.objects import Mute
from secureconnect.features.conversations.service import Personal
from secureconnect.kit.errors import ErrorCode

__all__ = ["routes"]


def routes(personal: Personal) -> list[Route]:
    """The routes that change only the caller's own state."""

    async def archive(call: Call[None, None]) -> Reply:
        return Reply(await personal.archive(call.caller.user_id, call.path["id"], archived=True))

    async def unarchive(call: Call[None, None]) -> Reply:
        return Reply(await personal.archive(call.caller.user_id, call.path["id"], archived=False))

    async def mute(call: Call[Mute, None]) -> Reply:
        return Reply(await personal.mute(call.caller.user_id, call.path["id"], call.body.until))

    async def unmute(call: Call[None, None]) -> Reply:
        return Reply(await personal.unmute(call.caller.user_id, call.path["id"]))

    return [
        _route("archive", archive, "Take a conversation out of one's list"),
        _route("unarchive", unarchive, "Put a conversation back into one's list"),
        _route("mute", mute, "Hear nothing of a conversation for a while, or for good", body=Mute),
        _route("unmute", unmute, "Hear of a conversation again"),
    ]


def _route(action: str, handler: Handler, summary: str, body: type[Mute] | None = None) -> Route:
    return Route(
        method="POST",
        path=f"/v1/conversations/{{id}}/{action}",
        handler=handler,
        summary=summary,
        tag="conversations",
        row="conversation",
        body=body,
        returns={200: MyState},
        errors=(ErrorCode.NOT_FOUND, ErrorCode.FORBIDDEN),
    )
