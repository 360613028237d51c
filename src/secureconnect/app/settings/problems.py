"""What is wrong with settings, and where each value came from."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import msgspec

__all__ = ["Origin", "Problem", "SettingsError", "Source"]

Source = Literal["default", "file", "env", "flag"]


class Origin(NamedTuple):
    """Where a value came from; `where` is `file:line`, a variable, a flag, or empty for defaults."""

    source: Source
    where: str


class Problem(msgspec.Struct, frozen=True):
    """One thing to mend: `key` is `section.key`, `where` as in `Origin`."""

    key: str
    where: str
    message: str

    def __str__(self) -> str:
        return f"{self.where}: {self.key}: {self.message}" if self.where else f"{self.key}: {self.message}"


class SettingsError(Exception):
    """Every problem of the settings at once."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)
