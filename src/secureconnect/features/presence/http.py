"""Routes of presence (docs/reference/http.md, presence)."""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from secureconnect.edge.http.routing import Call, Reply, Route
from secureconnect.edge.validation import UuidList
from secureconnect.features.presence.service import PresenceService, UserPresence
from secureconnect.features.presence.socket import Lifetimes
from secureconnect.features.users.api import Status

__all__ = ["routes"]


class SetPresence(Struct):
    """`online` false takes back what this session said; status and text count only with `online`."""

    online: bool
    status: Literal["online", "away", "busy"] = "online"
    status_text: Annotated[str, Meta(max_length=140)] | None = None


class OwnPresence(Struct, frozen=True):
    """The effective status over all devices, and for how many seconds this device's part holds."""

    status: Status
    expires_in: int


class PresenceQuery(Struct):
    """Whose presence is asked for."""

    user_ids: UuidList


class PresenceList(Struct, frozen=True):
    """Only users whose presence the caller may see."""

    presence: list[UserPresence]


def routes(presence: PresenceService, lifetimes: Lifetimes, *, ttl: float) -> list[Route]:
    """Setting one's own presence without a socket, reading that of others."""

    async def set_presence(call: Call[SetPresence, None]) -> Reply:
        body = call.body
        if body.online:
            status = await lifetimes.say(call.caller, body.status, body.status_text)
        else:
            status = await lifetimes.clear(call.caller)
        return Reply(OwnPresence(status, int(ttl)))

    async def get_presence(call: Call[None, PresenceQuery]) -> Reply:
        return Reply(PresenceList(await presence.read(call.caller.user_id, call.query.user_ids)))

    return [
        Route(
            method="POST",
            path="/v1/presence",
            handler=set_presence,
            summary="Say that this device is here, for clients without a socket",
            tag="presence",
            row="presence",
            body=SetPresence,
            returns={200: OwnPresence},
        ),
        Route(
            method="GET",
            path="/v1/presence",
            handler=get_presence,
            summary="The presence of others, as far as the caller may see it",
            tag="presence",
            row="presence",
            scope="presence:read",
            query=PresenceQuery,
            returns={200: PresenceList},
        ),
    ]
