"""The three places settings come from: a TOML file, the environment, flags."""

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from secureconnect.app.settings.problems import Origin, Problem
from secureconnect.app.settings.toml_lines import key_lines

__all__ = ["PREFIX", "Given", "from_environment", "from_file", "from_flags"]

PREFIX = "SECURECONNECT__"
_LINE = re.compile(r"line (\d+)")


class Given(NamedTuple):
    """One value as it was found. `text`: it still has to be parsed as the type of its field."""

    section: str
    key: str
    value: Any
    origin: Origin
    text: bool


def from_file(path: Path) -> Iterator[Given | Problem]:
    """The settings of a TOML file."""
    try:
        text = path.read_text("utf-8")
        tables = tomllib.loads(text)
    except OSError as error:
        yield Problem("--config", str(path), f"cannot be read: {error.strerror}")
        return
    except UnicodeDecodeError:
        yield Problem("file", str(path), "is not UTF-8 text")
        return
    except tomllib.TOMLDecodeError as error:
        found = _LINE.search(str(error))
        line = int(found[1]) if found else text.rstrip().count("\n") + 1
        yield Problem("file", f"{path}:{line}", f"is not valid TOML: {error}")
        return
    lines = key_lines(text)
    for section, table in tables.items():
        line = lines.get((section,)) or min(
            (number for keys, number in lines.items() if keys[0] == section), default=1
        )
        if not isinstance(table, Mapping):
            yield Problem(
                section, f"{path}:{line}", "must be a section: write [section] and below it key = value"
            )
            continue
        if not table:
            # Nothing is set, but a mistyped name shall not pass unseen.
            yield Given(section, "", None, Origin("file", f"{path}:{line}"), text=False)
        for key, value in table.items():
            origin = Origin("file", f"{path}:{lines.get((section, key), line)}")
            yield Given(section, key, value, origin, text=False)


def from_environment(environ: Mapping[str, str]) -> Iterator[Given | Problem]:
    """The settings among the environment's variables, `SECURECONNECT__SECTION__KEY`."""
    for name, value in sorted(environ.items()):
        if not name.startswith(PREFIX):
            continue
        section, separator, key = name.removeprefix(PREFIX).lower().partition("__")
        if not separator or not section or not key:
            yield Problem(name, name, f"names no setting: write {PREFIX}SECTION__KEY")
            continue
        yield Given(section, key, value, Origin("env", name), text=True)


def from_flags(flags: Mapping[str, str]) -> Iterator[Given]:
    """The settings among the flags; `flags` is `--name` of a server setting → text."""
    for flag, value in flags.items():
        yield Given(
            "server", flag.removeprefix("--").replace("-", "_"), value, Origin("flag", flag), text=True
        )
