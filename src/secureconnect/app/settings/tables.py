"""Settings that are lists of tables, `[[section.key]]` in the file and JSON in a variable."""

import typing
from collections.abc import Callable
from typing import Any

import msgspec

from secureconnect.kit.settings import Section, is_secret

__all__ = ["fault_of", "hidden", "table_of", "with_secrets"]


def table_of(base: Any) -> type[Section] | None:
    """The table that a setting of this type is a list of, if it is one."""
    if typing.get_origin(base) is not tuple:
        return None
    item = typing.get_args(base)[0]
    return item if isinstance(item, type) and issubclass(item, Section) else None


def with_secrets(table: type[Section], value: Any, read: Callable[[str], str]) -> Any:
    """`value` with the text of the file in place of each `<key>_file`.

    Raises:
        ValueError: key and file are both given, or the file cannot be read.
    """
    if not isinstance(value, list):
        return value
    return [_with_secrets(table, item, read) if isinstance(item, dict) else item for item in value]


def _with_secrets(table: type[Section], item: dict[str, Any], read: Callable[[str], str]) -> dict[str, Any]:
    read_in = dict(item)
    for key in _secret_keys(table):
        path = read_in.pop(f"{key}_file", None)
        if path is None:
            continue
        if key in read_in:
            raise ValueError(f"give {key} or {key}_file, not both")
        if not isinstance(path, str) or not path:
            raise ValueError(f"{key}_file must be the path of a file")
        read_in[key] = read(path)
    return read_in


def hidden(table: type[Section], values: typing.Iterable[Section], mark: str) -> list[dict[str, Any]]:
    """The tables as they are shown, secrets as `mark`."""
    secret = _secret_keys(table)
    return [
        {
            field.encode_name: mark
            if field.name in secret and getattr(value, field.name)
            else getattr(value, field.name)
            for field in msgspec.structs.fields(table)
        }
        for value in values
    ]


def fault_of(error: msgspec.ValidationError) -> str:
    """What is wrong with a table; msgspec names the key, and of values only those that a list allows."""
    return str(error).replace("`", "").replace("$[", "[").replace("Object ", "a table ")


def _secret_keys(table: type[Section]) -> set[str]:
    hints = typing.get_type_hints(table, include_extras=True)
    return {name for name, annotation in hints.items() if is_secret(annotation)}
