"""What the server sends on chat sockets (docs/reference/realtime.md §5)."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from secureconnect.edge.realtime.session.resume import Outcome
from secureconnect.features.calls.api import Call, CallStatus, EndReason
from secureconnect.features.conversations.api import Conversation, MyState
from secureconnect.features.drafts.service import Draft
from secureconnect.features.notifications.api import Notification
from secureconnect.features.users.api import PublicUser, Status
from secureconnect.kit.errors import Detail, ErrorCode
from secureconnect.kit.objects import Id, Time

__all__ = [
    "CHAT_FRAMES",
    "CallUpdated",
    "Error",
    "GoingAway",
    "HelloAck",
    "Nothing",
    "Ping",
    "Pong",
    "TokenExpiring",
    "by_type",
]

_Ref = Annotated[str, Meta(min_length=1, max_length=64)]


class Welcome(Struct, kw_only=True, tag_field="type", tag="welcome"):
    """The first frame of every socket."""

    connection_id: Id
    user_id: Id
    session_id: Id
    server_time: Time
    token_expires_at: Time
    ping_interval: float
    idle_timeout: float
    max_frame_bytes: int
    protocol: str


class Error(Struct, kw_only=True, tag_field="type", tag="error"):
    """The command changed nothing."""

    ref: _Ref | msgspec.UnsetType = msgspec.UNSET
    code: Annotated[str, Meta(extra_json_schema={"enum": [code.name for code in ErrorCode]})]
    message: str
    details: list[Detail] | msgspec.UnsetType = msgspec.UNSET
    retry_after: int | msgspec.UnsetType = msgspec.UNSET


class Pong(Struct, kw_only=True, tag_field="type", tag="pong"):
    """The answer to `ping`."""

    ref: _Ref | msgspec.UnsetType = msgspec.UNSET
    ts: Any = None
    server_time: Time


class EventFrame(Struct, kw_only=True, tag_field="type", tag="event"):
    """A durable event; `data` is the object of its `kind`."""

    conversation_id: Id
    seq: int
    event_id: Id
    kind: str
    actor_id: Id | None
    sent_at: Time
    data: dict[str, Any]


class Typing(Struct, kw_only=True, tag_field="type", tag="typing"):
    """Somebody types, or stopped; to be dropped after 6 s."""

    conversation_id: Id
    user_id: Id
    is_typing: bool


class Receipt(Struct, kw_only=True, tag_field="type", tag="receipt"):
    """How far a member has read or received."""

    kind: Literal["read", "delivered"]
    conversation_id: Id
    user_id: Id
    seq: int
    at: Time


class Presence(Struct, kw_only=True, tag_field="type", tag="presence"):
    """The status of a user that this socket subscribed to."""

    user_id: Id
    status: Status
    status_text: str | None
    last_seen_at: Time | None


class MyStateFrame(Struct, kw_only=True, tag_field="type", tag="my_state"):
    """The user's own place in a conversation changed on another device."""

    conversation_id: Id
    my: MyState


class DraftFrame(Struct, kw_only=True, tag_field="type", tag="draft"):
    """The user's draft was saved or, when it is null, forgotten."""

    conversation_id: Id
    thread_root_id: Id | None
    draft: Draft | None


class ThreadStateFrame(Struct, kw_only=True, tag_field="type", tag="thread_state"):
    """The user's own place in a thread changed; `message_id` is the thread's root."""

    message_id: Id
    following: bool
    last_read_seq: int
    unread_count: int


class ScheduledFailed(Struct, kw_only=True, tag_field="type", tag="scheduled_failed"):
    """A message that waited could not be sent."""

    scheduled_id: Id
    code: str


class NotificationFrame(Struct, kw_only=True, tag_field="type", tag="notification"):
    """An entry of the inbox is new or grew."""

    notification: Notification
    unread_count: int


class ConversationAdded(Struct, kw_only=True, tag_field="type", tag="conversation_added"):
    """The user was added or joined; comes before the first event of the conversation."""

    conversation: Conversation


class ConversationRemoved(Struct, kw_only=True, tag_field="type", tag="conversation_removed"):
    """After the last event that the user may see."""

    conversation_id: Id
    reason: Literal["removed", "left", "deleted"]


class TokenExpiring(Struct, kw_only=True, tag_field="type", tag="token_expiring"):
    """60 s before the access token expires."""

    expires_at: Time


class GoingAway(Struct, kw_only=True, tag_field="type", tag="going_away"):
    """1 s before a planned shutdown closes the socket."""

    retry_after_ms: int


class CallIncoming(Struct, kw_only=True, tag_field="type", tag="call_incoming"):
    """Somebody calls; every device rings until `ring_expires_at`."""

    call: Call
    caller: PublicUser
    ring_expires_at: Time


class CallRinging(Struct, kw_only=True, tag_field="type", tag="call_ringing"):
    """To the caller: a device of `user_id` rings."""

    call_id: Id
    user_id: Id


class CallAnsweredElsewhere(Struct, kw_only=True, tag_field="type", tag="call_answered_elsewhere"):
    """To the other devices of who joined or declined: stop ringing."""

    call_id: Id
    session_id: Id | None


class CallCancelled(Struct, kw_only=True, tag_field="type", tag="call_cancelled"):
    """To devices that still ring: stop."""

    call_id: Id
    status: CallStatus
    end_reason: EndReason | None


class CallUpdated(Struct, kw_only=True, tag_field="type", tag="call_updated"):
    """The state of a call or of somebody in it changed."""

    call: Call


class Ping(Struct):
    """Answered by `pong`."""

    ts: Any = None


class HelloAck(Struct):
    """The `ack` of `hello`."""

    resume: dict[str, Outcome]


class Nothing(Struct):
    """No fields."""


def by_type(*frames: type[Struct]) -> dict[str, type[Struct]]:
    """Frame type → its shape."""
    return {str(frame.__struct_config__.tag): frame for frame in frames}


#: Frame type → its shape. An `ack` has the shape that its command says.
CHAT_FRAMES = by_type(
    Welcome,
    Error,
    Pong,
    EventFrame,
    Typing,
    Receipt,
    Presence,
    MyStateFrame,
    DraftFrame,
    ThreadStateFrame,
    ScheduledFailed,
    NotificationFrame,
    ConversationAdded,
    ConversationRemoved,
    CallIncoming,
    CallRinging,
    CallAnsweredElsewhere,
    CallCancelled,
    CallUpdated,
    TokenExpiring,
    GoingAway,
)
