"""The catalogue of all settings, read from the annotations of the sections."""

import typing
from collections.abc import Mapping
from functools import cache
from typing import Any, Literal, NamedTuple

import msgspec

from secureconnect.app.settings.model import Settings
from secureconnect.app.settings.tables import table_of
from secureconnect.kit.settings import Section, is_secret

__all__ = ["Field", "catalogue", "parse", "section_types", "section_values", "sentence", "table_fields"]


class Field(NamedTuple):
    """One setting. `annotation` carries the bounds, `base` is the bare type."""

    section: str
    key: str
    annotation: Any
    base: Any
    default: Any
    description: str
    unit: str | None
    default_text: str | None
    secret: bool

    @property
    def name(self) -> str:
        """`section.key`."""
        return f"{self.section}.{self.key}"

    @property
    def table(self) -> type[Section] | None:
        """The table that the setting is a list of, if it is one."""
        return table_of(self.base)

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return f"SECURECONNECT__{self.section}__{self.key}".upper()


@cache
def section_types() -> Mapping[str, type[msgspec.Struct]]:
    """Section name → its struct, in the order of the reference."""
    return typing.get_type_hints(Settings)


@cache
def catalogue() -> Mapping[str, Mapping[str, Field]]:
    """Section → key → field."""
    defaults = Settings()
    found: dict[str, dict[str, Field]] = {}
    for section, struct in section_types().items():
        values = section_values(getattr(defaults, section))
        hints = typing.get_type_hints(struct, include_extras=True)
        keys = {field.encode_name: hints[field.name] for field in msgspec.structs.fields(struct)}
        found[section] = {
            key: _field(section, key, annotation, values[key]) for key, annotation in keys.items()
        }
    return found


def section_values(section: msgspec.Struct) -> dict[str, Any]:
    """Key → value. A key that Python keeps for itself (`from`) has another name in the struct."""
    fields = msgspec.structs.fields(section)
    return {field.encode_name: getattr(section, field.name) for field in fields}


def table_fields(field: Field) -> list[Field]:
    """The keys of the tables of a setting; empty for other settings."""
    if field.table is None:
        return []
    hints = typing.get_type_hints(field.table, include_extras=True)
    return [
        _field(field.name, key.encode_name, hints[key.name], "" if key.required else key.default)
        for key in msgspec.structs.fields(field.table)
    ]


def _field(section: str, key: str, annotation: Any, default: Any) -> Field:
    metas = [meta for meta in getattr(annotation, "__metadata__", ()) if isinstance(meta, msgspec.Meta)]
    extra: dict[str, Any] = {name: value for meta in metas for name, value in (meta.extra or {}).items()}
    return Field(
        section=section,
        key=key,
        annotation=annotation,
        base=getattr(annotation, "__origin__", annotation),
        default=default,
        description=next((meta.description for meta in metas if meta.description), ""),
        unit=extra.get("unit"),
        default_text=extra.get("default"),
        secret=is_secret(annotation),
    )


def parse(field: Field, text: str) -> Any:
    """The value that `text` of a variable or a flag stands for; of the right type or `text` itself.

    Lists are JSON or comma-separated (docs/reference/operations.md §3). Bounds are not looked at here.
    """
    stripped = text.strip()
    if field.base is bool:
        return {"true": True, "1": True, "false": False, "0": False}.get(stripped.lower(), text)
    if field.base in (int, float):
        try:
            return field.base(stripped)
        except ValueError:
            return text
    if field.table is not None:
        try:
            return msgspec.json.decode(stripped)
        except msgspec.DecodeError:
            return text
    if typing.get_origin(field.base) is tuple:
        if stripped.startswith("["):
            try:
                return msgspec.json.decode(stripped, type=list[str])
            except msgspec.DecodeError:
                return text
        return [item.strip() for item in stripped.replace("\n", ",").split(",") if item.strip()]
    return text


def sentence(field: Field) -> str:
    """What a value must be: `an integer from 0 to 65535`."""
    if typing.get_origin(field.base) is Literal:
        return " or ".join(f'"{choice}"' for choice in typing.get_args(field.base))
    if field.table is not None:
        return "a list of tables, in a variable as JSON"
    if typing.get_origin(field.base) is tuple:
        return "a list of texts"
    if field.base is bool:
        return "true or false"
    return _NOUNS[field.base] + _range(field.annotation)


_NOUNS = {int: "an integer", float: "a number", str: "a text"}


def _range(annotation: Any) -> str:
    for meta in getattr(annotation, "__metadata__", ()):
        if form := (meta.extra or {}).get("form"):
            return f" of the form {form}"
        if meta.min_length:
            return " that is not empty"
        if meta.gt is not None:
            return f" above {meta.gt}" + (f" up to {meta.le}" if meta.le is not None else "")
        if meta.ge is not None:
            return f" from {meta.ge} to {meta.le}" if meta.le is not None else f" of at least {meta.ge}"
    return ""
