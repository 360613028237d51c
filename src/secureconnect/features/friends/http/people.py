"""Looking at other people."""

from typing import Annotated

from msgspec import Meta, Struct

from secureconnect.edge.http.paging import Cursor, Limit, Listed, Paging
from secureconnect.edge.http.routing import Call, Reply, Route
from secureconnect.features.friends.rules import Standing
from secureconnect.features.friends.service import People
from secureconnect.features.users.api import PublicUser
from secureconnect.kit.errors import ErrorCode

__all__ = ["Profile", "UserPage", "routes"]

_SEARCH = "user-search"
_MUTUAL = "mutual-friends"


class Profile(Struct, frozen=True, kw_only=True):
    """A user as the caller stands to them."""

    user: PublicUser
    friendship: Standing
    blocked_by_me: bool


class UserPage(Listed, frozen=True, kw_only=True):
    """Some people, by username."""

    users: list[PublicUser]


class SearchQuery(Struct):
    """Whom to look for: the start of a username or of a word of a display name, or a whole e-mail address."""

    q: Annotated[str, Meta(min_length=2, max_length=100, extra={"clean": "name"})]
    cursor: Cursor | None = None
    limit: Annotated[int, Meta(ge=1, le=50)] = 20


class MutualQuery(Struct):
    """Where to go on."""

    cursor: Cursor | None = None
    limit: Limit = 20


def routes(people: People, paging: Paging) -> list[Route]:
    """The routes that show people."""

    async def search(call: Call[None, SearchQuery]) -> Reply:
        text = call.query.q
        (after,) = paging.after(call, _SEARCH, text) or (None,)
        page = await people.search(call.caller.user_id, text, after=after, limit=call.query.limit)
        return Reply(UserPage(users=page.items, **paging.end(call, page, _SEARCH, text)))

    async def profile(call: Call[None, None]) -> Reply:
        seen = await people.profile(call.caller.user_id, call.path["id"])
        return Reply(Profile(user=seen.user, friendship=seen.friendship, blocked_by_me=seen.blocked_by_me))

    async def mutual_friends(call: Call[None, MutualQuery]) -> Reply:
        other, limit = call.path["id"], call.query.limit
        (after,) = paging.after(call, _MUTUAL, other) or (None,)
        page = await people.mutual_friends(call.caller.user_id, other, after=after, limit=limit)
        return Reply(UserPage(users=page.items, **paging.end(call, page, _MUTUAL, other)))

    return [
        Route(
            method="GET",
            path="/v1/users/search",
            handler=search,
            summary="Find people",
            tag="users",
            row="user_search",
            query=SearchQuery,
            returns={200: UserPage},
        ),
        Route(
            method="GET",
            path="/v1/users/{id}",
            handler=profile,
            summary="One user",
            tag="users",
            row="users",
            scope="users:read",
            returns={200: Profile},
            errors=(ErrorCode.NOT_FOUND,),
        ),
        Route(
            method="GET",
            path="/v1/users/{id}/mutual-friends",
            handler=mutual_friends,
            summary="Friends in common with a user",
            tag="friends",
            row="users",
            query=MutualQuery,
            returns={200: UserPage},
            errors=(ErrorCode.NOT_FOUND,),
        ),
    ]
