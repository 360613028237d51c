"""The page of all routes, from the OpenAPI document."""

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from docs.pages.schema_words import MARK, Schema, in_words, inputs, leaf, objects, reached
from secureconnect.app.blueprint import openapi_bytes
from secureconnect.kit.errors import ErrorCode

__all__ = ["http_page"]

_HTTP = """\
# HTTP API

{mark}

Notation, envelope, paging, idempotency, limits and the order of checks: [conventions](conventions.md).
The rules behind the routes: [rules](rules.md). The chat socket, `/v1/ws/chat`: [realtime](realtime.md).
The same as OpenAPI 3.1: `/openapi.json`.

Every route may answer {common}; one of bytes only what can be wrong with bytes.

Those that need a token may answer {signed} too.

Below stand only the codes beyond these. A route marked *replayable* takes `Idempotency-Key`, and may then
answer 409 IDEMPOTENCY_CONFLICT and 409 REQUEST_IN_PROGRESS.
"""

_JSON = "application/json"
_REPLAYS = {"IDEMPOTENCY_CONFLICT", "REQUEST_IN_PROGRESS"}


def http_page() -> str:
    """The routes by tag, then the objects that they answer."""
    document = json.loads(openapi_bytes())
    schemas = document["components"]["schemas"]
    routes: dict[str, list[tuple[str, str, Schema]]] = defaultdict(list)
    pages = []
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if "default" in operation["responses"]:
                pages.append(f"- `GET {path}`: {operation['summary']}")
            else:
                routes[operation["tags"][0]].append((method.upper(), path, operation))
    every = [operation for found in routes.values() for _, _, operation in found if not _bytes(operation)]
    common = set.intersection(*(_codes(operation) for operation in every))
    signed = set.intersection(*(_codes(operation) for operation in every if _who(operation) != "anyone"))
    lines = [
        _HTTP.format(mark=MARK, common=_list(common), signed=_list(signed - common)),
        "Parts: " + " · ".join(f"[{tag}](#{tag})" for tag in sorted(routes)) + " · [objects](#objects)\n",
        "## Without envelope\n",
        "Answered to anyone, in formats of their own ([operations](operations.md)).\n",
        "\n".join(sorted(pages)) + "\n",
    ]
    answered = []
    for tag in sorted(routes):
        lines.append(f"## {tag}\n")
        for method, path, operation in routes[tag]:
            usual = common if _who(operation) == "anyone" else signed | _REPLAYS
            lines += _route(method, path, operation, schemas, usual)
            answered += [body for status, body in operation["responses"].items() if int(status) < 400]
    named = reached(answered, schemas) - {"Meta", "Done"}
    return "\n".join([*lines, "## Objects\n", *objects(named, schemas)]).rstrip() + "\n"


def _route(
    method: str, path: str, operation: Schema, schemas: Mapping[str, Schema], usual: set[str]
) -> Iterator[str]:
    yield f"### {method} {path}\n"
    replayable = any(item["in"] == "header" for item in operation["parameters"])
    facts = [f"{operation['summary']}.", f"For {_who(operation)}{', replayable' if replayable else ''}."]
    yield " ".join(facts) + "\n"
    query = [item for item in operation["parameters"] if item["in"] == "query"]
    if query:
        fields = {
            "properties": {item["name"]: item["schema"] for item in query},
            "required": [item["name"] for item in query if item["required"]],
        }
        yield "- Query: " + "; ".join(inputs(fields))
    if _JSON in operation.get("requestBody", {}).get("content", ()):
        schema = _schema(operation["requestBody"], schemas)
        yield "- Body:"
        yield "\n".join(_body(schema, schemas, "  "))
    elif "requestBody" in operation:
        yield "- Body: bytes"
    for status, body in operation["responses"].items():
        if int(status) < 400:
            yield f"- {status}: {_answer(body)}"
    own = sorted(_codes(operation) - usual, key=lambda name: (ErrorCode[name].status, name))
    if own:
        yield "- Errors: " + ", ".join(f"{ErrorCode[name].status} {name}" for name in own)
    yield ""


def _answer(body: Schema) -> str:
    """What a success holds: an object in an envelope, bytes, or nothing but its headers."""
    content = body.get("content", {})
    if _JSON not in content:
        return "bytes" if content else body["description"]
    data = content[_JSON]["schema"]["properties"]["data"]
    return "`message` str" if leaf(data.get("$ref", "")) == "Done" else in_words(data)


def _body(schema: Schema, schemas: Mapping[str, Schema], indent: str) -> Iterator[str]:
    """The fields of a body; those of an inner object stand below it."""
    for line in inputs(schema):
        inner = re.search(r"\[(\w+)\]\(#\w+\)", line)
        yield f"{indent}- {line.replace(inner.group(), 'object') if inner else line}"
        if inner:
            yield from _body(schemas[inner.group(1)], schemas, indent + "  ")


def _schema(body: Schema, schemas: Mapping[str, Schema]) -> Schema:
    return schemas[leaf(body["content"][_JSON]["schema"]["$ref"])]


def _codes(operation: Schema) -> set[str]:
    return {
        code
        for status, answer in operation["responses"].items()
        if int(status) >= 400
        for code in answer["description"].split(" or ")
    }


def _bytes(operation: Schema) -> bool:
    """Whether it takes or gives bytes, for whoever holds a signed URL."""
    contents = [operation.get("requestBody", {}), *operation["responses"].values()]
    return any("*/*" in content.get("content", {}) for content in contents)


def _who(operation: Schema) -> str:
    if _bytes(operation):
        return "whoever holds a signed URL"
    if "security" not in operation:
        return "anyone"
    who = "server admins" if "admin" in operation["tags"] else "users"
    (need,) = operation["security"]
    if need["bearer"]:
        who += f" and bots with `{need['bearer'][0]}`"
    return f"{who} who authenticated lately" if "REAUTH_REQUIRED" in _codes(operation) else who


def _list(names: Iterable[str]) -> str:
    ordered = sorted(names, key=lambda name: (ErrorCode[name].status, name))
    return ", ".join(f"{ErrorCode[name].status} {name}" for name in ordered)
