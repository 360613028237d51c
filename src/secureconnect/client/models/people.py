"""People and their sessions."""

from secureconnect.client.models.base import Model, Moment

__all__ = [
    "AuthResult",
    "Block",
    "Export",
    "Friendship",
    "Presence",
    "PresenceLease",
    "Privacy",
    "Profile",
    "PublicUser",
    "Session",
    "Tokens",
    "User",
    "UserView",
]


class Privacy(Model, frozen=True, kw_only=True):
    """Who may see and reach the user."""

    show_presence: bool = True
    send_read_receipts: bool = True
    discoverable_by_email: bool = False
    allow_messages_from: str = "everyone"
    allow_calls_from: str = "everyone"


class User(Model, frozen=True, kw_only=True):
    """Oneself."""

    user_id: str
    email: str
    email_verified: bool
    username: str
    display_name: str
    avatar_url: str | None = None
    about: str | None = None
    status: str
    status_text: str | None = None
    role: str
    mfa_enabled: bool
    privacy: Privacy
    created_at: Moment
    updated_at: Moment


class PublicUser(Model, frozen=True, kw_only=True):
    """Somebody else. `status` is None when the caller may not see it; an erased user has no username."""

    user_id: str
    username: str | None = None
    display_name: str
    avatar_url: str | None = None
    about: str | None = None
    status: str | None = None
    status_text: str | None = None
    is_bot: bool
    is_deleted: bool
    created_at: Moment


class UserView(Model, frozen=True, kw_only=True):
    """A user as the caller stands to them; `friendship` is none, incoming, outgoing or friends."""

    user: PublicUser
    friendship: str
    blocked_by_me: bool


class Tokens(Model, frozen=True, kw_only=True):
    """The credentials of one session. Secret: keep them like a password. `expires_in` in seconds."""

    access_token: str
    refresh_token: str
    session_id: str
    expires_in: int
    token_type: str

    def __repr__(self) -> str:
        return f"Tokens(session_id={self.session_id!r})"


class AuthResult(Tokens, frozen=True, kw_only=True):
    """The answer to a registration or a login."""

    user: User

    def __repr__(self) -> str:
        return f"AuthResult(session_id={self.session_id!r}, user_id={self.user.user_id!r})"


class Profile(Model, frozen=True, kw_only=True):
    """Who the access token speaks for."""

    user_id: str
    email: str
    username: str
    role: str
    session_id: str


class Session(Model, frozen=True, kw_only=True):
    """One login on one device."""

    session_id: str
    device_name: str | None = None
    ip: str
    user_agent: str | None = None
    created_at: Moment
    last_used_at: Moment
    current: bool


class Friendship(Model, frozen=True, kw_only=True):
    """A friend or a request; `direction` is incoming, outgoing or mutual."""

    user: PublicUser
    status: str
    direction: str
    created_at: Moment
    updated_at: Moment


class Block(Model, frozen=True, kw_only=True):
    """Somebody the caller blocked."""

    user: PublicUser
    reason: str | None = None
    created_at: Moment


class Presence(Model, frozen=True, kw_only=True):
    """online, away, busy or offline; also the socket's `presence` frame."""

    user_id: str
    status: str
    status_text: str | None = None
    last_seen_at: Moment | None = None


class PresenceLease(Model, frozen=True, kw_only=True):
    """The presence that was set over HTTP; it lasts `expires_in` seconds."""

    status: str
    expires_in: int


class Export(Model, frozen=True, kw_only=True):
    """An export of one's own data: pending, ready, failed or expired. The URL of the ZIP file works for 15
    minutes."""

    export_id: str
    status: str
    download_url: str | None = None
    expires_at: Moment | None = None
