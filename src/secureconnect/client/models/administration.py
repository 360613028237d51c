"""The server and its accounts, as administrators see them."""

from secureconnect.client.models.base import Model, Moment, Page
from secureconnect.client.models.people import User

__all__ = [
    "AdminUser",
    "AdminUserPage",
    "Component",
    "ConversationEntry",
    "QueueState",
    "RetentionReport",
    "ServerHealth",
    "ServerStats",
]


class AdminUser(User, frozen=True, kw_only=True):
    """An account; storage in bytes. Without `banned_until` a ban is for good."""

    last_login_at: Moment | None = None
    is_banned: bool
    banned_at: Moment | None = None
    banned_until: Moment | None = None
    ban_reason: str | None = None
    storage_used: int
    storage_quota: int


class AdminUserPage(Page[AdminUser], frozen=True, kw_only=True):
    """A page of accounts, with the number of all that match."""

    total_count: int


class ServerStats(Model, frozen=True, kw_only=True):
    """Sizes in bytes, times in seconds, the hit rate in percent."""

    total_users: int
    active_users: int
    online_users: int
    total_conversations: int
    total_messages: int
    total_calls: int
    calls_active: int
    sockets: int
    storage_used: int
    database_size: int
    cache_hit_rate: float
    uptime_seconds: int
    last_updated: Moment


class Component(Model, frozen=True, kw_only=True):
    """`status` is up, down or disabled."""

    name: str
    status: str
    latency_ms: float | None = None
    error: str | None = None
    last_checked: Moment


class ServerHealth(Model, frozen=True, kw_only=True):
    """`overall_status` is healthy, degraded or unhealthy."""

    overall_status: str
    version: str
    components: list[Component]


class QueueState(Model, frozen=True, kw_only=True):
    """Work that waits."""

    name: str
    pending: int
    oldest_age_seconds: float
    failed: int


class ConversationEntry(Model, frozen=True, kw_only=True):
    """A conversation without anything that was written in it."""

    conversation_id: str
    type: str
    member_count: int
    last_seq: int
    created_at: Moment
    is_e2ee_enabled: bool


class RetentionReport(Model, frozen=True, kw_only=True):
    """What retention removed, or would: `files` counts attachments, `bytes` leaves their content out."""

    conversations: int
    events: int
    files: int
    bytes: int
