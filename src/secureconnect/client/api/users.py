"""Oneself and other people (HTTP reference §6)."""

from collections.abc import Mapping

from secureconnect.client.api.request import UNSET, Nothing, Unset, given, path
from secureconnect.client.http import Http, Json, part
from secureconnect.client.models.base import Moment, Page, walk
from secureconnect.client.models.people import Export, PublicUser, User, UserView

__all__ = ["UsersApi"]


class UsersApi:
    """`client.users`."""

    def __init__(self, http: Http) -> None:
        self._http = http

    async def me(self) -> User:
        """Oneself."""
        return await self._http.call("GET", "/v1/users/me", User)

    async def update(
        self,
        *,
        display_name: str | Unset = UNSET,
        username: str | Unset = UNSET,
        about: str | Unset | None = UNSET,
        status_text: str | Unset | None = UNSET,
        avatar_url: str | Unset | None = UNSET,
        privacy: Mapping[str, object] | Unset = UNSET,
    ) -> User:
        """Change the given fields; None clears. `privacy` is any subset of `Privacy`."""
        body = given(
            display_name=display_name,
            username=username,
            about=about,
            status_text=status_text,
            avatar_url=avatar_url,
            privacy=privacy,
        )
        return await self._http.call("PATCH", "/v1/users/me", User, json=body)

    async def set_avatar(self, file_id: str) -> User:
        """Show a picture made of a completed JPEG, PNG, GIF or WebP of one's own, at most 5 MiB."""
        return await self._http.call("PUT", "/v1/users/me/avatar", User, json={"file_id": file_id})

    async def remove_avatar(self) -> User:
        """Show none any more."""
        return await self._http.call("DELETE", "/v1/users/me/avatar", User)

    async def change_password(self, old: str, new: str) -> None:
        """Change the password; all other sessions end."""
        body = {"old_password": old, "new_password": new}
        await self._http.call("POST", "/v1/users/me/password", Nothing, json=body, once=True)

    async def change_email(self, new_email: str, password: str) -> None:
        """Let a token be mailed to the new address, and a notice to the present one.

        Raises:
            InvalidCredentials: wrong password.
            Conflict: the address is taken.
        """
        body = {"new_email": new_email, "password": password}
        await self._http.call("POST", "/v1/users/me/email", Nothing, json=body)

    async def confirm_email(self, token: str) -> User:
        """Take the new address with the mailed token; all other sessions end.

        Raises:
            Unauthorized: `INVALID_TOKEN`: unknown, used, too old, or of somebody else.
            Conflict: the address was taken meanwhile.
        """
        body = {"token": token}
        return await self._http.call("POST", "/v1/users/me/email/verify", User, json=body)

    async def delete_account(self) -> Moment:
        """Delete one's account; returns when it is erased.

        Raises:
            ReauthRequired: call `client.auth.reauthenticate` first.
        """
        return part(await self._http.call("DELETE", "/v1/users/me", Json), "erase_at", Moment)

    async def begin_export(self) -> str:
        """Let everything that the server keeps about oneself be put together; returns the id of the export.

        Raises:
            ReauthRequired: call `client.auth.reauthenticate` first.
            Conflict: one is being made.
            RateLimited: there was one within 24 hours.
        """
        begun = await self._http.call("POST", "/v1/users/me/export", Json, once=True)
        return part(begun, "export_id", str)

    async def export(self, export_id: str) -> Export:
        """How an export stands, and where to download it."""
        return await self._http.call("GET", path("/v1/users/me/export/{}", export_id), Export)

    async def search(
        self, text: str, *, cursor: str | None = None, limit: int | None = None
    ) -> Page[PublicUser]:
        """Users whose username, or a word of whose display name, begins with `text` (2 or more)."""
        return await self._http.page(
            "/v1/users/search", "users", PublicUser, cursor=cursor, limit=limit, query={"q": text}
        )

    async def find(self, username: str) -> PublicUser | None:
        """The user with exactly this username, without regard to case; None when nobody is found."""
        wanted = username.casefold()
        if len(wanted) < 3:  # no username is that short, and the search would refuse it
            return None
        async for user in walk(self.search, username, limit=50):
            if user.username is not None and user.username.casefold() == wanted:
                return user
        return None

    async def get(self, user_id: str) -> UserView:
        """A user, and how the caller stands to them."""
        return await self._http.call("GET", path("/v1/users/{}", user_id), UserView)

    async def mutual_friends(
        self, user_id: str, *, cursor: str | None = None, limit: int | None = None
    ) -> Page[PublicUser]:
        """Friends of both."""
        return await self._http.page(
            path("/v1/users/{}/mutual-friends", user_id), "users", PublicUser, cursor=cursor, limit=limit
        )
