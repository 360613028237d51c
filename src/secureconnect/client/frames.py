"""What the server says on the chat socket (docs/reference/realtime.md §5).

Frames that this version does not know arrive as `OtherFrame`; nothing breaks on them.
"""

from typing import Any, Union

import msgspec

from secureconnect.client.errors import ApiFailure, ProtocolError, SocketClosed, failure
from secureconnect.client.models.base import Model, Moment
from secureconnect.client.models.conversations import Conversation, MyState
from secureconnect.client.models.messages import Event
from secureconnect.client.models.people import Presence
from secureconnect.kit.errors import Detail

__all__ = [
    "Ack",
    "ChangeAck",
    "ConversationAdded",
    "ConversationRemoved",
    "EditAck",
    "ErrorFrame",
    "Frame",
    "GoingAway",
    "HelloAck",
    "MarkAck",
    "MyStateFrame",
    "OtherFrame",
    "Pong",
    "PresenceAck",
    "Receipt",
    "Resumed",
    "SendAck",
    "TokenExpiring",
    "Typing",
    "Welcome",
    "parse_close",
    "parse_frame",
]


class Welcome(Model, frozen=True, kw_only=True):
    """The first frame. Intervals in seconds."""

    connection_id: str
    user_id: str
    session_id: str
    server_time: Moment
    token_expires_at: Moment
    ping_interval: float
    idle_timeout: float
    max_frame_bytes: int
    protocol: str


class Ack(Model, frozen=True, kw_only=True):
    """A command took effect; `raw` is the whole frame, for the fields that belong to the command."""

    ref: str
    raw: bytes = b""


class ErrorFrame(Model, frozen=True, kw_only=True):
    """A command failed and changed nothing. `retry_after` in seconds."""

    code: str
    message: str
    ref: str | None = None
    details: list[Detail] | None = None
    retry_after: float | None = None

    def failure(self) -> ApiFailure:
        """The same as an exception."""
        return failure(self.code, self.message, details=self.details or (), retry_after=self.retry_after)


class Pong(Model, frozen=True, kw_only=True):
    """The answer to `ping`."""

    server_time: Moment
    ref: str | None = None


class Resumed(Model, frozen=True, kw_only=True):
    """How the resume of one conversation went."""

    recovered: bool
    last_seq: int
    reason: str | None = None


class HelloAck(Model, frozen=True, kw_only=True):
    """The answer to `hello`."""

    resume: dict[str, Resumed] = msgspec.field(default_factory=dict)


class SendAck(Model, frozen=True, kw_only=True):
    """A message is on the server's disk at `seq`; `duplicate` when an earlier attempt had put it there."""

    message_id: str
    conversation_id: str
    seq: int
    sent_at: Moment
    duplicate: bool


class EditAck(Model, frozen=True, kw_only=True):
    """The message was edited; `seq` is that of the edit's event."""

    message_id: str
    seq: int
    edited_at: Moment
    edit_count: int


class ChangeAck(Model, frozen=True, kw_only=True):
    """A message was deleted or its reactions changed; `seq` is that of the event, None without one."""

    message_id: str
    seq: int | None = None


class MarkAck(Model, frozen=True, kw_only=True):
    """Where the read or delivered mark stands now."""

    last_read_seq: int | None = None
    last_delivered_seq: int | None = None
    unread_count: int | None = None


class PresenceAck(Model, frozen=True, kw_only=True):
    """The presence of those the caller may see, and who they may not."""

    presence: list[Presence]
    denied: list[str]


class Typing(Model, frozen=True, kw_only=True):
    """Somebody writes, or stopped; forget it after 6 s."""

    conversation_id: str
    user_id: str
    is_typing: bool


class Receipt(Model, frozen=True, kw_only=True):
    """Somebody has read, or got, everything up to `seq`; `kind` is read or delivered."""

    kind: str
    conversation_id: str
    user_id: str
    seq: int
    at: Moment


class MyStateFrame(Model, frozen=True, kw_only=True):
    """Another device of the user changed its place in a conversation."""

    conversation_id: str
    my: MyState


class ConversationAdded(Model, frozen=True, kw_only=True):
    """The user is in a conversation now; comes before its first event."""

    conversation: Conversation


class ConversationRemoved(Model, frozen=True, kw_only=True):
    """The user is not in it any more; comes after the last event. `reason` is removed, left or deleted."""

    conversation_id: str
    reason: str


class TokenExpiring(Model, frozen=True, kw_only=True):
    """The access token of this socket expires soon."""

    expires_at: Moment


class GoingAway(Model, frozen=True, kw_only=True):
    """The server will close the socket in a second and asks to come back after `retry_after_ms`."""

    retry_after_ms: int


class OtherFrame(Model, frozen=True, kw_only=True):
    """A frame that this version does not know."""

    type: str
    fields: dict[str, Any]


Frame = Union[  # noqa: UP007 - a value that isinstance and the type checker both take
    Welcome,
    Ack,
    ErrorFrame,
    Pong,
    Event,
    Typing,
    Receipt,
    Presence,
    MyStateFrame,
    ConversationAdded,
    ConversationRemoved,
    TokenExpiring,
    GoingAway,
    OtherFrame,
]

_DECODERS: dict[str, msgspec.json.Decoder[Any]] = {
    name: msgspec.json.Decoder(kind)
    for name, kind in {
        "welcome": Welcome,
        "error": ErrorFrame,
        "pong": Pong,
        "event": Event,
        "typing": Typing,
        "receipt": Receipt,
        "presence": Presence,
        "my_state": MyStateFrame,
        "conversation_added": ConversationAdded,
        "conversation_removed": ConversationRemoved,
        "token_expiring": TokenExpiring,
        "going_away": GoingAway,
    }.items()
}


class _Head(msgspec.Struct):
    type: str
    ref: str | None = None


_heads = msgspec.json.Decoder(_Head)


def parse_frame(raw: bytes) -> Frame:
    """One text frame as a value.

    Raises:
        ProtocolError: it is no JSON object with a `type`, or a known type with other fields.
    """
    try:
        head = _heads.decode(raw)
        if head.type == "ack" and head.ref is not None:
            return Ack(ref=head.ref, raw=raw)
        decoder = _DECODERS.get(head.type)
        if decoder is None:
            return OtherFrame(type=head.type, fields=msgspec.json.decode(raw))
        frame: Frame = decoder.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ProtocolError(f"a frame is not understood: {error}") from error
    return frame


class _Reason(msgspec.Struct):
    code: str = ""
    retry_after_ms: int | None = None


def parse_close(code: int, reason: str) -> SocketClosed:
    """The close code (1006 without a close frame) with its JSON reason; any other reason counts as none."""
    try:
        details = msgspec.json.decode(reason, type=_Reason)
    except msgspec.DecodeError:
        return SocketClosed(code)
    return SocketClosed(code, details.code, details.retry_after_ms)
