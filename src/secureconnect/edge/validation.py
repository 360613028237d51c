"""Input from outside becomes typed values here, for HTTP bodies, queries and socket commands alike.

Rules (docs/reference/conventions.md §3.2): no coercion in JSON; text is NFC; names are trimmed; control
characters and lone surrogates are refused; unknown fields are ignored; **every** faulty field is reported,
never its value.

Types say how their text is cleaned by `msgspec.Meta(extra={"clean": ...})`; without it text is `clean_text`.
"""

import re
from collections.abc import Callable, Iterator
from functools import cache
from itertools import islice
from types import NoneType, UnionType
from typing import Annotated, Any, Final, TypeVar, Union, get_args, get_origin
from urllib.parse import parse_qsl

import msgspec
from msgspec import Meta, inspect

from secureconnect.kit.clock import parse_rfc3339
from secureconnect.kit.errors import ApiError, Detail, ErrorCode, invalid
from secureconnect.kit.ids import normalise_uuid
from secureconnect.kit.text import TextFault, clean_name, clean_text, clean_words

__all__ = ["MAX_DEPTH", "Opaque", "Timestamp", "Uuid", "UuidList", "decode", "decode_query", "parse_object"]

T = TypeVar("T")

MAX_DEPTH: Final = 32

Uuid = Annotated[str, Meta(extra={"clean": "uuid"}, extra_json_schema={"format": "uuid"})]
"""UUID text in either case; lower-cased."""

UuidList = Annotated[
    list[Uuid],
    Meta(
        extra={"clean": "comma"},
        min_length=1,
        max_length=100,
        extra_json_schema={"description": "Comma list."},
    ),
]
"""A comma-separated query parameter of 1 to 100 ids."""

Timestamp = Annotated[
    int, Meta(extra={"clean": "timestamp"}, extra_json_schema={"type": "string", "format": "date-time"})
]
"""RFC 3339 text with an offset outside, milliseconds since the epoch inside."""

Opaque = Annotated[str, Meta(extra={"clean": "opaque"})]
"""Text that is stored or compared byte for byte: tokens, ciphertext."""

_Clean = Callable[[Any], Any]
# Bounds of what one request can make us look for and say.
_MAX_FAULTS: Final = 100
_MAX_WALKED: Final = 1000
_NOTHING: Final = (NoneType, msgspec.UnsetType)


def parse_object(payload: bytes | bytearray) -> dict[str, Any]:
    """The JSON object in `payload`.

    Raises:
        ApiError: `VALIDATION_ERROR` on field `body` for bad JSON or UTF-8, another type, or nesting over 32.
    """
    try:
        value = msgspec.json.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise invalid("body", "not valid JSON in UTF-8") from error
    if type(value) is not dict:
        raise invalid("body", "a JSON object is needed")
    # Depth can only exceed the limit when that many brackets were opened; most bodies skip the walk.
    if payload.count(b"{") + payload.count(b"[") > MAX_DEPTH and _deeper_than(value, MAX_DEPTH):
        raise invalid("body", f"nested deeper than {MAX_DEPTH} levels")
    return value


def decode(type_: type[T], raw: dict[str, Any]) -> T:
    """`raw` as a `type_`, a msgspec Struct.

    Raises:
        ApiError: `VALIDATION_ERROR` whose details name every faulty field.
    """
    return _decode(type_, raw, strict=True)


def decode_query(type_: type[T], query: bytes) -> T:
    """The query string as a `type_`; numbers and booleans are text there. Of repeats the last counts.

    Raises:
        ApiError: `VALIDATION_ERROR` whose details name every faulty parameter.
    """
    try:
        raw: dict[str, Any] = dict(parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict"))
    except (UnicodeDecodeError, ValueError) as error:
        raise invalid("query", "not a valid query string") from error
    return _decode(type_, raw, strict=False)


def _decode(type_: type[T], raw: dict[str, Any], *, strict: bool) -> T:
    plan = _plan(type_)  # type: ignore[arg-type]  # a class is hashable; typeshed doubts it for T
    cleaned = raw
    try:
        for name, clean in plan.cleaners:
            if name in raw:
                value = clean(raw[name])
                if value is not raw[name]:
                    if cleaned is raw:
                        cleaned = dict(raw)
                    cleaned[name] = value
        return msgspec.convert(cleaned, type_, strict=strict)
    except (TextFault, msgspec.ValidationError):
        # Once more, slowly: the caller is told everything that is wrong.
        faults = list(islice(_faults_of(plan, raw, "", strict=strict), _MAX_FAULTS))
    raise ApiError(ErrorCode.VALIDATION_ERROR, "The request is not valid.", details=faults)


class _Node(msgspec.Struct):
    """A type, and what is inside of it."""

    type: Any
    clean: _Clean | None
    nullable: bool
    item: "_Node | None"
    plan: "_Plan | None"


class _Field(msgspec.Struct):
    name: str
    required: bool
    node: _Node


class _Plan(msgspec.Struct):
    fields: list[_Field]
    cleaners: list[tuple[str, _Clean]]


@cache
def _plan(type_: type[Any]) -> _Plan:
    fields = [
        _Field(field.encode_name, field.required, _node(field.type))
        for field in msgspec.structs.fields(type_)
    ]
    return _Plan(fields, [(field.name, field.node.clean) for field in fields if field.node.clean is not None])


def _node(type_: Any) -> _Node:
    nullable, solid = False, [type_]
    while len(solid) == 1 and get_origin(solid[0]) in {Annotated, Union, UnionType}:
        outer, parts = get_origin(solid[0]), get_args(solid[0])
        nullable = nullable or (outer is not Annotated and NoneType in parts)
        solid = [parts[0]] if outer is Annotated else [part for part in parts if part not in _NOTHING]
    inner = solid[0] if len(solid) == 1 else None
    is_struct = isinstance(inner, type) and issubclass(inner, msgspec.Struct)
    return _Node(
        type_,
        _cleaner(inspect.type_info(type_)),
        nullable,
        _node(get_args(inner)[0]) if get_origin(inner) is list else None,
        _plan(inner) if is_struct else None,
    )


def _faults_of(plan: _Plan, raw: dict[str, Any], prefix: str, *, strict: bool) -> Iterator[Detail]:
    for field in plan.fields:
        path = prefix + field.name
        if field.name in raw:
            yield from _faults(field.node, raw[field.name], path, strict=strict)
        elif field.required:
            yield Detail(path, "is required")


def _faults(node: _Node, value: Any, path: str, *, strict: bool) -> Iterator[Detail]:
    """What is wrong inside of `value`; with its inside right, what is wrong with itself."""
    if value is None and node.nullable:
        return
    inside: Iterator[Detail] = iter(())
    if node.plan is not None and isinstance(value, dict):
        inside = _faults_of(node.plan, value, f"{path}.", strict=strict)
    elif node.item is not None and isinstance(value, list) and len(value) <= _MAX_WALKED:
        inside = _faults_of_items(node.item, value, path, strict=strict)
    right = True
    for fault in inside:
        right = False
        yield fault
    if not right:
        return
    try:
        cleaned = node.clean(value) if node.clean is not None else value
        msgspec.convert(cleaned, node.type, strict=strict)
    except TextFault as fault:
        yield Detail(path, str(fault))
    except msgspec.ValidationError as error:
        yield _detail(path, str(error))


def _faults_of_items(node: _Node, values: list[Any], path: str, *, strict: bool) -> Iterator[Detail]:
    for index, value in enumerate(values):
        yield from _faults(node, value, f"{path}[{index}]", strict=strict)


def _cleaner(info: inspect.Type, kind: str | None = None) -> _Clean | None:
    if isinstance(info, inspect.Metadata):
        return _cleaner(info.type, (info.extra or {}).get("clean"))
    if isinstance(info, inspect.UnionType):
        members = [clean for member in info.types if (clean := _cleaner(member, kind))]
        nullable = any(isinstance(member, inspect.NoneType) for member in info.types)
        return _or_null(members[0]) if members and nullable else members[0] if members else None
    if isinstance(info, inspect.StrType | inspect.IntType):
        return _CLEANERS.get(kind or "text") if isinstance(info, inspect.StrType) or kind else None
    if isinstance(info, inspect.ListType):
        item = _cleaner(info.item_type)
        return _list_cleaner(item, comma=kind == "comma") if item else None
    if isinstance(info, inspect.DictType):
        return _clean_map
    if isinstance(info, inspect.StructType):
        return _struct_cleaner(
            {field.encode_name: clean for field in info.fields if (clean := _cleaner(field.type))}
        )
    return None


def _or_null(clean: _Clean) -> _Clean:
    return lambda value: None if value is None else clean(value)


def _list_cleaner(item: _Clean, *, comma: bool) -> _Clean:
    def clean(value: Any) -> Any:
        if comma and isinstance(value, str):
            value = value.split(",")
        return [item(one) for one in value] if isinstance(value, list) else value

    return clean


def _struct_cleaner(fields: dict[str, _Clean]) -> _Clean:
    def clean(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {name: fields[name](inner) if name in fields else inner for name, inner in value.items()}

    return clean


def _clean_map(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {clean_text(key): _text(inner) for key, inner in value.items()}


def _text(value: Any) -> Any:
    return clean_text(value) if isinstance(value, str) else value


def _name(value: Any) -> Any:
    return clean_name(value) if isinstance(value, str) else value


def _words(value: Any) -> Any:
    return clean_words(value) if isinstance(value, str) else value


def _opaque(value: Any) -> Any:
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise TextFault("not valid Unicode text") from error
    return value


def _uuid(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    normal = normalise_uuid(value)
    if normal is None:
        raise TextFault("not a UUID")
    return normal


def _timestamp(value: Any) -> Any:
    if not isinstance(value, str):
        raise TextFault("not an RFC 3339 timestamp with an offset")
    try:
        return parse_rfc3339(value)
    except (ValueError, OverflowError) as error:
        raise TextFault("not an RFC 3339 timestamp with an offset") from error


_CLEANERS: Final[dict[str, _Clean]] = {
    "text": _text,
    "name": _name,
    "words": _words,
    "opaque": _opaque,
    "uuid": _uuid,
    "timestamp": _timestamp,
}

_AT = re.compile(r" - at `(?:key in )?\$(.*)`$")


def _detail(field: str, message: str) -> Detail:
    """A fault from msgspec's message, which may quote the value: enum values are cut off."""
    where = _AT.search(message)
    if where:
        message = message[: where.start()]
        field += where.group(1)
    if message.startswith("Invalid enum value"):
        message = "not one of the allowed values"
    return Detail(field, message.replace("`", ""))


def _deeper_than(value: Any, levels: int) -> bool:
    level: list[Any] = [value]
    while level:
        if levels == 0:
            return True
        levels -= 1
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
    return False
