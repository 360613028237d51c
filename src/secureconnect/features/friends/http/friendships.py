"""Friends and requests."""

from typing import Literal

from msgspec import Struct

from secureconnect.edge.http.paging import (
    Cursor,
    Limit,
    Listed,
    ListedByOffset,
    ListQuery,
    Paging,
)
from secureconnect.edge.http.routing import Call, Done, Reply, Route, done
from secureconnect.features.friends.rules import Direction, Request
from secureconnect.features.friends.service import Friendships, People, SeenFriendship
from secureconnect.features.users.api import PublicUser
from secureconnect.kit.clock import rfc3339
from secureconnect.kit.errors import ErrorCode
from secureconnect.kit.objects import Time

__all__ = ["Asked", "FriendPage", "Friendship", "RequestPage", "routes"]

_FRIENDS = "friends"
_REQUESTS = "friend-requests"


class Friendship(Struct, frozen=True, kw_only=True):
    """A friend or an open request; `direction` tells who asked."""

    user: PublicUser
    status: Literal["pending", "accepted"]
    direction: Direction
    created_at: Time
    updated_at: Time


class Asked(Struct, frozen=True, kw_only=True):
    """The relation after asking or accepting."""

    message: str
    friendship: Friendship


class FriendPage(ListedByOffset, frozen=True, kw_only=True):
    """Some friends, by username."""

    friends: list[PublicUser]


class RequestPage(Listed, frozen=True, kw_only=True):
    """Some open requests, newest first."""

    requests: list[Friendship]


class RequestQuery(Struct):
    """Whose requests, and where to go on."""

    direction: Request = "incoming"
    cursor: Cursor | None = None
    limit: Limit = 50


def routes(friendships: Friendships, people: People, paging: Paging) -> list[Route]:
    """The routes around friendship."""

    async def friends(call: Call[None, ListQuery]) -> Reply:
        (after,) = paging.after(call, _FRIENDS) or (None,)
        page = await people.friends(
            call.caller.user_id, after=after, offset=call.query.offset or 0, limit=call.query.limit
        )
        return Reply(FriendPage(friends=page.items, **paging.end(call, page, _FRIENDS)))

    async def requests(call: Call[None, RequestQuery]) -> Reply:
        direction = call.query.direction
        after = paging.after(call, _REQUESTS, direction)
        page = await friendships.requests(
            call.caller.user_id,
            direction,
            after=(after[0], after[1]) if after else None,
            limit=call.query.limit,
        )
        listed = [_render(seen) for seen in page.items]
        return Reply(RequestPage(requests=listed, **paging.end(call, page, _REQUESTS, direction)))

    async def ask(call: Call[None, None]) -> Reply:
        seen, accepted = await friendships.ask(call.caller, call.context, call.path["id"])
        if accepted:
            return Reply(Asked(message="You are friends now.", friendship=_render(seen)))
        return Reply(Asked(message="The request was made.", friendship=_render(seen)), 201)

    async def withdraw(call: Call[None, None]) -> Reply:
        await friendships.withdraw(call.caller, call.path["id"])
        return done("The request was withdrawn.")

    async def accept(call: Call[None, None]) -> Reply:
        seen = await friendships.accept(call.caller, call.context, call.path["id"])
        return Reply(Asked(message="You are friends now.", friendship=_render(seen)))

    async def reject(call: Call[None, None]) -> Reply:
        await friendships.reject(call.caller, call.context, call.path["id"])
        return done("The request was rejected.")

    async def remove(call: Call[None, None]) -> Reply:
        await friendships.remove(call.caller, call.context, call.path["id"])
        return done("You are not friends any more.")

    return [
        Route(
            method="GET",
            path="/v1/users/me/friends",
            handler=friends,
            summary="One's friends",
            tag="friends",
            row="friends",
            query=ListQuery,
            returns={200: FriendPage},
        ),
        Route(
            method="GET",
            path="/v1/users/me/friend-requests",
            handler=requests,
            summary="Open requests to or from oneself",
            tag="friends",
            row="friends",
            query=RequestQuery,
            returns={200: RequestPage},
        ),
        Route(
            method="POST",
            path="/v1/users/{id}/friend",
            handler=ask,
            summary="Ask for friendship, or accept when the other side already asked",
            tag="friends",
            row="friend_request",
            returns={200: Asked, 201: Asked},
            errors=(
                ErrorCode.NOT_FOUND,
                ErrorCode.FORBIDDEN,
                ErrorCode.CONFLICT,
                ErrorCode.LIMIT_REACHED,
            ),
        ),
        Route(
            method="DELETE",
            path="/v1/users/{id}/friend",
            handler=withdraw,
            summary="Withdraw one's own open request",
            tag="friends",
            row="friend_request",
            returns={200: Done},
            errors=(ErrorCode.NOT_FOUND,),
        ),
        Route(
            method="POST",
            path="/v1/users/me/friends/{id}/accept",
            handler=accept,
            summary="Accept the request of a user",
            tag="friends",
            row="friends",
            returns={200: Asked},
            errors=(ErrorCode.NOT_FOUND, ErrorCode.LIMIT_REACHED),
        ),
        Route(
            method="DELETE",
            path="/v1/users/me/friends/{id}/reject",
            handler=reject,
            summary="Reject the request of a user, who is not told",
            tag="friends",
            row="friends",
            returns={200: Done},
            errors=(ErrorCode.NOT_FOUND,),
        ),
        Route(
            method="DELETE",
            path="/v1/users/me/friends/{id}",
            handler=remove,
            summary="End a friendship",
            tag="friends",
            row="friends",
            returns={200: Done},
            errors=(ErrorCode.NOT_FOUND,),
        ),
    ]


def _render(seen: SeenFriendship) -> Friendship:
    return Friendship(
        user=seen.user,
        status=seen.friendship.status,
        direction=seen.direction,
        created_at=rfc3339(seen.friendship.created_at),
        updated_at=rfc3339(seen.friendship.updated_at),
    )
