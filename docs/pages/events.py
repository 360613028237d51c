"""The page of everything that goes over the chat socket, from the AsyncAPI document."""

import json
from collections.abc import Mapping
from typing import Any

from docs.pages.schema_words import MARK, Schema, inputs, leaf, objects, outputs, reached
from secureconnect.app.blueprint import asyncapi_bytes

__all__ = ["events_page"]

_EVENTS = """\
# Frames and events

{mark}

What goes over `/v1/ws/chat` and `/v1/ws/signaling`, field by field. What it means: [realtime](realtime.md);
the notation: [conventions §3.1](conventions.md#31-notation). The same as AsyncAPI 3.0: `/asyncapi.json`.

Each command and each frame has `type`. A command may have `ref` str(1–64), which its one answer repeats.
"""

_SOCKETS = (("", "chat socket"), ("signaling_", "signaling socket"))


def events_page() -> str:
    """Commands with their acks, frames, durable events, then the objects in them."""
    document = json.loads(asyncapi_bytes())
    messages, schemas = document["components"]["messages"], document["components"]["schemas"]
    lines = [
        _EVENTS.format(mark=MARK),
    ]
    shown: list[Any] = []
    for prefix, title in _SOCKETS:
        lines.append(f"## Commands of the {title}\n")
        for name, message in _named(messages, f"{prefix}command_"):
            ack = messages.get(f"{prefix}ack_{name}")
            fields = list(inputs(message["payload"], hidden=("type", "ref")))
            answer = list(outputs(ack["payload"], hidden=("type", "ref"))) if ack else []
            lines.append(f"### {name}\n")
            lines += _fields("Fields", fields)
            lines += _fields("Answer: `ack` with", answer) if ack else ["- Answer: `pong`"]
            lines.append("")
            shown += [message["payload"], ack["payload"]] if ack else [message["payload"]]
        lines.append(f"## Server frames of the {title}\n")
        for name, message in _named(messages, f"{prefix}frame_"):
            schema = schemas[leaf(message["payload"]["$ref"])]
            lines += [f"### {name}\n\n{schema['description']}\n"]
            lines += [*_fields("Fields", list(outputs(schema, hidden=("type",)))), ""]
            shown.append(schema)
    lines.append("## Durable events\n\nThe `data` of an `event` frame and of `GET …/events`, by `kind`.\n")
    for name, message in _named(messages, "event_"):
        schema = schemas[leaf(message["payload"]["allOf"][1]["properties"]["data"]["$ref"])]
        lines += [f"### {name}\n\n{schema['description']}\n"]
        lines += [*_fields("Fields", list(outputs(schema))), ""]
        shown.append(schema)
    named = objects(reached(shown, schemas), schemas)
    return "\n".join([*lines, "## Objects\n", *named]).rstrip() + "\n"


def _named(messages: Mapping[str, Schema], prefix: str) -> list[tuple[str, Schema]]:
    return [
        (name.removeprefix(prefix), message) for name, message in messages.items() if name.startswith(prefix)
    ]


def _fields(title: str, lines: list[str]) -> list[str]:
    if not lines:
        return [f"- {title}: none" if title == "Fields" else "- Answer: `ack`"]
    return [f"- {title}:", *(f"  - {line}" for line in lines)]
