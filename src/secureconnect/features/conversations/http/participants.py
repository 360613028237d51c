"""Members: who, as what, coming and going."""

from secureconnect.edge.http.paging import Paging
from secureconnect.edge.http.routing import Call, Done, Reply, Route, done
from secureconnect.features.conversations.api import Conversation
from secureconnect.features.conversations.http.conversations import caller_of
from secureconnect.features.conversations.http.objects import (
    Added,
    AddParticipants,
    Participant,
    ParticipantPage,
    ParticipantQuery,
    SetRole,
    Transfer,
)
from secureconnect.features.conversations.service import (
    Membership,
    Participants,
    Roles,
    SeenParticipant,
)
from secureconnect.kit.clock import rfc3339
from secureconnect.kit.errors import ErrorCode

__all__ = ["routes"]

_LIST = "participants"
_ACCESS = (ErrorCode.NOT_FOUND, ErrorCode.FORBIDDEN)


def routes(participants: Participants, membership: Membership, roles: Roles, paging: Paging) -> list[Route]:
    """The routes around membership."""

    async def listed(call: Call[None, ParticipantQuery]) -> Reply:
        conversation_id = call.path["id"]
        after = paging.after(call, _LIST, conversation_id)
        page = await participants.listed(
            call.caller.user_id,
            conversation_id,
            after=(after[0], after[1]) if after else None,
            limit=call.query.limit,
        )
        people = [_render(seen) for seen in page.items]
        return Reply(ParticipantPage(participants=people, **paging.end(call, page, _LIST, conversation_id)))

    async def add(call: Call[AddParticipants, None]) -> Reply:
        added = await membership.add(caller_of(call), call.path["id"], call.body.user_ids)
        return Reply(
            Added(
                added=added.added,
                already_members=added.already_members,
                message=f"{len(added.added)} added.",
            )
        )

    async def remove(call: Call[None, None]) -> Reply:
        await membership.remove(caller_of(call), call.path["id"], call.path["user_id"])
        return done("The user is not a member any more.")

    async def set_role(call: Call[SetRole, None]) -> Reply:
        seen = await roles.set_role(caller_of(call), call.path["id"], call.path["user_id"], call.body.role)
        return Reply(_render(seen))

    async def leave(call: Call[None, None]) -> Reply:
        await membership.leave(caller_of(call), call.path["id"])
        return done("You are not a member any more.")

    async def transfer(call: Call[Transfer, None]) -> Reply:
        return Reply(await roles.transfer(caller_of(call), call.path["id"], call.body.user_id))

    return [
        Route(
            method="GET",
            path="/v1/conversations/{id}/participants",
            handler=listed,
            summary="Members of a conversation",
            tag="participants",
            row="participants",
            scope="members:read",
            query=ParticipantQuery,
            returns={200: ParticipantPage},
            errors=_ACCESS,
        ),
        Route(
            method="POST",
            path="/v1/conversations/{id}/participants",
            handler=add,
            summary="Add users to a group, all or nothing",
            tag="participants",
            row="participants",
            scope="members:write",
            body=AddParticipants,
            returns={200: Added},
            errors=(*_ACCESS, ErrorCode.CONFLICT, ErrorCode.LIMIT_REACHED),
        ),
        Route(
            method="DELETE",
            path="/v1/conversations/{id}/participants/{user_id}",
            handler=remove,
            summary="Remove a member; oneself to leave",
            tag="participants",
            row="participants",
            scope="members:write",
            returns={200: Done},
            errors=(*_ACCESS, ErrorCode.OWNERSHIP_TRANSFER_REQUIRED),
        ),
        Route(
            method="PATCH",
            path="/v1/conversations/{id}/participants/{user_id}",
            handler=set_role,
            summary="Give a member a role",
            tag="participants",
            row="participants",
            body=SetRole,
            returns={200: Participant},
            errors=_ACCESS,
        ),
        Route(
            method="POST",
            path="/v1/conversations/{id}/leave",
            handler=leave,
            summary="Leave a group",
            tag="participants",
            row="participants",
            returns={200: Done},
            errors=(*_ACCESS, ErrorCode.CONFLICT, ErrorCode.OWNERSHIP_TRANSFER_REQUIRED),
        ),
        Route(
            method="POST",
            path="/v1/conversations/{id}/transfer",
            handler=transfer,
            summary="Give a group to another member",
            tag="participants",
            row="participants",
            fresh=True,
            body=Transfer,
            returns={200: Conversation},
            errors=_ACCESS,
        ),
    ]


def _render(seen: SeenParticipant) -> Participant:
    user = seen.user
    return Participant(
        conversation_id=seen.conversation_id,
        user_id=user.user_id,
        role=seen.row.role,
        is_owner=seen.is_owner,
        joined_at=rfc3339(seen.row.joined_at),
        username=user.username,
        display_name=user.display_name,
        avatar_url=user.avatar_url,
        status=user.status,
        is_bot=user.is_bot,
        last_read_seq=seen.last_read_seq,
    )
