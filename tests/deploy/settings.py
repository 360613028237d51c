"""Settings that deployment files give to the product."""

from collections.abc import Iterable

from secureconnect.app.settings.fields import catalogue

__all__ = ["unknown_variables"]


def unknown_variables(names: Iterable[str]) -> list[str]:
    """Which of these environment variables are settings of ours by their prefix and not by their name."""
    fields = [field for keys in catalogue().values() for field in keys.values()]
    known = {field.variable for field in fields}
    known |= {f"{field.variable}_FILE" for field in fields if field.secret}
    return [name for name in names if name.startswith("SECURECONNECT__") and name not in known]
