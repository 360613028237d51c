"""Routes of one's own profile (docs/reference/http.md, users)."""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from secureconnect.edge.http.routing import Call, Reply, Route
from secureconnect.edge.validation import Opaque
from secureconnect.features.users.api import DisplayName, User, Username
from secureconnect.features.users.service import UserService
from secureconnect.kit.errors import ErrorCode

__all__ = ["routes"]

_About = Annotated[str, Meta(min_length=1, max_length=280)]
_StatusText = Annotated[str, Meta(min_length=1, max_length=140)]
_Url = Annotated[Opaque, Meta(min_length=1, max_length=2048)]


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
    about: _About | UnsetType | None = UNSET
    status_text: _StatusText | UnsetType | None = UNSET
    avatar_url: _Url | UnsetType | None = UNSET
    privacy: PatchPrivacy | UnsetType = UNSET


def routes(service: UserService) -> list[Route]:
    """The routes below `/v1/users/me` that concern the profile."""

    async def me(call: Call[None, None]) -> Reply:
        record = await service.get(call.caller.user_id)
        assert record is not None
        return Reply(await service.itself(record))

    async def patch_me(call: Call[PatchMe, None]) -> Reply:
        changes = _given(call.body)
        changes.pop("privacy", None)
        privacy = {} if isinstance(call.body.privacy, UnsetType) else _given(call.body.privacy)
        record = await service.update(call.caller, call.context, changes, privacy)
        return Reply(await service.itself(record))

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
