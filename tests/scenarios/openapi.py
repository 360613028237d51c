"""The served OpenAPI document: its operations, and whether an answer is what it promises."""

from collections.abc import Iterator
from functools import cached_property
from typing import Any, NamedTuple

import jsonschema_rs

from tests.scenarios.server import Server
from tests.scenarios.steps import Answer, request

__all__ = ["Document", "Operation", "served"]

_OWNERS = {
    "conversations": "conversation_id",
    "users": "user_id",
    "friends": "user_id",
    "messages": "message_id",
    "polls": "poll_id",
    "calls": "call_id",
    "notifications": "notification_id",
    "reports": "report_id",
}


class Operation(NamedTuple):
    """One method on one path."""

    method: str
    path: str
    declared: dict[str, Any]

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def public(self) -> bool:
        return "security" not in self.declared

    def parameters(self, where: str) -> list[str]:
        """The names of its parameters in `path`, `query` or `header`."""
        return [one["name"] for one in self.declared.get("parameters", []) if one["in"] == where]

    def kind(self, parameter: str) -> str:
        """What a path parameter names: `conversation_id`, `user_id`, …; a bare `id` by what stands before."""
        if self.path.startswith("/v1/bots/"):
            return "bot_id"
        if parameter != "id":
            return parameter
        return _OWNERS[self.path.partition("{id}")[0].rstrip("/").rpartition("/")[2]]

    @property
    def body(self) -> dict[str, Any] | None:
        """The schema of its body, if that is JSON."""
        content: dict[str, Any] = self.declared.get("requestBody", {}).get("content", {})
        schema: dict[str, Any] | None = content.get("application/json", {}).get("schema")
        return schema

    @property
    def successes(self) -> set[int]:
        return {int(status) for status in self.declared["responses"] if status < "400"}


class Document:
    """A document with compiled schemas."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.raw = document
        self._validators: dict[str, Any] = {}

    @cached_property
    def operations(self) -> list[Operation]:
        return list(self._operations())

    def _operations(self) -> Iterator[Operation]:
        for path, item in self.raw["paths"].items():
            for method, declared in item.items():
                yield Operation(method.upper(), path, declared)

    def resolve(self, schema: dict[str, Any]) -> dict[str, Any]:
        """The schema behind a reference to a component."""
        if "$ref" in schema:
            found: dict[str, Any] = self.raw["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
            return found
        return schema

    def check(self, operation: Operation, answer: Answer) -> None:
        """The status is documented and the body is valid against its schema."""
        responses = operation.declared["responses"]
        status = str(answer.status)
        if status not in responses and "default" in responses:
            return
        assert status in responses, (operation.name, status, answer.raw)
        if "application/json" not in responses[status].get("content", {}):
            return
        assert answer.headers["content-type"] == "application/json", operation.name
        key = f"{operation.name} {status}"
        validator = self._validators.get(key)
        if validator is None:
            schema = responses[status]["content"]["application/json"]["schema"]
            validator = self._validators[key] = jsonschema_rs.Draft202012Validator(
                {**schema, "components": self.raw["components"]}, validate_formats=True
            )
        faults = [
            f"{'/'.join(map(str, fault.instance_path))}: {fault.message}"
            for fault in validator.iter_errors(answer.body)
        ]
        assert not faults, (operation.name, faults, answer.raw)


async def served(server: Server) -> Document:
    """The document of this server."""
    return Document((await request(server.url, "GET", "/openapi.json")).body)
