"""Server frames, encoded once as complete wire frames around one JSON object."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from secureconnect.edge.realtime.settings import PROTOCOL
from secureconnect.edge.realtime.wire import text_frame
from secureconnect.kit.clock import rfc3339
from secureconnect.kit.errors import ApiError

__all__ = [
    "EventHead",
    "FrameHead",
    "ack_frame",
    "conversation_removed_frame",
    "error_frame",
    "event_frame",
    "event_head",
    "frame_head",
    "going_away_frame",
    "json_frame",
    "payload_of",
    "pong_frame",
    "text_frame",
    "token_expiring_frame",
    "welcome_frame",
]

_encode = msgspec.json.Encoder().encode


def payload_of(frame: bytes) -> memoryview:
    """The payload of a frame made by `text_frame`."""
    return memoryview(frame)[{126: 4, 127: 10}.get(frame[1], 2) :]


def json_frame(value: Mapping[str, Any] | msgspec.Struct) -> bytes:
    """Any JSON object as a wire frame; features build their own frames with it."""
    return text_frame(_encode(value))


class _Event(msgspec.Struct, tag_field="type", tag="event"):
    conversation_id: str
    seq: int
    event_id: str
    kind: str
    actor_id: str | None
    sent_at: str
    data: msgspec.Raw


def event_frame(
    conversation_id: str,
    seq: int,
    event_id: str,
    kind: str,
    actor_id: str | None,
    sent_at_ms: int,
    data: msgspec.Raw,
) -> bytes:
    """A durable event (docs/reference/realtime.md §5, §6). `data` is its encoded JSON object."""
    event = _Event(conversation_id, seq, event_id, kind, actor_id, rfc3339(sent_at_ms), data)
    return text_frame(_encode(event))


def welcome_frame(
    *,
    connection_id: str,
    user_id: str,
    session_id: str,
    server_time_ms: int,
    token_expires_at_ms: int,
    ping_interval: float,
    idle_timeout: float,
    max_frame_bytes: int,
    **more: Any,
) -> bytes:
    """The first frame of every socket (§3); `more` is what this kind of socket adds."""
    return json_frame(
        {
            "type": "welcome",
            "connection_id": connection_id,
            "user_id": user_id,
            "session_id": session_id,
            "server_time": rfc3339(server_time_ms),
            "token_expires_at": rfc3339(token_expires_at_ms),
            "ping_interval": _number(ping_interval),
            "idle_timeout": _number(idle_timeout),
            "max_frame_bytes": max_frame_bytes,
            "protocol": PROTOCOL,
            **more,
        }
    )


def ack_frame(ref: str, fields: Mapping[str, Any] | msgspec.Struct | None) -> bytes:
    """The answer to a command that took effect. `fields` has neither `type` nor `ref`."""
    head = b'{"type":"ack","ref":' + _encode(ref)
    body = _encode(fields) if fields is not None else b"{}"
    return text_frame(head + b"}" if len(body) == 2 else head + b"," + body[1:])


def error_frame(ref: str | None, error: ApiError) -> bytes:
    """The answer to a command that failed and changed nothing."""
    frame: dict[str, Any] = {"type": "error"}
    if ref is not None:
        frame["ref"] = ref
    frame["code"] = error.code.name
    frame["message"] = error.message
    if error.details:
        frame["details"] = error.details
    if error.retry_after is not None:
        frame["retry_after"] = error.retry_after
    return json_frame(frame)


def pong_frame(ref: str | None, ts: Any, server_time_ms: int) -> bytes:
    """The answer to `ping`; `ref` and `ts` only when the ping had them."""
    frame: dict[str, Any] = {"type": "pong"}
    if ref is not None:
        frame["ref"] = ref
    if ts is not None:
        frame["ts"] = ts
    frame["server_time"] = rfc3339(server_time_ms)
    return json_frame(frame)


def conversation_removed_frame(conversation_id: str, reason: str) -> bytes:
    """`reason` is `removed`, `left` or `deleted`."""
    return json_frame({"type": "conversation_removed", "conversation_id": conversation_id, "reason": reason})


def token_expiring_frame(expires_at_ms: int) -> bytes:
    """Sent 60 s before the access token expires."""
    return json_frame({"type": "token_expiring", "expires_at": rfc3339(expires_at_ms)})


def going_away_frame(retry_after_ms: int) -> bytes:
    """Sent 1 s before a planned shutdown closes the socket."""
    return json_frame({"type": "going_away", "retry_after_ms": retry_after_ms})


class _EventData(msgspec.Struct):
    user_id: Any = None
    reason: Any = None
    members: Any = ()


class _RawHead(msgspec.Struct):
    seq: int
    kind: str
    actor_id: str | None = None
    data: _EventData = msgspec.field(default_factory=_EventData)


class EventHead(msgspec.Struct, frozen=True):
    """What fan-out needs to know about an event; `subjects` are whom a membership event is about."""

    seq: int
    kind: str
    actor_id: str | None
    subjects: Sequence[str]


_head_decoder = msgspec.json.Decoder(_RawHead)


def event_head(frame: bytes) -> EventHead:
    """Read back what `event_frame` was given; used for events read from the store."""
    raw = _head_decoder.decode(payload_of(frame))
    subjects: Sequence[str] = ()
    if raw.kind == "conversation_created":
        subjects = raw.data.members or ()
    elif raw.kind in {"member_added", "member_removed"} and raw.data.user_id is not None:
        subjects = (raw.data.user_id,)
    return EventHead(raw.seq, raw.kind, raw.actor_id, subjects)


class FrameHead(msgspec.Struct, frozen=True):
    """The type of any server frame, and its conversation when it names one."""

    type: str
    conversation_id: str | None = None


_frame_decoder = msgspec.json.Decoder(FrameHead)


def frame_head(frame: bytes) -> FrameHead:
    """Read the head of a frame made here; filtered sockets decide by it."""
    return _frame_decoder.decode(payload_of(frame))


def _number(value: float) -> float | int:
    return int(value) if value == int(value) else value
