"""The document, put together."""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from secureconnect.app.asyncapi.chat import CHAT_FRAMES, HelloAck, Nothing, Ping
from secureconnect.app.asyncapi.signaling import SIGNALING_FRAMES
from secureconnect.edge.realtime.close import CloseCode
from secureconnect.edge.realtime.session.commands import Commands
from secureconnect.edge.realtime.session.inbox import Hello
from secureconnect.edge.realtime.session.reception import TokenExpires, TokenRefresh
from secureconnect.edge.realtime.settings import PROTOCOL
from secureconnect.kit.events import KINDS

__all__ = ["asyncapi_document"]

_REF = "#/components/schemas/{name}"
_REF_FIELD = {"type": "string", "minLength": 1, "maxLength": 64}
_ANSWERS = ("frame_pong", "frame_error")


class _Socket(Struct):
    """One kind of socket: commands and their acks, and what the server sends."""

    name: str
    address: str
    prefix: str
    bodies: dict[str, type[Struct]]
    acks: dict[str, type[Struct]]
    frames: Mapping[str, type[Struct]]
    kinds: Mapping[str, type[Struct]]

    @property
    def types(self) -> list[type[Struct]]:
        """Everything that needs a schema."""
        parts = (self.bodies, self.acks, self.frames, self.kinds)
        return [type_ for part in parts for type_ in part.values()]


def asyncapi_document(chat: Commands, signaling: Commands, *, version: str) -> bytes:
    """The document as JSON."""
    sockets = [
        _socket("chat", "/v1/ws/chat", "", chat, CHAT_FRAMES, KINDS, {"hello": Hello}, {"hello": HelloAck}),
        _socket("signaling", "/v1/ws/signaling", "signaling_", signaling, SIGNALING_FRAMES, {}, {}, {}),
    ]
    types = [*dict.fromkeys(type_ for socket in sockets for type_ in socket.types)]
    schemas, components = msgspec.json.schema_components(types, ref_template=_REF, schema_hook=_anything)
    by_type = dict(zip(types, schemas, strict=True))
    fields = {type_: components[schema["$ref"].rpartition("/")[2]] for type_, schema in by_type.items()}
    messages: dict[str, Any] = {}
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    for socket in sockets:
        own = _messages(socket, by_type, fields)
        messages |= own
        channels[socket.name] = {
            "address": socket.address,
            "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in own},
        }
        for command in socket.bodies:
            operations[socket.prefix + command] = _exchange(socket, command)
        quiet = tuple(socket.prefix + name for name in ("command_", "ack_", *_ANSWERS))
        pushed = [name for name in own if not name.startswith(quiet)]
        operations[socket.prefix + "deliver"] = {
            "action": "send",
            "channel": _channel(socket),
            "messages": _references(socket, pushed),
        }
    document = {
        "asyncapi": "3.0.0",
        "info": {
            "title": "SecureConnect sockets",
            "version": version,
            "license": {"name": "Apache-2.0"},
            "description": f"Subprotocol {PROTOCOL}. Close codes: "
            + ", ".join(f"{code.value} {code.name.lower()}" for code in CloseCode),
        },
        "channels": channels,
        "operations": operations,
        "components": {"messages": messages, "schemas": components},
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n"


def _socket(
    name: str,
    address: str,
    prefix: str,
    commands: Commands,
    frames: Mapping[str, type[Struct]],
    kinds: Mapping[str, type[Struct]],
    bodies: dict[str, type[Struct]],
    acks: dict[str, type[Struct]],
) -> _Socket:
    bodies = {**bodies, "ping": Ping, "token_refresh": TokenRefresh}
    acks = {**acks, "token_refresh": TokenExpires}
    for known in commands.names():
        command = commands.get(known)
        assert command is not None
        bodies[known], acks[known] = command.body or Nothing, command.ack or Nothing
    return _Socket(name, address, prefix, bodies, acks, frames, kinds)


def _messages(
    socket: _Socket, by_type: Mapping[type[Any], Any], fields: Mapping[type[Any], Any]
) -> dict[str, Any]:
    messages: dict[str, Any] = {}
    for name, body in socket.bodies.items():
        messages[f"{socket.prefix}command_{name}"] = _message(name, _command(name, fields[body]), body)
    for name, ack in socket.acks.items():
        messages[f"{socket.prefix}ack_{name}"] = _message("ack", _ack(fields[ack]), ack)
    for name, frame in socket.frames.items():
        messages[f"{socket.prefix}frame_{name}"] = _message(name, by_type[frame], frame)
    for kind, data in socket.kinds.items():
        messages[f"event_{kind}"] = _message(kind, _event(kind, by_type[data]), data)
    return messages


def _exchange(socket: _Socket, command: str) -> dict[str, Any]:
    answers = [f"ack_{command}" if command in socket.acks else "frame_pong", "frame_error"]
    return {
        "action": "receive",
        "channel": _channel(socket),
        "messages": _references(socket, [f"{socket.prefix}command_{command}"]),
        "reply": {
            "channel": _channel(socket),
            "messages": _references(socket, [socket.prefix + answer for answer in answers]),
        },
    }


def _channel(socket: _Socket) -> dict[str, str]:
    return {"$ref": f"#/channels/{socket.name}"}


def _references(socket: _Socket, names: list[str]) -> list[dict[str, str]]:
    return [{"$ref": f"#/channels/{socket.name}/messages/{name}"} for name in names]


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
