"""AsyncAPI 3.0 of the chat socket: commands from the registry, events from `kit.events`, frames as below.

Each command is an operation whose reply is its own `ack` or an `error`.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from secureconnect.edge.realtime.close import CloseCode
from secureconnect.edge.realtime.session.commands import Commands
from secureconnect.edge.realtime.session.inbox import Hello, TokenExpires, TokenRefresh
from secureconnect.edge.realtime.session.resume import Outcome
from secureconnect.edge.realtime.settings import PROTOCOL
from secureconnect.features.conversations.api import Conversation, MyState
from secureconnect.features.drafts.service import Draft
from secureconnect.features.notifications.api import Notification
from secureconnect.features.users.api import Status
from secureconnect.kit.errors import Detail, ErrorCode
from secureconnect.kit.events import KINDS
from secureconnect.kit.objects import Id, Time

__all__ = ["SERVER_FRAMES", "asyncapi_document"]

_REF = "#/components/schemas/{name}"
_REF_FIELD = {"type": "string", "minLength": 1, "maxLength": 64}
_CHANNEL = {"$ref": "#/channels/chat"}
_ANSWERS = ("frame_pong", "frame_error")
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


class Ping(Struct):
    """Answered by `pong`."""

    ts: Any = None


class HelloAck(Struct):
    """The `ack` of `hello`."""

    resume: dict[str, Outcome]


class Nothing(Struct):
    """No fields."""


#: Frame type → its shape. An `ack` has the shape that its command says.
SERVER_FRAMES: dict[str, type[Struct]] = {
    str(frame.__struct_config__.tag): frame
    for frame in (
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
        TokenExpiring,
        GoingAway,
    )
}


def asyncapi_document(commands: Commands, *, version: str) -> bytes:
    """The document as JSON."""
    bodies: dict[str, type[Struct]] = {"hello": Hello, "ping": Ping, "token_refresh": TokenRefresh}
    acks: dict[str, type[Struct]] = {"hello": HelloAck, "token_refresh": TokenExpires}
    for name in commands.names():
        command = commands.get(name)
        assert command is not None
        bodies[name], acks[name] = command.body or Nothing, command.ack or Nothing
    types = [*dict.fromkeys([*bodies.values(), *acks.values(), *SERVER_FRAMES.values(), *KINDS.values()])]
    schemas, components = msgspec.json.schema_components(types, ref_template=_REF, schema_hook=_anything)
    by_type = dict(zip(types, schemas, strict=True))
    fields = {type_: components[schema["$ref"].rpartition("/")[2]] for type_, schema in by_type.items()}
    messages: dict[str, Any] = {}
    for name, body in bodies.items():
        messages[f"command_{name}"] = _message(name, _command(name, fields[body]), body)
    for name, ack in acks.items():
        messages[f"ack_{name}"] = _message("ack", _ack(fields[ack]), ack)
    for name, frame in SERVER_FRAMES.items():
        messages[f"frame_{name}"] = _message(name, by_type[frame], frame)
    for kind, data in KINDS.items():
        messages[f"event_{kind}"] = _message(kind, _event(kind, by_type[data]), data)
    pushed = [name for name in messages if not name.startswith(("command_", "ack_", *_ANSWERS))]
    document = {
        "asyncapi": "3.0.0",
        "info": {
            "title": "SecureConnect chat socket",
            "version": version,
            "license": {"name": "Apache-2.0"},
            "description": f"Subprotocol {PROTOCOL}. Close codes: "
            + ", ".join(f"{code.value} {code.name.lower()}" for code in CloseCode),
        },
        "channels": {
            "chat": {
                "address": "/v1/ws/chat",
                "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
            }
        },
        "operations": {
            **{name: _exchange(name, acked=name in acks) for name in bodies},
            "deliver": {"action": "send", "channel": _CHANNEL, "messages": _references(pushed)},
        },
        "components": {"messages": messages, "schemas": components},
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n"


def _exchange(command: str, *, acked: bool) -> dict[str, Any]:
    answers = [f"ack_{command}" if acked else "frame_pong", "frame_error"]
    return {
        "action": "receive",
        "channel": _CHANNEL,
        "messages": _references([f"command_{command}"]),
        "reply": {"channel": _CHANNEL, "messages": _references(answers)},
    }


def _references(names: list[str]) -> list[dict[str, str]]:
    return [{"$ref": f"#/channels/chat/messages/{name}"} for name in names]


def _message(name: str, schema: Any, type_: type[Any]) -> dict[str, Any]:
    summary = (type_.__doc__ or name).strip().splitlines()[0]
    return {"name": name, "summary": summary, "contentType": "application/json", "payload": schema}


def _command(name: str, fields: dict[str, Any]) -> dict[str, Any]:
    return _headed({"type": {"const": name}, "ref": _REF_FIELD}, ["type"], fields)


def _ack(fields: dict[str, Any]) -> dict[str, Any]:
    return _headed({"type": {"const": "ack"}, "ref": _REF_FIELD}, ["type", "ref"], fields)


def _headed(head: dict[str, Any], required: list[str], fields: dict[str, Any]) -> dict[str, Any]:
    """One object with the fields of both."""
    return {
        "type": "object",
        "properties": {**head, **fields["properties"]},
        "required": [*required, *fields["required"]],
    }


def _event(kind: str, data: Any) -> dict[str, Any]:
    return {
        "allOf": [
            {"$ref": _REF.format(name="EventFrame")},
            {"type": "object", "properties": {"kind": {"const": kind}, "data": data}},
        ]
    }


def _anything(type_: type[Any]) -> dict[str, Any]:
    if type_ is not object:
        raise NotImplementedError(type_)
    return {"description": "Any JSON value."}
