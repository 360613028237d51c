"""Blocks."""

from typing import Annotated

from msgspec import Meta, Struct

from secureconnect.edge.http.paging import ListedByOffset, ListQuery, Paging
from secureconnect.edge.http.routing import Call, Done, Reply, Route, done
from secureconnect.features.friends.service import Blocks, SeenBlock
from secureconnect.features.users.api import PublicUser
from secureconnect.kit.clock import rfc3339
from secureconnect.kit.errors import ErrorCode
from secureconnect.kit.objects import Time

__all__ = ["Block", "BlockPage", "routes"]

_BLOCKED = "blocked"


class Block(Struct, frozen=True, kw_only=True):
    """Somebody whom the caller blocked."""

    user: PublicUser
    reason: str | None
    created_at: Time


class BlockPage(ListedByOffset, frozen=True, kw_only=True):
    """Some blocks, newest first."""

    blocked_users: list[Block]


class BlockBody(Struct):
    """Why; only the caller ever reads it."""

    reason: Annotated[str, Meta(min_length=3, max_length=500)] | None = None


def routes(blocks: Blocks, paging: Paging) -> list[Route]:
    """The routes around blocks."""

    async def listed(call: Call[None, ListQuery]) -> Reply:
        after = paging.after(call, _BLOCKED)
        page = await blocks.listed(
            call.caller.user_id,
            after=(after[0], after[1]) if after else None,
            offset=call.query.offset or 0,
            limit=call.query.limit,
        )
        blocked = [_render(seen) for seen in page.items]
        return Reply(BlockPage(blocked_users=blocked, **paging.end(call, page, _BLOCKED)))

    async def block(call: Call[BlockBody, None]) -> Reply:
        new = await blocks.block(call.caller, call.context, call.path["id"], call.body.reason)
        return done("The user is blocked.", 201 if new else 200)

    async def unblock(call: Call[None, None]) -> Reply:
        await blocks.unblock(call.caller, call.context, call.path["id"])
        return done("The user is not blocked any more.")

    return [
        Route(
            method="GET",
            path="/v1/users/me/blocked",
            handler=listed,
            summary="Whom one blocked",
            tag="blocks",
            row="block",
            query=ListQuery,
            returns={200: BlockPage},
        ),
        Route(
            method="POST",
            path="/v1/users/{id}/block",
            handler=block,
            summary="Block a user, or replace the reason",
            tag="blocks",
            row="block",
            body=BlockBody,
            returns={200: Done, 201: Done},
            errors=(ErrorCode.NOT_FOUND,),
        ),
        Route(
            method="DELETE",
            path="/v1/users/{id}/block",
            handler=unblock,
            summary="Lift a block",
            tag="blocks",
            row="block",
            returns={200: Done},
            errors=(ErrorCode.NOT_FOUND,),
        ),
    ]


def _render(seen: SeenBlock) -> Block:
    return Block(user=seen.user, reason=seen.block.reason, created_at=rfc3339(seen.block.created_at))
