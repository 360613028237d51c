"""Paths and bodies of requests."""

from typing import Any
from urllib.parse import quote

import msgspec

__all__ = ["UNSET", "Nothing", "Unset", "given", "path"]

UNSET = msgspec.UNSET
Unset = msgspec.UnsetType


class Nothing(msgspec.Struct):
    """An answer of which nothing is used."""


def given(**fields: Any) -> dict[str, Any]:
    """`fields` without those that are UNSET: what was not given stays as it is, None clears."""
    return {name: value for name, value in fields.items() if value is not UNSET}


def path(template: str, *segments: str) -> str:
    """`template` with each `{}` replaced by a segment, quoted so that it stays one segment."""
    return template.format(*(quote(segment, safe="") for segment in segments))
