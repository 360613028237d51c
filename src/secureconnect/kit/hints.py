"""What travels on the bus: hints that may be lost without losing data (architecture, idea 1).

Channels: `conv:<conversation_id>`, `user:<user_id>`, `call:<call_id>`, and `ctl` for every process. Hints
travel as arrays, also to and from processes of the next and the previous version: fields are only appended,
and with defaults.
"""

import msgspec

__all__ = [
    "CONTROL",
    "CallPlace",
    "CallRelay",
    "CallTold",
    "ConversationFrame",
    "ConversationGone",
    "EventHint",
    "FactsChanged",
    "Hint",
    "KeysChanged",
    "PresenceChanged",
    "ProcessGone",
    "ProfileChanged",
    "SessionEnded",
    "UserFrame",
    "WorkWaits",
    "call_channel",
    "conversation_channel",
    "user_channel",
]

CONTROL = "ctl"


def conversation_channel(conversation_id: str) -> str:
    """The channel of everything that concerns one conversation."""
    return f"conv:{conversation_id}"


def user_channel(user_id: str) -> str:
    """The channel of frames for all sockets of one user."""
    return f"user:{user_id}"


def call_channel(call_id: str) -> str:
    """The channel between the processes that hold sockets of one call."""
    return f"call:{call_id}"


class EventHint(msgspec.Struct, frozen=True, array_like=True, tag="event"):
    """A durable event was committed. `frame` is the encoded socket frame for everybody but its sender.

    `sender_frame` is the variant for the sockets of `actor_id`, or None when both are the same bytes.
    `subject_id` is the user that a membership event is about, `committed_at` seconds since the epoch.
    `personal`: not every member may see what the frames say, so each one's is read from the store instead.
    """

    conversation_id: str
    seq: int
    kind: str
    actor_id: str | None
    subject_id: str | None
    frame: bytes
    sender_frame: bytes | None
    committed_at: float
    personal: bool = False


class ConversationFrame(msgspec.Struct, frozen=True, array_like=True, tag="conv_frame"):
    """An ephemeral frame for the members of a conversation, except `except_user` (typing, receipts)."""

    conversation_id: str
    frame: bytes
    except_user: str | None = None


class ConversationGone(msgspec.Struct, frozen=True, array_like=True, tag="conv_gone"):
    """A conversation stopped existing for `user_id` (None: for everybody)."""

    conversation_id: str
    reason: str
    user_id: str | None = None


class UserFrame(msgspec.Struct, frozen=True, array_like=True, tag="user_frame"):
    """An ephemeral frame for all sockets of one user, except those of `except_connection`, and except those
    of `except_session`."""

    user_id: str
    frame: bytes
    except_connection: str | None = None
    except_session: str | None = None


class CallRelay(msgspec.Struct, frozen=True, array_like=True, tag="call_relay"):
    """What somebody in a call says to `target_id`, or to everybody else in it (None).

    `origin` is the process that it came from, which has told its own sockets already.
    """

    call_id: str
    origin: str
    sender_id: str
    target_id: str | None
    frame: bytes


class CallTold(msgspec.Struct, frozen=True, array_like=True, tag="call_told"):
    """Something about a call was committed: `frames` are for every socket of the call, except those of
    `except_user`. With `close` the sockets close with that code afterwards; with `user_id` only that user's
    are meant, and of these not those of `except_session`. `version` is that of the call.
    """

    call_id: str
    origin: str
    frames: tuple[bytes, ...] = ()
    except_user: str | None = None
    user_id: str | None = None
    except_session: str | None = None
    close: int | None = None
    version: int = 0


class CallPlace(msgspec.Struct, frozen=True, array_like=True, tag="call_place"):
    """The socket by which `user_id` takes part in a call is on the process `origin` now, or on none."""

    call_id: str
    origin: str
    user_id: str
    here: bool


class PresenceChanged(msgspec.Struct, frozen=True, array_like=True, tag="presence"):
    """What others see of this user's presence may have changed."""

    user_id: str


class SessionEnded(msgspec.Struct, frozen=True, array_like=True, tag="session_ended"):
    """A session was revoked: forget it and close its sockets with close code `close`."""

    user_id: str
    session_id: str
    close: int


class ProfileChanged(msgspec.Struct, frozen=True, array_like=True, tag="profile"):
    """Cached names of this user are stale."""

    user_id: str


class FactsChanged(msgspec.Struct, frozen=True, array_like=True, tag="facts"):
    """Cached members and settings of this conversation are stale."""

    conversation_id: str


class KeysChanged(msgspec.Struct, frozen=True, array_like=True, tag="keys"):
    """Access tokens are signed with another key from now on."""


class ProcessGone(msgspec.Struct, frozen=True, array_like=True, tag="gone"):
    """A process ended: what it said of its users runs out, and nobody will tell."""


class WorkWaits(msgspec.Struct, frozen=True, array_like=True, tag="work"):
    """A job of this kind waits in the outbox, and the process that put it there does none of them."""

    kind: str


Hint = (
    EventHint
    | ConversationFrame
    | ConversationGone
    | UserFrame
    | PresenceChanged
    | SessionEnded
    | ProfileChanged
    | FactsChanged
    | CallRelay
    | CallTold
    | CallPlace
    | KeysChanged
    | ProcessGone
    | WorkWaits
)
