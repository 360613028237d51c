"""Conversations and who is in them."""

from secureconnect.client.models.base import Model, Moment
from secureconnect.client.models.messages import Message

__all__ = [
    "Added",
    "Conversation",
    "ConversationCore",
    "Invite",
    "InvitePreview",
    "MyState",
    "Participant",
    "Settings",
]


class Settings(Model, frozen=True, kw_only=True):
    """How a conversation works; `*_permission` is members or admins."""

    is_e2ee_enabled: bool
    edit_permission: str
    invite_permission: str
    post_permission: str
    history_visibility: str
    message_retention_days: int
    message_ttl_seconds: int
    recording_enabled: bool = False
    updated_at: Moment


class MyState(Model, frozen=True, kw_only=True):
    """The caller's own place in a conversation. Counts end at 1000, which means "1000 or more"."""

    role: str
    joined_at: Moment
    archived: bool
    muted_until: Moment | None = None
    first_visible_seq: int
    last_read_seq: int
    last_delivered_seq: int
    unread_count: int
    mention_count: int = 0


class ConversationCore(Model, frozen=True, kw_only=True):
    """A conversation as everybody in it sees it. `name` is the title, else who is in it."""

    conversation_id: str
    type: str
    title: str | None = None
    name: str
    description: str | None = None
    avatar_url: str | None = None
    created_by: str
    owner_id: str | None = None
    member_count: int
    last_seq: int
    last_message: Message | None = None
    settings: Settings
    created_at: Moment
    updated_at: Moment


class Conversation(ConversationCore, frozen=True, kw_only=True):
    """A conversation with the caller's own place in it."""

    my: MyState


class Participant(Model, frozen=True, kw_only=True):
    """A member. `last_read_seq` is None when that user sends no receipts."""

    conversation_id: str
    user_id: str
    role: str
    is_owner: bool
    joined_at: Moment
    username: str | None = None
    display_name: str
    avatar_url: str | None = None
    status: str | None = None
    is_bot: bool
    last_read_seq: int | None = None


class Added(Model, frozen=True, kw_only=True):
    """Whom an invitation of several people really added."""

    added: list[str]
    already_members: list[str]


class Invite(Model, frozen=True, kw_only=True):
    """A link that lets people join."""

    invite_id: str
    conversation_id: str
    code: str
    url: str
    created_by: str
    created_at: Moment
    expires_at: Moment | None = None
    max_uses: int | None = None
    uses: int


class InvitePreview(Model, frozen=True, kw_only=True):
    """What somebody with the code may know before joining."""

    conversation_id: str
    title: str | None = None
    avatar_url: str | None = None
    member_count: int
    is_e2ee_enabled: bool
    already_member: bool
