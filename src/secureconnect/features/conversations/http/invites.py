"""Links that let people join."""

from secureconnect.edge.http.paging import Paging
from secureconnect.edge.http.routing import Call, Done, Reply, Route, done
from secureconnect.features.conversations.api import Conversation
from secureconnect.features.conversations.http.conversations import caller_of
from secureconnect.features.conversations.http.objects import (
    CreateInvite,
    Invite,
    InvitePage,
    InvitePreview,
    InviteQuery,
)
from secureconnect.features.conversations.service import Invites, SeenInvite
from secureconnect.kit.clock import rfc3339
from secureconnect.kit.errors import ErrorCode

__all__ = ["routes"]

_LIST = "invites"
_ACCESS = (ErrorCode.NOT_FOUND, ErrorCode.FORBIDDEN)


def routes(invites: Invites, paging: Paging) -> list[Route]:
    """The routes around invites."""

    async def create(call: Call[CreateInvite, None]) -> Reply:
        seen = await invites.create(
            caller_of(call),
            call.path["id"],
            expires_in=call.body.expires_in,
            max_uses=call.body.max_uses,
        )
        return Reply(_render(seen), 201)

    async def listed(call: Call[None, InviteQuery]) -> Reply:
        conversation_id = call.path["id"]
        after = paging.after(call, _LIST, conversation_id)
        page = await invites.listed(
            call.caller.user_id,
            conversation_id,
            after=(after[0], after[1]) if after else None,
            limit=call.query.limit,
        )
        shown = [_render(seen) for seen in page.items]
        return Reply(InvitePage(invites=shown, **paging.end(call, page, _LIST, conversation_id)))

    async def revoke(call: Call[None, None]) -> Reply:
        await invites.revoke(caller_of(call), call.path["id"], call.path["invite_id"])
        return done("The invite lets nobody in any more.")

    async def preview(call: Call[None, None]) -> Reply:
        seen = await invites.preview(call.caller.user_id, call.path["code"])
        record = seen.record
        return Reply(
            InvitePreview(
                conversation_id=record.conversation_id,
                title=record.title,
                avatar_url=record.avatar_url,
                member_count=record.member_count,
                is_e2ee_enabled=record.settings.is_e2ee_enabled,
                already_member=seen.already_member,
            )
        )

    async def join(call: Call[None, None]) -> Reply:
        return Reply(await invites.join(caller_of(call), call.path["code"]))

    return [
        Route(
            method="POST",
            path="/v1/conversations/{id}/invites",
            handler=create,
            summary="Make a link that lets people join",
            tag="invites",
            row="invites",
            body=CreateInvite,
            returns={201: Invite},
            errors=(*_ACCESS, ErrorCode.CONFLICT, ErrorCode.LIMIT_REACHED),
        ),
        Route(
            method="GET",
            path="/v1/conversations/{id}/invites",
            handler=listed,
            summary="Links that let somebody in now",
            tag="invites",
            row="invites",
            query=InviteQuery,
            returns={200: InvitePage},
            errors=_ACCESS,
        ),
        Route(
            method="DELETE",
            path="/v1/conversations/{id}/invites/{invite_id}",
            handler=revoke,
            summary="End a link",
            tag="invites",
            row="invites",
            returns={200: Done},
            errors=_ACCESS,
        ),
        Route(
            method="GET",
            path="/v1/invites/{code}",
            handler=preview,
            summary="What a link leads to",
            tag="invites",
            row="invites",
            returns={200: InvitePreview},
            errors=(ErrorCode.NOT_FOUND,),
        ),
        Route(
            method="POST",
            path="/v1/invites/{code}/join",
            handler=join,
            summary="Join a group by a link",
            tag="invites",
            row="invites",
            returns={200: Conversation},
            errors=(*_ACCESS, ErrorCode.LIMIT_REACHED),
        ),
    ]


def _render(seen: SeenInvite) -> Invite:
    invite = seen.invite
    return Invite(
        invite_id=invite.invite_id,
        conversation_id=invite.conversation_id,
        code=seen.code,
        url=seen.url,
        created_by=invite.created_by,
        created_at=rfc3339(invite.created_at),
        expires_at=rfc3339(invite.expires_at),
        max_uses=invite.max_uses,
        uses=invite.uses,
    )
