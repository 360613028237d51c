"""How a field of a settings section tells what it means."""

from typing import Any

import msgspec

__all__ = ["about"]


def about(
    description: str,
    *,
    unit: str | None = None,
    default: str | None = None,
    secret: bool = False,
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    min_length: int | None = None,
    pattern: str | None = None,
) -> msgspec.Meta:
    """The metadata of one setting; `secureconnect config doc` is made of it.

    `default` is the text to print where the default depends on the machine or on other settings. A `secret`
    is never shown, and is also accepted as `<key>_file`.
    """
    extra = {"unit": unit, "default": default, "secret": secret}
    bounds = {"ge": ge, "gt": gt, "le": le, "min_length": min_length, "pattern": pattern}
    given: dict[str, Any] = {name: bound for name, bound in bounds.items() if bound is not None}
    meta: msgspec.Meta = msgspec.Meta(
        description=description, extra={name: value for name, value in extra.items() if value}, **given
    )
    return meta
