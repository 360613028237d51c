"""What requests carry and answers hold."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from secureconnect.edge.http.paging import Cursor, Listed, ListedByOffset, ListQuery
from secureconnect.edge.validation import Opaque, Timestamp, Uuid
from secureconnect.features.conversations.api import Conversation, Role, Type
from secureconnect.features.users.api import Status
from secureconnect.kit.objects import Id, Time

__all__ = [
    "AddParticipants",
    "Added",
    "ConversationPage",
    "ConversationQuery",
    "CreateConversation",
    "CreateInvite",
    "EditConversation",
    "EditSettings",
    "Invite",
    "InvitePage",
    "InvitePreview",
    "InviteQuery",
    "Mute",
    "Participant",
    "ParticipantPage",
    "ParticipantQuery",
    "SetRole",
    "Transfer",
    "given",
]

_Title = Annotated[str, Meta(min_length=1, max_length=200, extra={"clean": "name"})]
_Description = Annotated[str, Meta(min_length=1, max_length=500)]
_Url = Annotated[Opaque, Meta(min_length=1, max_length=2048)]
_Who = Literal["members", "admins"]


def given(struct: Struct | None) -> dict[str, Any]:
    """The fields that the request had."""
    if struct is None:
        return {}
    return {name: value for name, value in msgspec.structs.asdict(struct).items() if value is not UNSET}


class EditSettings(Struct):
    """Any subset of the settings. `message_ttl_seconds` is 0 or at least 5."""

    is_e2ee_enabled: bool | UnsetType = UNSET
    edit_permission: _Who | UnsetType = UNSET
    invite_permission: _Who | UnsetType = UNSET
    post_permission: _Who | UnsetType = UNSET
    history_visibility: Literal["all", "joined"] | UnsetType = UNSET
    message_retention_days: Annotated[int, Meta(ge=0, le=3650)] | UnsetType = UNSET
    message_ttl_seconds: Annotated[int, Meta(ge=0, le=2_419_200)] | UnsetType = UNSET
    recording_enabled: bool | UnsetType = UNSET


class CreateConversation(Struct):
    """A new conversation; the caller is added to the participants. Direct ones have no title."""

    type: Type
    participant_ids: Annotated[list[Uuid], Meta(min_length=1, max_length=1000)]
    title: _Title | None = None
    description: _Description | None = None
    is_e2ee_enabled: bool = False
    settings: EditSettings | None = None


class EditConversation(Struct):
    """Absent fields stay; null clears. A picture lies elsewhere (`avatar_url`) or is made of a file of the
    caller's own (`avatar_file_id`)."""

    title: _Title | UnsetType | None = UNSET
    description: _Description | UnsetType | None = UNSET
    avatar_url: _Url | UnsetType | None = UNSET
    avatar_file_id: Uuid | UnsetType | None = UNSET


class ConversationQuery(ListQuery):
    """Which conversations; `q` is looked for in names."""

    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    archived: Literal["true", "false", "all"] = "false"
    type: Type | None = None
    q: Annotated[str, Meta(min_length=1, max_length=100)] | None = None


class ConversationPage(ListedByOffset, frozen=True, kw_only=True):
    """Some conversations, the one with the newest event first."""

    conversations: list[Conversation]


class Participant(Struct, frozen=True, kw_only=True):
    """A member. `last_read_seq` is null for users who send no receipts."""

    conversation_id: Id
    user_id: Id
    role: Role
    is_owner: bool
    joined_at: Time
    username: str | None
    display_name: str
    avatar_url: str | None
    status: Status | None
    is_bot: bool
    last_read_seq: int | None


class ParticipantQuery(Struct):
    """Where to go on."""

    cursor: Cursor | None = None
    limit: Annotated[int, Meta(ge=1, le=200)] = 50


class ParticipantPage(Listed, frozen=True, kw_only=True):
    """Some members, in the order in which they joined."""

    participants: list[Participant]


class AddParticipants(Struct):
    """Whom to add."""

    user_ids: Annotated[list[Uuid], Meta(min_length=1, max_length=100)]


class Added(Struct, frozen=True, kw_only=True):
    """Who was added, and who was a member before."""

    added: list[Id]
    already_members: list[Id]
    message: str


class SetRole(Struct):
    """The new role."""

    role: Role


class Transfer(Struct):
    """The new owner, a member."""

    user_id: Uuid


class Mute(Struct):
    """Until when; for good without it."""

    until: Timestamp | None = None


class CreateInvite(Struct):
    """Lifetime in seconds (7 days unless the server says otherwise), and how often it may be used."""

    expires_in: Annotated[int, Meta(ge=300, le=2_592_000)] | None = None
    max_uses: Annotated[int, Meta(ge=1, le=1000)] | None = None


class Invite(Struct, frozen=True, kw_only=True):
    """A link that lets people join."""

    invite_id: Id
    conversation_id: Id
    code: Annotated[str, Meta(min_length=22, max_length=22)]
    url: str
    created_by: Id
    created_at: Time
    expires_at: Time | None
    max_uses: int | None
    uses: int


class InviteQuery(Struct):
    """Where to go on."""

    cursor: Cursor | None = None
    limit: Annotated[int, Meta(ge=1, le=100)] = 20


class InvitePage(Listed, frozen=True, kw_only=True):
    """Some links that let somebody in now, newest first."""

    invites: list[Invite]


class InvitePreview(Struct, frozen=True, kw_only=True):
    """What somebody with the code may know before joining."""

    conversation_id: Id
    title: str | None
    avatar_url: str | None
    member_count: int
    is_e2ee_enabled: bool
    already_member: bool
