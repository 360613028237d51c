"""Routes of the life of a call."""

from typing import Annotated, Literal

from msgspec import Meta, Struct
from msgspec.structs import asdict

from secureconnect.edge.http.routing import Call as Request
from secureconnect.edge.http.routing import Done, Reply, Route, done
from secureconnect.edge.validation import Opaque, Uuid
from secureconnect.features.calls.api import Call, CallStatus, CallType
from secureconnect.features.calls.service import (
    Admissions,
    AnswerService,
    CallReadService,
    InitiateService,
)
from secureconnect.features.calls.service.admitting import Ice, IceServerObject, SfuEntrance
from secureconnect.features.calls.service.reading import CallsPage
from secureconnect.kit.errors import ErrorCode
from secureconnect.kit.objects import Id

__all__ = ["call_routes"]

_Cursor = Annotated[Opaque, Meta(min_length=1, max_length=512)]
_People = Annotated[list[Uuid], Meta(min_length=1, max_length=50)]


class Initiate(Struct):
    """A call to some of the members of a conversation."""

    call_type: CallType
    conversation_id: Uuid
    callee_ids: _People
    topology: Literal["auto", "mesh", "sfu"] = "auto"


class InitiatedCall(Call, frozen=True, kw_only=True):
    """A call that rings, with what its caller needs to get in; `sfu` is null in a mesh."""

    ice_servers: list[IceServerObject]
    signaling_path: str
    sfu: SfuEntrance | None


class JoinCall(Struct):
    """With `takeover` the call moves here from another session of the caller."""

    takeover: bool = False


class JoinedCall(Struct, frozen=True):
    """What the caller needs to get in; `sfu` is null in a mesh."""

    message: str
    call_id: Id
    call: Call
    ice_servers: list[IceServerObject]
    signaling_path: str
    sfu: SfuEntrance | None


class InviteMore(Struct):
    """More members to call."""

    user_ids: _People


class Invited(Struct, frozen=True):
    """For whom the call begins to ring."""

    invited: list[Id]


class Decline(Struct):
    """Why not."""

    reason: Literal["declined", "busy"] | None = None


class LeftCall(Struct, frozen=True):
    """The caller is not in the call."""

    message: str
    call_id: Id


class EndedCall(Struct, frozen=True):
    """How the call ended; `duration` in seconds."""

    message: str
    call_id: Id
    status: CallStatus
    duration: int


class CallsQuery(Struct):
    """A page of the caller's calls."""

    conversation_id: Uuid | None = None
    status: CallStatus | None = None
    direction: Literal["incoming", "outgoing"] | None = None
    cursor: _Cursor | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 20


class Rating(Struct):
    """How a call was, from bad (1) to good (5)."""

    rating: Annotated[int, Meta(ge=1, le=5)]
    comment: Annotated[str, Meta(max_length=500)] | None = None


def call_routes(
    initiating: InitiateService,
    answering: AnswerService,
    reading: CallReadService,
    admissions: Admissions,
) -> list[Route]:
    """From calling somebody to rating how it was."""

    async def initiate(request: Request[Initiate, None]) -> Reply:
        body = request.body
        begun = await initiating.initiate(
            request.caller,
            request.context,
            body.conversation_id,
            body.call_type,
            body.callee_ids,
            body.topology,
        )
        admission = begun.admission
        fields = {name: getattr(begun.call, name) for name in Call.__struct_fields__}
        return Reply(
            InitiatedCall(
                **fields,
                ice_servers=admission.ice_servers,
                signaling_path=admission.signaling_path,
                sfu=admission.sfu,
            ),
            201,
        )

    async def join(request: Request[JoinCall, None]) -> Reply:
        call_id = request.path["id"]
        changed = await answering.join(
            request.caller, request.context, call_id, takeover=request.body.takeover
        )
        admission = admissions.admit(changed.after, request.caller.user_id)
        return Reply(
            JoinedCall(
                "You are in the call.",
                call_id,
                await reading.shown(changed.after),
                admission.ice_servers,
                admission.signaling_path,
                admission.sfu,
            )
        )

    async def invite(request: Request[InviteMore, None]) -> Reply:
        rung = await answering.invite(
            request.caller, request.context, request.path["id"], request.body.user_ids
        )
        return Reply(Invited(rung))

    async def decline(request: Request[Decline, None]) -> Reply:
        await answering.decline(request.caller, request.context, request.path["id"], request.body.reason)
        return done("The call was declined.")

    async def leave(request: Request[None, None]) -> Reply:
        call_id = request.path["id"]
        await answering.leave(request.caller, request.context, call_id)
        return Reply(LeftCall("You are not in the call.", call_id))

    async def end(request: Request[None, None]) -> Reply:
        ended = await answering.end(request.caller, request.context, request.path["id"])
        return Reply(EndedCall("The call is over.", ended.call_id, ended.status, ended.duration))  # type: ignore[arg-type]  # one of them

    async def call(request: Request[None, None]) -> Reply:
        return Reply(await reading.call(request.caller, request.path["id"]))

    async def calls(request: Request[None, CallsQuery]) -> Reply:
        return Reply(await reading.history(request.caller, **asdict(request.query)))

    async def ice_servers(request: Request[None, None]) -> Reply:
        return Reply(admissions.ice(request.caller.user_id))

    async def rate(request: Request[Rating, None]) -> Reply:
        body = request.body
        await reading.rate(request.caller, request.path["id"], body.rating, body.comment)
        return done("The rating was stored.")

    invited_only = (ErrorCode.NOT_FOUND, ErrorCode.FORBIDDEN)
    durable = (*invited_only, ErrorCode.TIMELINE_UNAVAILABLE)
    return [
        Route(
            method="POST",
            path="/v1/calls/initiate",
            handler=initiate,
            summary="Call members of a conversation",
            tag="calls",
            row="calls_initiate",
            body=Initiate,
            returns={201: InitiatedCall},
            errors=(
                *durable,
                ErrorCode.CALL_CAPACITY_REACHED,
                ErrorCode.CALL_ALREADY_ACTIVE,
                ErrorCode.FEATURE_DISABLED,
                ErrorCode.SFU_UNAVAILABLE,
            ),
        ),
        Route(
            method="GET",
            path="/v1/calls",
            handler=calls,
            summary="The caller's calls, newest first",
            tag="calls",
            row="calls",
            query=CallsQuery,
            returns={200: CallsPage},
            errors=invited_only,
        ),
        Route(
            method="GET",
            path="/v1/calls/ice-servers",
            handler=ice_servers,
            summary="STUN and TURN servers, with credentials that expire",
            tag="calls",
            row="calls",
            returns={200: Ice},
        ),
        Route(
            method="GET",
            path="/v1/calls/{id}",
            handler=call,
            summary="One call",
            tag="calls",
            row="calls",
            returns={200: Call},
            errors=invited_only,
        ),
        Route(
            method="POST",
            path="/v1/calls/{id}/join",
            handler=join,
            critical=True,
            summary="Answer a call, come back to it, or take it over from another device",
            tag="calls",
            row="calls_join",
            body=JoinCall,
            returns={200: JoinedCall},
            errors=(
                *durable,
                ErrorCode.CALL_ENDED,
                ErrorCode.CALL_ANSWERED_ELSEWHERE,
                ErrorCode.CALL_CAPACITY_REACHED,
                ErrorCode.SFU_UNAVAILABLE,
            ),
        ),
        Route(
            method="POST",
            path="/v1/calls/{id}/invite",
            handler=invite,
            summary="Let a call ring for more members",
            tag="calls",
            row="calls",
            body=InviteMore,
            returns={200: Invited},
            errors=(*durable, ErrorCode.CALL_ENDED),
        ),
        Route(
            method="POST",
            path="/v1/calls/{id}/decline",
            handler=decline,
            summary="Do not answer a call",
            tag="calls",
            row="calls",
            body=Decline,
            returns={200: Done},
            errors=(*durable, ErrorCode.CALL_ENDED, ErrorCode.CONFLICT),
        ),
        Route(
            method="POST",
            path="/v1/calls/{id}/leave",
            handler=leave,
            critical=True,
            summary="Leave a call; not being in it is the same",
            tag="calls",
            row="calls",
            returns={200: LeftCall},
            errors=durable,
        ),
        Route(
            method="POST",
            path="/v1/calls/{id}/end",
            handler=end,
            critical=True,
            summary="End a call for everybody; one that is over stays as it is",
            tag="calls",
            row="calls",
            returns={200: EndedCall},
            errors=durable,
        ),
        Route(
            method="POST",
            path="/v1/calls/{id}/rating",
            handler=rate,
            summary="Rate a call that is over; the last value counts",
            tag="calls",
            row="calls",
            body=Rating,
            returns={200: Done},
            errors=(*invited_only, ErrorCode.CONFLICT),
        ),
    ]
