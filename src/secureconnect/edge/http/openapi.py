"""OpenAPI 3.1 from the routes that serve: what is declared is what is checked (docs/reference/http.md)."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from types import UnionType
from typing import Any, get_args

import msgspec
from msgspec import inspect

from secureconnect.edge.http.routing import Access, Redirect, Route, parameters
from secureconnect.edge.http.streams import StreamRoute
from secureconnect.kit.errors import ErrorCode

__all__ = ["openapi_document"]

_REF = "#/components/schemas/{name}"
_ALWAYS = (
    ErrorCode.VALIDATION_ERROR,
    ErrorCode.METHOD_NOT_ALLOWED,
    ErrorCode.URI_TOO_LONG,
    ErrorCode.HEADERS_TOO_LARGE,
    ErrorCode.INTERNAL_ERROR,
    ErrorCode.SHUTTING_DOWN,
    ErrorCode.SERVICE_UNAVAILABLE,
    ErrorCode.DATABASE_UNAVAILABLE,
    ErrorCode.REQUEST_TIMEOUT,
    ErrorCode.CLIENT_TIMEOUT,
    ErrorCode.PAYLOAD_TOO_LARGE,
    ErrorCode.UNSUPPORTED_MEDIA_TYPE,
)
#: Nothing of these can be wrong with a body of bytes.
_JSON_ONLY = {ErrorCode.PAYLOAD_TOO_LARGE, ErrorCode.UNSUPPORTED_MEDIA_TYPE, ErrorCode.DATABASE_UNAVAILABLE}
_AUTHENTICATED = (ErrorCode.UNAUTHORIZED, ErrorCode.TOKEN_EXPIRED, ErrorCode.TOKEN_REVOKED)
_REPLAYED = (ErrorCode.IDEMPOTENCY_CONFLICT, ErrorCode.REQUEST_IN_PROGRESS)


def openapi_document(
    routes: Sequence[Route], streams: Sequence[StreamRoute], pages: Iterable[tuple[str, str]], *, version: str
) -> bytes:
    """The document as JSON.

    Args:
        routes: every enveloped route.
        streams: every route of bytes.
        pages: path and summary of every GET without envelope.
        version: of the product.
    """
    every: list[Route | StreamRoute] = [*routes, *streams]
    types = _types(every)
    schemas, components = msgspec.json.schema_components(types, ref_template=_REF, schema_hook=_anything)
    by_type = dict(zip(types, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = defaultdict(dict)
    for route in routes:
        paths[route.path][route.method.lower()] = _operation(route, by_type)
    for stream in streams:
        paths[stream.path][stream.method.lower()] = _stream(stream, by_type)
    for path, summary in pages:
        paths[path]["get"] = _page(path, summary)
    document = {
        "openapi": "3.1.0",
        "info": {
            "title": "SecureConnect",
            "version": version,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": {**components, **_ENVELOPE},
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }
    return msgspec.json.format(msgspec.json.encode(_as_sent(document)), indent=1) + b"\n"


def _as_sent(part: Any) -> Any:
    """Times are integers only inside; msgspec says so of the outside too, whatever the annotation adds."""
    if isinstance(part, dict):
        if part.get("type") == "integer" and part.get("format") == "date-time":
            return {**part, "type": "string"}
        return {key: _as_sent(value) for key, value in part.items()}
    return [_as_sent(value) for value in part] if isinstance(part, list) else part


def _anything(type_: type[Any]) -> dict[str, Any]:
    """The schema of `object`: any JSON value."""
    if type_ is not object:
        raise NotImplementedError(type_)
    return {"description": "Any JSON value."}


def _types(routes: Sequence[Route | StreamRoute]) -> list[type[Any]]:
    found: dict[type[Any], None] = {}
    for route in routes:
        given = [answer for answer in route.returns.values() if answer is not None and answer is not Redirect]
        answers = [type_ for answer in given for type_ in _alternatives(answer)]
        body = route.body if isinstance(route, Route) else None
        for type_ in (*answers, body, route.query):
            if type_ is not None:
                found[type_] = None
    return list(found)


def _alternatives(answer: type[Any] | UnionType) -> tuple[type[Any], ...]:
    return get_args(answer) if isinstance(answer, UnionType) else (answer,)


def _operation(route: Route, schemas: dict[type[Any], Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": _operation_id(route),
        "summary": route.summary,
        "tags": [route.tag],
        "parameters": [*_path_parameters(route), *_query_parameters(route)],
        "responses": _responses(route, schemas),
    }
    if _replays(route):
        operation["parameters"].append(
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": False,
                "schema": {"type": "string", "pattern": "^[A-Za-z0-9._:-]{1,128}$"},
            }
        )
    if route.access is not Access.PUBLIC:
        # What a bot token must allow; people need nothing but a session.
        operation["security"] = [{"bearer": [route.scope] if route.scope is not None else []}]
    if route.raw:
        operation["requestBody"] = {"required": True, "content": {"*/*": {}}}
    if route.body is not None:
        required = any(field.required for field in msgspec.structs.fields(route.body))
        operation["requestBody"] = {
            "required": required,
            "content": {"application/json": {"schema": schemas[route.body]}},
        }
    return operation


def _stream(route: StreamRoute, schemas: dict[type[Any], Any]) -> dict[str, Any]:
    """An operation whose body, or answer, is bytes of whatever type was signed."""
    responses: dict[str, Any] = {}
    for status, type_ in route.returns.items():
        content = {"*/*": {}} if type_ is None else {"application/json": {"schema": _success(schemas[type_])}}
        responses[str(status)] = {"description": route.summary, "content": content}
    codes = [code for code in _ALWAYS if code not in _JSON_ONLY]
    operation = {
        "operationId": _operation_id(route),
        "summary": route.summary,
        "tags": [route.tag],
        "parameters": [*_path_parameters(route), *_query_parameters(route)],
        "responses": {**responses, **_refusals([*codes, *route.errors])},
    }
    if route.method == "PUT":
        operation["requestBody"] = {"required": True, "content": {"*/*": {}}}
    return operation


def _operation_id(route: Route | StreamRoute) -> str:
    words = [word.strip("{}").replace(".", "_") for word in route.path.split("/")[2:]]
    return "_".join([route.method.lower(), *words])


def _path_parameters(route: Route | StreamRoute) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "format": "uuid"} if name.endswith("id") else {"type": "string"},
        }
        for name in parameters(route.path)
    ]


def _query_parameters(route: Route | StreamRoute) -> list[dict[str, Any]]:
    if route.query is None:
        return []
    info = inspect.type_info(route.query)
    assert isinstance(info, inspect.StructType)
    # By itself: in company, types of one name are called by their modules too.
    (own,), components = msgspec.json.schema_components(
        [route.query], ref_template=_REF, schema_hook=_anything
    )
    properties = components[own["$ref"].rpartition("/")[2]]["properties"]
    found = []
    for field in info.fields:
        schema = dict(properties[field.encode_name])
        parameter: dict[str, Any] = {"name": field.encode_name, "in": "query", "required": field.required}
        # An absent parameter is how null is written in a query.
        if "anyOf" in schema:
            schema = next(option for option in schema["anyOf"] if option.get("type") != "null")
        schema.pop("default", None) if schema.get("default", 0) is None else None
        if schema.get("type") == "array":
            parameter |= {"style": "form", "explode": False}
        found.append({**parameter, "schema": schema})
    return found


def _responses(route: Route, schemas: dict[type[Any], Any]) -> dict[str, Any]:
    responses: dict[str, Any] = {}
    for status, answer in route.returns.items():
        if answer is Redirect:
            responses[str(status)] = _REDIRECT
            continue
        types = _alternatives(answer)
        data = schemas[types[0]] if len(types) == 1 else {"anyOf": [schemas[type_] for type_ in types]}
        responses[str(status)] = {
            "description": " Or: ".join(
                (type_.__doc__ or route.summary).strip().splitlines()[0] for type_ in types
            ),
            "content": {"application/json": {"schema": _success(data)}},
        }
    return {**responses, **_refusals([*_common(route), *route.errors])}


def _refusals(every: Iterable[ErrorCode]) -> dict[str, Any]:
    codes: dict[int, list[str]] = defaultdict(list)
    for code in dict.fromkeys(every):
        codes[code.status].append(code.name)
    return {
        str(status): {
            "description": " or ".join(names),
            "content": {"application/json": {"schema": _failure(names)}},
        }
        for status, names in sorted(codes.items())
    }


def _common(route: Route) -> list[ErrorCode]:
    codes = list(_ALWAYS)
    if route.access is not Access.PUBLIC:
        codes += [*_AUTHENTICATED, ErrorCode.INSUFFICIENT_SCOPE]
    if route.access is Access.ADMIN:
        codes.append(ErrorCode.FORBIDDEN)
    if route.fresh:
        codes.append(ErrorCode.REAUTH_REQUIRED)
    if route.row is not None:
        codes.append(ErrorCode.RATE_LIMIT_EXCEEDED)
    if parameters(route.path):
        codes.append(ErrorCode.NOT_FOUND)
    if _replays(route):
        codes += _REPLAYED
    return codes


def _replays(route: Route) -> bool:
    return route.method == "POST" and route.replayable and route.access is not Access.PUBLIC


def _success(data: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"success": {"const": True}, "data": data, "meta": {"$ref": _REF.format(name="Meta")}},
        "required": ["success", "data", "meta"],
        "additionalProperties": False,
    }


def _failure(codes: list[str]) -> dict[str, Any]:
    error = {
        "type": "object",
        "properties": {
            "code": {"enum": codes},
            "message": {"type": "string", "minLength": 1, "maxLength": 300},
            "details": {"type": "array", "items": {"$ref": _REF.format(name="Detail")}},
        },
        "required": ["code", "message"],
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {
            "success": {"const": False},
            "error": error,
            "meta": {"$ref": _REF.format(name="Meta")},
        },
        "required": ["success", "error", "meta"],
        "additionalProperties": False,
    }


def _page(path: str, summary: str) -> dict[str, Any]:
    return {
        "operationId": "get_" + path.strip("/").replace("/", "_").replace(".", "_").replace("-", "_"),
        "summary": summary,
        "tags": ["operations"],
        "responses": {"200": {"description": summary}, "default": {"description": "Not available."}},
    }


_REDIRECT: dict[str, Any] = {
    "description": "Elsewhere.",
    "headers": {"Location": {"required": True, "schema": {"type": "string", "format": "uri"}}},
}

_ENVELOPE: dict[str, Any] = {
    "Meta": {
        "type": "object",
        "properties": {
            "timestamp": {"type": "string", "format": "date-time"},
            "request_id": {"type": "string"},
        },
        "required": ["timestamp", "request_id"],
    },
    "Detail": {
        "type": "object",
        "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
        "required": ["field", "message"],
    },
}
