"""Routes of sessions, keys and socket tickets (docs/reference/http.md, sessions, sockets, admin)."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from secureconnect.edge.http.answers import PageReply
from secureconnect.edge.http.front import Page as PageRoute
from secureconnect.edge.http.paging import Cursor, Limit, Listed, Paging
from secureconnect.edge.http.routing import Access as Who
from secureconnect.edge.http.routing import Call, Done, Reply, Route, done
from secureconnect.edge.http.upgrades import socket_route
from secureconnect.edge.realtime.base import CallDoor, Memberships
from secureconnect.edge.validation import Opaque, Uuid
from secureconnect.features.sessions.api import Tokens
from secureconnect.features.sessions.service import KeyRing, SessionService, Tickets
from secureconnect.features.sessions.service.tickets import TICKET_SECONDS
from secureconnect.kit.clock import rfc3339
from secureconnect.kit.errors import ApiError, ErrorCode, invalid
from secureconnect.kit.ids import normalise_uuid
from secureconnect.kit.objects import Id, Time
from secureconnect.kit.pagination import Cursors

__all__ = ["pages", "routes"]


class RefreshBody(Struct):
    refresh_token: Annotated[Opaque, Meta(min_length=1, max_length=2048)]


class LogoutBody(Struct):
    session_id: Uuid | None = None


class SessionsQuery(Struct):
    cursor: Cursor | None = None
    limit: Limit = 50


class Session(Struct, frozen=True, kw_only=True):
    """One login on one device."""

    session_id: Id
    device_name: str | None
    ip: str
    user_agent: str | None
    created_at: Time
    last_used_at: Time
    current: bool


class SessionPage(Listed, frozen=True, kw_only=True):
    """Live sessions, newest first."""

    sessions: list[Session]


class Revoked(Struct, frozen=True):
    """How many sessions ended."""

    revoked: int


class TicketBody(Struct):
    """What the socket is for; a signaling socket needs `call_id`."""

    purpose: Literal["chat", "signaling"] = "chat"
    conversation_id: Uuid | None = None
    call_id: Uuid | None = None


class Ticket(Struct, frozen=True):
    """A single-use credential for one socket."""

    ticket: str
    expires_in: int


class RotatedKey(Struct, frozen=True):
    """The key that signs from now on."""

    kid: str
    previous_valid_until: Time


class ChatQuery(Struct):
    """With a conversation, only what concerns it arrives; a ticket stands for the credential."""

    conversation_id: Uuid | None = None
    ticket: Annotated[Opaque, Meta(min_length=1, max_length=128)] | None = None


def routes(
    service: SessionService,
    tickets: Tickets,
    memberships: Memberships,
    calls: CallDoor,
    cursors: Cursors,
) -> list[Route]:
    """Everything about sessions that is not a login."""
    paging = Paging(cursors)

    async def refresh(call: Call[RefreshBody, None]) -> Reply:
        return Reply(await service.refresh(call.body.refresh_token, call.context))

    async def logout(call: Call[LogoutBody, None]) -> Reply:
        named = call.body.session_id
        header = call.headers.get(b"x-session-id")
        if named is None and header is not None:
            named = normalise_uuid(header.decode("latin-1"))
            if named is None:
                raise invalid("X-Session-ID", "not a UUID")
        await service.end(call.caller, call.context, named or call.caller.session_id, "logout")
        return done("Logged out.")

    async def list_sessions(call: Call[None, SessionsQuery]) -> Reply:
        after = paging.after(call, "sessions")
        page = await service.page(
            call.caller, after=(after[0], after[1]) if after else None, limit=call.query.limit
        )
        rows = [
            Session(
                session_id=row.session_id,
                device_name=row.device_name,
                ip=row.ip,
                user_agent=row.user_agent,
                created_at=rfc3339(row.created_at),
                last_used_at=rfc3339(row.last_used_at),
                current=row.session_id == call.caller.session_id,
            )
            for row in page.items
        ]
        return Reply(SessionPage(sessions=rows, **paging.end(call, page, "sessions")))

    async def end(call: Call[None, None]) -> Reply:
        await service.end(call.caller, call.context, call.path["session_id"], "revoked")
        return done("The session has ended.")

    async def end_others(call: Call[None, None]) -> Reply:
        return Reply(Revoked(await service.end_others(call.caller, call.context)))

    async def ticket(call: Call[TicketBody, None]) -> Reply:
        body, user_id = call.body, call.caller.user_id
        bound = body.conversation_id
        if body.purpose == "signaling":
            bound = body.call_id
            if bound is None:
                raise invalid("call_id", "needed for a signaling socket")
            if body.conversation_id is not None:
                raise invalid("conversation_id", "only for a chat socket")
            if call.caller.kind == "bot":
                raise ApiError(ErrorCode.INSUFFICIENT_SCOPE, "Calls are for people.")
            await calls.require(user_id, bound)
        elif body.call_id is not None:
            raise invalid("call_id", "only for a signaling socket")
        elif bound is not None:
            await memberships.require(user_id, bound)
        return Reply(Ticket(await tickets.issue(call.caller, bound, body.purpose), TICKET_SECONDS), 201)

    async def rotate(call: Call[None, None]) -> Reply:
        kid, until = await service.rotate_keys(call.caller, call.context)
        return Reply(RotatedKey(kid, rfc3339(until)))

    return [
        Route(
            method="POST",
            path="/v1/auth/refresh",
            handler=refresh,
            critical=True,
            summary="New tokens for a refresh token",
            tag="sessions",
            access=Who.PUBLIC,
            row="refresh",
            body=RefreshBody,
            returns={200: Tokens},
            errors=(ErrorCode.INVALID_TOKEN, ErrorCode.TOKEN_REUSED),
        ),
        Route(
            method="POST",
            path="/v1/auth/logout",
            handler=logout,
            critical=True,
            summary="End the current or another own session",
            tag="sessions",
            body=LogoutBody,
            returns={200: Done},
            errors=(ErrorCode.NOT_FOUND,),
            replayable=False,
        ),
        Route(
            method="GET",
            path="/v1/auth/sessions",
            handler=list_sessions,
            summary="Own sessions",
            tag="sessions",
            query=SessionsQuery,
            returns={200: SessionPage},
        ),
        Route(
            method="DELETE",
            path="/v1/auth/sessions/{session_id}",
            handler=end,
            summary="End one own session",
            tag="sessions",
            returns={200: Done},
            errors=(ErrorCode.NOT_FOUND,),
        ),
        Route(
            method="DELETE",
            path="/v1/auth/sessions",
            handler=end_others,
            summary="End all own sessions but the current one",
            tag="sessions",
            returns={200: Revoked},
        ),
        Route(
            method="POST",
            path="/v1/ws/tickets",
            handler=ticket,
            summary="A single-use ticket for a socket",
            tag="sockets",
            row="ws_tickets",
            scope="messages:read",
            body=TicketBody,
            returns={201: Ticket},
            errors=(ErrorCode.NOT_FOUND, ErrorCode.FORBIDDEN, ErrorCode.CALL_ENDED),
            replayable=False,
        ),
        socket_route(
            "/v1/ws/chat", "The chat socket; without an upgrade there is nothing to read", ChatQuery
        ),
        Route(
            method="POST",
            path="/v1/admin/keys/rotate",
            handler=rotate,
            summary="Sign access tokens with a new key",
            tag="admin",
            access=Who.ADMIN,
            row="admin_users",
            fresh=True,
            returns={200: RotatedKey},
        ),
    ]


def pages(keyring: KeyRing) -> list[PageRoute]:
    """The published keys."""

    async def jwks(_: object) -> PageReply:
        return PageReply(msgspec.json.encode(keyring.jwks()), headers=[(b"cache-control", b"max-age=300")])

    return [PageRoute("/.well-known/jwks.json", jwks)]
