"""Where the SFU tells its news, and the signaling socket as a route without an upgrade."""

from typing import Annotated

from msgspec import Meta, Struct

from secureconnect.edge.http.routing import Access, Reply, Route
from secureconnect.edge.http.routing import Call as Request
from secureconnect.edge.validation import Opaque, Uuid
from secureconnect.features.calls.service import SfuNews
from secureconnect.kit.errors import ApiError, ErrorCode

__all__ = ["socket_routes"]


class Nothing(Struct, frozen=True):
    """No fields."""


class SignalingQuery(Struct):
    """The call; a ticket stands for the credential."""

    call_id: Uuid
    ticket: Annotated[Opaque, Meta(min_length=1, max_length=128)] | None = None


# Without an upgrade there is one answer; the others refuse upgrades.
_UPGRADE_ERRORS = (
    ErrorCode.UPGRADE_REQUIRED,
    ErrorCode.UNAUTHORIZED,
    ErrorCode.TOKEN_EXPIRED,
    ErrorCode.TOKEN_REVOKED,
    ErrorCode.FORBIDDEN,
    ErrorCode.INSUFFICIENT_SCOPE,
    ErrorCode.ORIGIN_NOT_ALLOWED,
    ErrorCode.NOT_FOUND,
    ErrorCode.CALL_ENDED,
    ErrorCode.RATE_LIMIT_EXCEEDED,
    ErrorCode.USER_CONNECTION_LIMIT,
    ErrorCode.TOO_MANY_CONNECTIONS,
)


def socket_routes(news: SfuNews) -> list[Route]:
    """What is not for people."""

    async def webhook(request: Request[None, None]) -> Reply:
        authorization = request.headers.get(b"authorization", b"").decode("latin-1")
        await news.heard(request.raw, authorization)
        return Reply(Nothing())

    async def signaling(_: Request[None, SignalingQuery]) -> Reply:
        raise ApiError(ErrorCode.UPGRADE_REQUIRED, "This path takes WebSocket upgrades.")

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
        Route(
            method="GET",
            path="/v1/ws/signaling",
            handler=signaling,
            summary="The signaling socket of a call; needs a WebSocket upgrade",
            tag="sockets",
            access=Access.PUBLIC,
            row=None,
            query=SignalingQuery,
            returns={},
            errors=_UPGRADE_ERRORS,
        ),
    ]
