"""Routes of accounts under administration."""

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from secureconnect.edge.http.paging import Cursor, Limit, Listed, Paging
from secureconnect.edge.http.routing import Access, Call, Done, Reply, Route, done
from secureconnect.features.admin.http.objects import (
    AdminUser,
    Quota,
    Reason,
    ReasonBody,
    UserAnswer,
    admin_of,
    render,
)
from secureconnect.features.admin.service import Changes, NewAccount, UserAdministration
from secureconnect.features.users.api import AccountsWanted, DisplayName, Email, Username
from secureconnect.kit.clock import rfc3339
from secureconnect.kit.errors import ErrorCode
from secureconnect.kit.objects import Time

__all__ = ["routes"]

_Role = Literal["user", "admin"]


class UsersQuery(Struct):
    search: Annotated[str, Meta(min_length=1, max_length=100)] | None = None
    status: Literal["online", "offline", "banned", "deleted", "all"] = "all"
    sort_by: Literal["created_at", "email", "username", "status", "last_login_at"] = "created_at"
    sort_order: Literal["ASC", "DESC"] = "DESC"
    cursor: Cursor | None = None
    limit: Limit = 50


class NewUserBody(Struct):
    """As at registration; `quota` in bytes."""

    email: Email
    username: Username
    password: Annotated[str, Meta(min_length=8, max_length=1024, extra={"clean": "words"})]
    display_name: DisplayName
    role: _Role = "user"
    quota: Quota | None = None


class PatchUser(Struct):
    """Absent fields stay; a quota of null is the common one again."""

    role: _Role | UnsetType = UNSET
    storage_quota: Quota | UnsetType | None = UNSET
    email_verified: bool | UnsetType = UNSET


class DeleteBody(Struct):
    """`immediate` does not wait for `privacy.erase_delay_days`."""

    reason: Reason
    immediate: bool = False


class UserPage(Listed, frozen=True, kw_only=True):
    """Accounts of people, bots apart."""

    users: list[AdminUser]
    total_count: int


class EraseAt(Struct, frozen=True):
    """When the account will be erased."""

    erase_at: Time


def routes(users: UserAdministration, paging: Paging) -> list[Route]:
    """Listing, making, changing, ending and bringing back."""

    async def list_users(call: Call[None, UsersQuery]) -> Reply:
        query = call.query
        wanted = AccountsWanted(
            query.search,
            query.status if query.status != "all" else None,
            query.sort_by,
            query.sort_order == "DESC",
        )
        place = ("admin-users", query.search or "", query.status, query.sort_by, query.sort_order)
        after = paging.after(call, *place)
        page, total = await users.page(
            admin_of(call), wanted, after=(after[0], after[1]) if after else None, limit=query.limit
        )
        return Reply(
            UserPage(
                users=[render(shown) for shown in page.items],
                total_count=total,
                **paging.end(call, page, *place),
            )
        )

    async def create(call: Call[NewUserBody, None]) -> Reply:
        body = call.body
        shown = await users.create(
            admin_of(call),
            NewAccount(body.email, body.username, body.password, body.display_name, body.role, body.quota),
        )
        return Reply(UserAnswer(render(shown)), 201)

    async def one(call: Call[None, None]) -> Reply:
        return Reply(UserAnswer(render(await users.one(admin_of(call), call.path["id"]))))

    async def change(call: Call[PatchUser, None]) -> Reply:
        body = call.body
        changes = Changes(body.role, body.storage_quota, body.email_verified)
        return Reply(UserAnswer(render(await users.change(admin_of(call), call.path["id"], changes))))

    async def log_out(call: Call[ReasonBody, None]) -> Reply:
        await users.log_out(admin_of(call), call.path["id"], call.body.reason)
        return done("All sessions of the user have ended.")

    async def reset_mfa(call: Call[ReasonBody, None]) -> Reply:
        await users.reset_factors(admin_of(call), call.path["id"], call.body.reason)
        return done("The user has no second factor any more.")

    async def delete(call: Call[DeleteBody, None]) -> Reply:
        body = call.body
        erase_at = await users.delete(admin_of(call), call.path["id"], body.reason, immediate=body.immediate)
        return Reply(EraseAt(rfc3339(erase_at)), 202)

    async def restore(call: Call[ReasonBody, None]) -> Reply:
        shown = await users.restore(admin_of(call), call.path["id"], call.body.reason)
        return Reply(UserAnswer(render(shown)))

    return [
        Route(
            method="GET",
            path="/v1/admin/users",
            handler=list_users,
            summary="All accounts",
            tag="admin",
            access=Access.ADMIN,
            row="admin_users",
            query=UsersQuery,
            returns={200: UserPage},
        ),
        Route(
            method="POST",
            path="/v1/admin/users",
            handler=create,
            summary="Make an account for somebody",
            tag="admin",
            access=Access.ADMIN,
            row="admin_users",
            body=NewUserBody,
            returns={201: UserAnswer},
            errors=(ErrorCode.CONFLICT,),
        ),
        Route(
            method="GET",
            path="/v1/admin/users/{id}",
            handler=one,
            summary="One account",
            tag="admin",
            access=Access.ADMIN,
            row="admin_users",
            returns={200: UserAnswer},
            errors=(ErrorCode.NOT_FOUND,),
        ),
        Route(
            method="PATCH",
            path="/v1/admin/users/{id}",
            handler=change,
            summary="Change role, quota or whether the address is verified",
            tag="admin",
            access=Access.ADMIN,
            row="admin_users",
            body=PatchUser,
            returns={200: UserAnswer},
            errors=(ErrorCode.NOT_FOUND, ErrorCode.CONFLICT),
        ),
        Route(
            method="POST",
            path="/v1/admin/users/{id}/logout",
            handler=log_out,
            summary="End all sessions of a user",
            tag="admin",
            access=Access.ADMIN,
            row="admin_users",
            body=ReasonBody,
            returns={200: Done},
            errors=(ErrorCode.NOT_FOUND,),
        ),
        Route(
            method="POST",
            path="/v1/admin/users/{id}/reset-mfa",
            handler=reset_mfa,
            summary="Take the second factors of a user away",
            tag="admin",
            access=Access.ADMIN,
            row="admin_users",
            body=ReasonBody,
            returns={200: Done},
            errors=(ErrorCode.NOT_FOUND,),
        ),
        Route(
            method="DELETE",
            path="/v1/admin/users/{id}",
            handler=delete,
            summary="Delete an account",
            tag="admin",
            access=Access.ADMIN,
            row="admin_users",
            fresh=True,
            body=DeleteBody,
            returns={202: EraseAt},
            errors=(ErrorCode.NOT_FOUND, ErrorCode.CONFLICT),
        ),
        Route(
            method="POST",
            path="/v1/admin/users/{id}/restore",
            handler=restore,
            summary="Bring a deleted account back",
            tag="admin",
            access=Access.ADMIN,
            row="admin_users",
            body=ReasonBody,
            returns={200: UserAnswer},
            errors=(ErrorCode.NOT_FOUND, ErrorCode.CONFLICT),
        ),
    ]
