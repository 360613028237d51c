"""How a section of settings, and each field in it, tells what it means; for whoever owns a section."""

from typing import Any, get_type_hints

import msgspec

__all__ = ["Section", "about", "is_secret"]


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
    form: str | None = None,
) -> msgspec.Meta:
    """The metadata of one setting; `secureconnect config doc` is made of it.

    `default` is the text to print where the default depends on the machine or on other settings. A `secret`
    is never shown, and is also accepted as `<key>_file`. `form` says in words what `pattern` asks for.
    """
    extra = {"unit": unit, "default": default, "secret": secret, "form": form}
    bounds = {"ge": ge, "gt": gt, "le": le, "min_length": min_length, "pattern": pattern}
    given: dict[str, Any] = {name: bound for name, bound in bounds.items() if bound is not None}
    meta: msgspec.Meta = msgspec.Meta(
        description=description, extra={name: value for name, value in extra.items() if value}, **given
    )
    return meta


def is_secret(annotation: Any) -> bool:
    """Whether the annotation of a field marks a secret."""
    return any(
        isinstance(meta, msgspec.Meta) and bool((meta.extra or {}).get("secret"))
        for meta in getattr(annotation, "__metadata__", ())
    )


class Section(msgspec.Struct, frozen=True):
    """A section whose text form hides its secrets: settings end up in tracebacks and debuggers."""

    def __repr__(self) -> str:
        hints = get_type_hints(type(self), include_extras=True)
        shown = (
            f"{name}={'***' if value and is_secret(hints[name]) else repr(value)}"
            for name, value in msgspec.structs.asdict(self).items()
        )
        return f"{type(self).__name__}({', '.join(shown)})"
