"""AsyncAPI 3.0 of the chat socket: commands from the registry, events from `kit.events`, frames as below."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from secureconnect.edge.realtime.close import CloseCode
from secureconnect.edge.realtime.commands import Commands
from secureconnect.edge.realtime.inbox import Hello, TokenRefresh
from secureconnect.edge.realtime.resume import Outcome
from secureconnect.edge.realtime.settings import PROTOCOL
from secureconnect.features.conversations.api import Conversation, MyState
from secureconnect.features.users.api import Status
from secureconnect.kit.errors import Detail
from secureconnect.kit.events import KINDS
from secureconnect.kit.objects import Id, Time

__all__ = ["SERVER_FRAMES", "asyncapi_document"]

_REF = "#/components/schemas/{name}"
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


class Ack(Struct, kw_only=True, tag_field="type", tag="ack"):
    """The command took effect; durable ones are committed. Further fields belong to the command."""

    ref: _Ref
    resume: dict[str, Outcome] | msgspec.UnsetType = msgspec.UNSET


class Error(Struct, kw_only=True, tag_field="type", tag="error"):
    """The command changed nothing."""

    ref: _Ref | msgspec.UnsetType = msgspec.UNSET
    code: str
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


#: Frame type → its shape.
SERVER_FRAMES: dict[str, type[Struct]] = {
    str(frame.__struct_config__.tag): frame
    for frame in (
        Welcome,
        Ack,
        Error,
        Pong,
        EventFrame,
        Typing,
        Receipt,
        Presence,
        MyStateFrame,
        ConversationAdded,
        ConversationRemoved,
        TokenExpiring,
        GoingAway,
    )
}


def asyncapi_document(commands: Commands, *, version: str) -> bytes:
    """The document as JSON."""
    bodies: dict[str, type[Any]] = {"hello": Hello, "ping": Ping, "token_refresh": TokenRefresh}
    for name in commands.names():
        command = commands.get(name)
        assert command is not None
        bodies[name] = command.body or Ping
    types = [*dict.fromkeys([*bodies.values(), *SERVER_FRAMES.values(), *KINDS.values()])]
    schemas, components = msgspec.json.schema_components(types, ref_template=_REF, schema_hook=_anything)
    by_type = dict(zip(types, schemas, strict=True))
    messages: dict[str, Any] = {}
    for name, body in bodies.items():
        messages[f"command_{name}"] = _message(name, _command(name, by_type[body]), body)
    for name, frame in SERVER_FRAMES.items():
        messages[f"frame_{name}"] = _message(name, by_type[frame], frame)
    for kind, data in KINDS.items():
        messages[f"event_{kind}"] = _message(kind, _event(kind, by_type[data]), data)
    sent = [name for name in messages if not name.startswith("command_")]
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
            "command": _operation("receive", [name for name in messages if name.startswith("command_")]),
            "deliver": _operation("send", sent),
        },
        "components": {"messages": messages, "schemas": components},
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n"


def _operation(action: str, names: list[str]) -> dict[str, Any]:
    return {
        "action": action,
        "channel": {"$ref": "#/channels/chat"},
        "messages": [{"$ref": f"#/channels/chat/messages/{name}"} for name in names],
    }


def _message(name: str, schema: Any, type_: type[Any]) -> dict[str, Any]:
    summary = (type_.__doc__ or name).strip().splitlines()[0]
    return {"name": name, "summary": summary, "contentType": "application/json", "payload": schema}


def _command(name: str, fields: Any) -> dict[str, Any]:
    head = {
        "type": "object",
        "properties": {
            "type": {"const": name},
            "ref": {"type": "string", "minLength": 1, "maxLength": 64},
        },
        "required": ["type"],
    }
    return {"allOf": [head, fields]}


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
