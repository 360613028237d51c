"""Accounts under administration (HTTP reference §17)."""

from collections.abc import Mapping

from secureconnect.client.api.request import UNSET, Nothing, Unset, given, path
from secureconnect.client.http import Http, Json, part
from secureconnect.client.models.administration import AdminUser, AdminUserPage
from secureconnect.client.models.base import Moment

__all__ = ["AdminUsersApi"]

_USERS = "/v1/admin/users"


class AdminUsersApi:
    """`client.admin.users`. Reasons (10–500 characters) go to the audit log."""

    def __init__(self, http: Http) -> None:
        self._http = http

    async def list(
        self,
        *,
        search: str | None = None,
        status: str | None = None,
        sort_by: str | None = None,
        sort_order: str | None = None,
        cursor: str | None = None,
        limit: int | None = None,
    ) -> AdminUserPage:
        """Accounts of people.

        Args:
            search: a part of the e-mail, the username or the display name.
            status: online, offline, banned, deleted or all.
            sort_by: created_at, email, username, status or last_login_at.
            sort_order: ASC or DESC.
        """
        query = {
            "search": search,
            "status": status,
            "sort_by": sort_by,
            "sort_order": sort_order,
            "cursor": cursor,
            "limit": limit,
        }
        data = await self._http.call("GET", _USERS, Json, query=query)
        return AdminUserPage(
            items=part(data, "users", list[AdminUser]),
            next_cursor=part(data, "next_cursor", str | None),  # type: ignore[arg-type]
            has_more=part(data, "has_more", bool),
            total_count=part(data, "total_count", int),
        )

    async def get(self, user_id: str) -> AdminUser:
        """One account."""
        return await self._user("GET", path(f"{_USERS}/{{}}", user_id))

    async def create(
        self,
        *,
        email: str,
        username: str,
        password: str,
        display_name: str,
        role: str = "user",
        quota: int | None = None,
    ) -> AdminUser:
        """Make an account, also while registration is closed; `quota` in bytes."""
        body = {
            "email": email,
            "username": username,
            "password": password,
            "display_name": display_name,
            "role": role,
            "quota": quota,
        }
        return await self._user("POST", _USERS, body)

    async def update(
        self,
        user_id: str,
        *,
        role: str | Unset = UNSET,
        storage_quota: int | Unset | None = UNSET,
        email_verified: bool | Unset = UNSET,
    ) -> AdminUser:
        """Change the given fields; a quota of None is the common one.

        Raises:
            Conflict: the last server admin keeps the role.
        """
        body = given(role=role, storage_quota=storage_quota, email_verified=email_verified)
        return await self._user("PATCH", path(f"{_USERS}/{{}}", user_id), body)

    async def ban(self, user_id: str, reason: str, *, hours: float | None = None) -> Moment | None:
        """Keep a user out for some hours, without `hours` for good; returns when the ban ends.

        Raises:
            Conflict: the user is banned already, or a server admin.
        """
        body = {"user_id": user_id, "reason": reason, "permanent": hours is None}
        if hours is not None:
            body["duration"] = hours
        data = await self._http.call("POST", f"{_USERS}/ban", Json, json=body, once=True)
        return part(data, "banned_until", Moment | None)  # type: ignore[arg-type]

    async def unban(self, user_id: str, reason: str) -> None:
        """Lift a ban."""
        body = {"user_id": user_id, "reason": reason}
        await self._http.call("POST", f"{_USERS}/unban", Nothing, json=body, once=True)

    async def log_out(self, user_id: str, reason: str) -> None:
        """End all sessions of a user."""
        await self._act(user_id, "logout", reason)

    async def reset_mfa(self, user_id: str, reason: str) -> None:
        """Take the second factors of a user away."""
        await self._act(user_id, "reset-mfa", reason)

    async def delete(self, user_id: str, reason: str, *, immediate: bool = False) -> Moment:
        """Delete an account; returns when it is erased.

        Raises:
            Conflict: the user is a server admin.
            ReauthRequired: call `client.auth.reauthenticate` first.
        """
        body = {"reason": reason, "immediate": immediate}
        data = await self._http.call("DELETE", path(f"{_USERS}/{{}}", user_id), Json, json=body)
        return part(data, "erase_at", Moment)

    async def restore(self, user_id: str, reason: str) -> AdminUser:
        """Bring a deleted account back before it is erased."""
        return await self._user("POST", path(f"{_USERS}/{{}}/restore", user_id), {"reason": reason})

    async def _act(self, user_id: str, action: str, reason: str) -> None:
        place = path(f"{_USERS}/{{}}/{{}}", user_id, action)
        await self._http.call("POST", place, Nothing, json={"reason": reason}, once=True)

    async def _user(self, method: str, place: str, body: Mapping[str, object] | None = None) -> AdminUser:
        data = await self._http.call(method, place, Json, json=body, once=method == "POST")
        return part(data, "user", AdminUser)
