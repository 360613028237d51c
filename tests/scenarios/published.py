"""The served AsyncAPI document as judge over what a socket brings."""

from typing import Any

import httpx
import jsonschema_rs

__all__ = ["Published", "published"]

_known: dict[str, "Published"] = {}


class Published:
    """Says of each server frame whether the document describes it: every field, and no other."""

    def __init__(self, document: Any) -> None:
        self.document = document
        self._messages = document["components"]["messages"]
        # The document lets clients meet fields that they do not know; this server must not send any.
        self._components = {
            "schemas": {
                name: {"additionalProperties": False, **schema} if "properties" in schema else schema
                for name, schema in document["components"]["schemas"].items()
            }
        }
        self._validators: dict[str, jsonschema_rs.Validator] = {}

    def names(self, prefix: str) -> set[str]:
        """What follows `prefix` in the names of messages: `frame_`, `event_`, `ack_` or `command_`."""
        return {name[len(prefix) :] for name in self._messages if name.startswith(prefix)}

    def check(self, frame: dict[str, Any], commands: dict[str, str], prefix: str = "") -> None:
        """Raise AssertionError when the frame is not as described. `commands` are those sent, by ref;
        `prefix` is that of the messages of the socket."""
        kind = frame["type"]
        if kind == "ack":
            name = f"{prefix}ack_{commands[frame['ref']]}"
        elif kind == "event":
            name = f"event_{frame['kind']}"
        else:
            name = f"{prefix}frame_{kind}"
        assert name in self._messages, f"not described: {frame}"
        faults = [
            f"{fault.instance_path} {fault.message}" for fault in self._validator(name).iter_errors(frame)
        ]
        assert not faults, (faults, frame)

    def _validator(self, name: str) -> jsonschema_rs.Validator:
        if name not in self._validators:
            payload = self._messages[name]["payload"]
            if "properties" in payload:
                payload = {"additionalProperties": False, **payload}
            schema = {
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "components": self._components,
                **payload,
            }
            self._validators[name] = jsonschema_rs.validator_for(schema, validate_formats=True)
        return self._validators[name]


async def published(url: str) -> Published:
    """The document of a server."""
    if url not in _known:
        async with httpx.AsyncClient(base_url=url, verify=False) as client:
            answer = await client.get("/asyncapi.json")
        assert answer.status_code == 200, "the scenarios judge frames by the served document"
        _known[url] = Published(answer.json())
    return _known[url]
