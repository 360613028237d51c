"""Where the SFU tells its news, and the signaling socket as a route without an upgrade."""

from typing import Annotated

from msgspec import Meta, Struct

from secureconnect.edge.http.routing import Access, Reply, Route
from secureconnect.edge.http.routing import Call as Request
from secureconnect.edge.http.upgrades import socket_route
from secureconnect.edge.validation import Opaque, Uuid
from secureconnect.features.calls.service import SfuNews
from secureconnect.kit.errors import ErrorCode

__all__ = ["socket_routes"]


class Nothing(Struct, frozen=True):
    """No fields."""


class SignalingQuery(Struct):
    """The call; a ticket stands for the credential."""

    call_id: Uuid
    ticket: Annotated[Opaque, Meta(min_length=1, max_length=128)] | None = None


def socket_routes(news: SfuNews) -> list[Route]:
    """What is not for people."""

    async def webhook(request: Request[None, None]) -> Reply:
        authorization = request.headers.get(b"authorization", b"").decode("latin-1")
        await news.heard(request.raw, authorization)
        return Reply(Nothing())

    return [
        Route(
            method="POST",
            path="/v1/calls/livekit/webhook",
            handler=webhook,
            summary="What a LiveKit server tells, signed by it",
            tag="calls",
            access=Access.PUBLIC,
            row=None,
            raw=True,
            returns={200: Nothing},
            errors=(ErrorCode.UNAUTHORIZED,),
            replayable=False,
        ),
        socket_route(
            "/v1/ws/signaling",
            "The signaling socket of a call; needs a WebSocket upgrade",
            SignalingQuery,
            ErrorCode.CALL_ENDED,
        ),
    ]
