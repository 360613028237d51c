"""Reads settings: file, then environment, then flags; reports everything that is wrong at once."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from secureconnect.app.roles import GATEWAY, PORTS
from secureconnect.app.settings.checks import check
from secureconnect.app.settings.fields import Field, catalogue, parse, section_types, sentence
from secureconnect.app.settings.model import Settings
from secureconnect.app.settings.problems import Origin, Problem, SettingsError
from secureconnect.app.settings.sources import PREFIX, Given, from_environment, from_file, from_flags
from secureconnect.app.settings.tables import fault_of, with_secrets
from secureconnect.kit.settings import Section

__all__ = ["FILE_NAME", "Loaded", "load"]

FILE_NAME = "secureconnect.toml"
_DEFAULT = Origin("default", "")


class Loaded(NamedTuple):
    """Settings and the origin of each `section.key` that is not a default."""

    settings: Settings
    origins: Mapping[str, Origin]

    def origin(self, name: str) -> Origin:
        """Where the value of `section.key` came from."""
        return self.origins.get(name, _DEFAULT)


def load(
    *,
    environ: Mapping[str, str],
    config: Path | None = None,
    flags: Mapping[str, str] | None = None,
    roles: Sequence[str] = (),
) -> Loaded:
    """Read settings (docs/reference/operations.md §3).

    Without `config` the file is `./secureconnect.toml`, else `<data-dir>/secureconnect.toml`, if one exists.
    `flags` is `--host`, `--port`, `--data-dir`, `--workers` → text; `roles` are those asked of `serve`.

    Raises:
        SettingsError: with every problem found.
    """
    flags = flags or {}
    reader = _Reader()
    path = config or _default_file(environ, flags)
    if path is not None:
        reader.take(from_file(path))
    reader.take(from_environment(environ))
    reader.take(from_flags(flags))
    return reader.finish(roles)


def _default_file(environ: Mapping[str, str], flags: Mapping[str, str]) -> Path | None:
    data_dir = (
        flags.get("--data-dir") or environ.get(f"{PREFIX}SERVER__DATA_DIR") or Settings().server.data_dir
    )
    return next((path for path in (Path(FILE_NAME), Path(data_dir) / FILE_NAME) if path.is_file()), None)


class _Reader:
    """Takes values in order of precedence, lowest first."""

    def __init__(self) -> None:
        self._problems: list[Problem] = []
        self._values: dict[str, dict[str, Any]] = {section: {} for section in section_types()}
        self._origins: dict[str, Origin] = {}
        self._direct: dict[str, Origin] = {}
        self._by_file: dict[str, Origin] = {}

    def take(self, found: Iterator[Given | Problem] | Iterator[Given]) -> None:
        for item in found:
            if isinstance(item, Problem):
                self._problems.append(item)
            else:
                self._give(item)

    def _give(self, given: Given) -> None:
        fields = catalogue().get(given.section)
        if fields is None:
            self._refuse(given, f"no such section in this version{_hint(given.section, catalogue())}")
        elif not given.key:
            return
        elif given.key in fields:
            field = fields[given.key]
            self._direct[field.name] = given.origin
            self._set(field, parse(field, given.value) if given.text else given.value, given.origin)
        elif (
            (secret := fields.get(given.key.removesuffix("_file")))
            and secret.secret
            and secret.key != given.key
        ):
            self._by_file[secret.name] = given.origin
            self._read_secret(secret, given)
        else:
            self._refuse(given, f"no such setting in this version{_hint(given.key, fields)}")

    def _read_secret(self, field: Field, given: Given) -> None:
        if not isinstance(given.value, str) or not given.value:
            self._refuse(given, "must be the path of a file")
            return
        try:
            self._set(field, parse(field, _text_of(given.value)), given.origin)
        except ValueError as error:
            self._refuse(given, str(error))

    def _set_tables(self, field: Field, table: type[Section], value: Any, origin: Origin) -> None:
        try:
            tables = with_secrets(table, value, _text_of)
            self._values[field.section][field.key] = msgspec.convert(tables, field.annotation)
        except msgspec.ValidationError as error:
            # The value is not shown: it may hold secrets.
            message = f"must be {sentence(field)}: {fault_of(error)}"
            self._problems.append(Problem(field.name, origin.where, message))
        except ValueError as error:
            self._problems.append(Problem(field.name, origin.where, str(error)))
        else:
            self._origins[field.name] = origin

    def _set(self, field: Field, value: Any, origin: Origin) -> None:
        if field.table is not None:
            self._set_tables(field, field.table, value, origin)
            return
        try:
            self._values[field.section][field.key] = msgspec.convert(value, field.annotation)
        except msgspec.ValidationError:
            shown = "" if field.secret else f", not {value!r}"
            self._problems.append(Problem(field.name, origin.where, f"must be {sentence(field)}{shown}"))
        else:
            self._origins[field.name] = origin

    def _refuse(self, given: Given, message: str) -> None:
        name = f"{given.section}.{given.key}" if given.key else given.section
        self._problems.append(Problem(name, given.origin.where, message))

    def finish(self, roles: Sequence[str]) -> Loaded:
        for name in self._direct.keys() & self._by_file.keys():
            where = f"{self._direct[name].where}, {self._by_file[name].where}"
            self._problems.append(Problem(name, where, f"give {name} or {name}_file, not both"))
        values = self._values
        # The other roles are reached through the gateway, under its address.
        at_the_edge = not roles or GATEWAY in roles
        if at_the_edge and "public_url" not in values["server"] and "port" in values["server"]:
            values["server"]["public_url"] = f"http://localhost:{values['server']['port']}"
        if roles:
            values["server"].setdefault("host", "0.0.0.0")  # noqa: S104 - a role is reached from other machines
            values["server"].setdefault("port", PORTS.get(roles[0], PORTS[GATEWAY]))
        if roles or values["server"].get("workers", 1) > 1:
            # Several processes start at once, and old ones may still serve: `migrate` is a step of its own.
            values["database"].setdefault("auto_migrate", False)
        settings = msgspec.convert(values, Settings)
        faulty = {problem.key for problem in self._problems}
        for fault in check(settings, roles):
            if fault.key not in faulty:
                origin = self._origins.get(fault.key, _DEFAULT)
                self._problems.append(Problem(fault.key, origin.where, fault.message))
        if self._problems:
            raise SettingsError(self._problems)
        return Loaded(settings, self._origins)


def _text_of(path: str) -> str:
    """What a secret file holds, without the end of its last line. Raises ValueError that says why not."""
    try:
        text = Path(path).read_text("utf-8")
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text") from error
    return text.removesuffix("\n").removesuffix("\r")


def _hint(name: str, known: Mapping[str, object]) -> str:
    import difflib

    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]}?" if close else ""
