"""Routes of one's own profile (docs/reference/http.md §6)."""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from secureconnect.edge.http.routing import Call, Reply, Route
from secureconnect.edge.validation import Opaque
from secureconnect.features.users.api import Privacy, Status, UserRecord
from secureconnect.features.users.rules import USERNAME
from secureconnect.features.users.service import UserService
from secureconnect.kit.clock import rfc3339
from secureconnect.kit.errors import ErrorCode
from secureconnect.kit.objects import Id, Time

__all__ = ["DisplayName", "User", "Username", "render_user", "routes"]

Username = Annotated[str, Meta(min_length=3, max_length=30, pattern=USERNAME, extra={"clean": "name"})]
DisplayName = Annotated[str, Meta(min_length=1, max_length=100, extra={"clean": "name"})]
_About = Annotated[str, Meta(min_length=1, max_length=280)]
_StatusText = Annotated[str, Meta(min_length=1, max_length=140)]
_Url = Annotated[Opaque, Meta(min_length=1, max_length=2048)]


class User(Struct, frozen=True, kw_only=True):
    """Oneself."""

    user_id: Id
    email: str
    email_verified: bool
    username: str
    display_name: str
    avatar_url: str | None
    about: str | None
    status: Status
    status_text: str | None
    role: Literal["user", "admin"]
    mfa_enabled: bool
    privacy: Privacy
    created_at: Time
    updated_at: Time


class PatchPrivacy(Struct):
    """Any subset of Privacy."""

    show_presence: bool | UnsetType = UNSET
    send_read_receipts: bool | UnsetType = UNSET
    discoverable_by_email: bool | UnsetType = UNSET
    allow_messages_from: Literal["everyone", "friends"] | UnsetType = UNSET
    allow_calls_from: Literal["everyone", "friends"] | UnsetType = UNSET


class PatchMe(Struct):
    """Absent fields stay; null clears where a field is nullable."""

    display_name: DisplayName | UnsetType = UNSET
    username: Username | UnsetType = UNSET
    about: _About | None | UnsetType = UNSET
    status_text: _StatusText | None | UnsetType = UNSET
    avatar_url: _Url | None | UnsetType = UNSET
    privacy: PatchPrivacy | UnsetType = UNSET


def render_user(record: UserRecord, status: Status) -> User:
    """A user as shown to itself."""
    return User(
        user_id=record.user_id,
        email=record.email,
        email_verified=record.email_verified_at is not None,
        username=record.username,
        display_name=record.display_name,
        avatar_url=record.avatar_url,
        about=record.about,
        status=status,
        status_text=record.status_text,
        role=record.role,
        mfa_enabled=False,  # there is no second factor in this version to switch on
        privacy=record.privacy,
        created_at=rfc3339(record.created_at),
        updated_at=rfc3339(record.updated_at),
    )


def routes(service: UserService) -> list[Route]:
    """The routes below `/v1/users/me` that concern the profile."""

    async def me(call: Call[None, None]) -> Reply:
        record = await service.get(call.caller.user_id)
        assert record is not None
        return Reply(render_user(record, await service.own_status(record.user_id)))

    async def patch_me(call: Call[PatchMe, None]) -> Reply:
        changes = _given(call.body)
        privacy = _given(changes.pop("privacy", PatchPrivacy()))
        record = await service.update(call.caller, call.context, changes, privacy)
        return Reply(render_user(record, await service.own_status(record.user_id)))

    return [
        Route(
            method="GET",
            path="/v1/users/me",
            handler=me,
            summary="One's own account",
            tag="users",
            row="users_me",
            returns={200: User},
        ),
        Route(
            method="PATCH",
            path="/v1/users/me",
            handler=patch_me,
            summary="Change one's own profile",
            tag="users",
            row="users_me",
            body=PatchMe,
            returns={200: User},
            errors=(ErrorCode.CONFLICT,),
        ),
    ]


def _given(struct: Struct) -> dict[str, object]:
    return {name: value for name, value in msgspec.structs.asdict(struct).items() if value is not UNSET}
