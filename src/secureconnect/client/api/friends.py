"""Friends and blocks (HTTP reference §6)."""

from secureconnect.client.api.request import UNSET, Nothing, given, path
from secureconnect.client.http import Http, Json, part
from secureconnect.client.models.base import Page
from secureconnect.client.models.people import Block, Friendship, PublicUser

__all__ = ["BlocksApi", "FriendsApi"]


class FriendsApi:
    """`client.friends`."""

    def __init__(self, http: Http) -> None:
        self._http = http

    async def list(
        self, *, cursor: str | None = None, limit: int | None = None, offset: int | None = None
    ) -> Page[PublicUser]:
        """The caller's friends by username."""
        return await self._http.page(
            "/v1/users/me/friends",
            "friends",
            PublicUser,
            cursor=cursor,
            limit=limit,
            query={"offset": offset},
        )

    async def requests(
        self, direction: str = "incoming", *, cursor: str | None = None, limit: int | None = None
    ) -> Page[Friendship]:
        """Open requests, `incoming` or `outgoing`, newest first."""
        return await self._http.page(
            "/v1/users/me/friend-requests",
            "requests",
            Friendship,
            cursor=cursor,
            limit=limit,
            query={"direction": direction},
        )

    async def ask(self, user_id: str) -> Friendship:
        """Ask for friendship; accepts when the other side already asked."""
        data = await self._http.call("POST", path("/v1/users/{}/friend", user_id), Json, once=True)
        return part(data, "friendship", Friendship)

    async def withdraw(self, user_id: str) -> None:
        """Take back one's own request."""
        await self._http.call("DELETE", path("/v1/users/{}/friend", user_id), Nothing)

    async def accept(self, user_id: str) -> Friendship:
        """Accept the request of `user_id`."""
        data = await self._http.call("POST", path("/v1/users/me/friends/{}/accept", user_id), Json, once=True)
        return part(data, "friendship", Friendship)

    async def reject(self, user_id: str) -> None:
        """Refuse the request of `user_id`, who is not told."""
        await self._http.call("DELETE", path("/v1/users/me/friends/{}/reject", user_id), Nothing)

    async def remove(self, user_id: str) -> None:
        """End a friendship."""
        await self._http.call("DELETE", path("/v1/users/me/friends/{}", user_id), Nothing)


class BlocksApi:
    """`client.blocks`."""

    def __init__(self, http: Http) -> None:
        self._http = http

    async def list(
        self, *, cursor: str | None = None, limit: int | None = None, offset: int | None = None
    ) -> Page[Block]:
        """Whom the caller blocked."""
        return await self._http.page(
            "/v1/users/me/blocked",
            "blocked_users",
            Block,
            cursor=cursor,
            limit=limit,
            query={"offset": offset},
        )

    async def add(self, user_id: str, reason: str | None = None) -> None:
        """Block; ends a friendship. The other side is not told."""
        body = given(reason=reason or UNSET)
        await self._http.call("POST", path("/v1/users/{}/block", user_id), Nothing, json=body, once=True)

    async def remove(self, user_id: str) -> None:
        """Unblock; a former friendship is not restored."""
        await self._http.call("DELETE", path("/v1/users/{}/block", user_id), Nothing)
