"""`config`: look at settings without starting anything."""

import argparse
import sys

import msgspec

from secureconnect.app.commands.declare import Commands, command, read_settings
from secureconnect.app.settings import SettingsError

__all__ = ["add"]


def add(commands: Commands, everywhere: argparse.ArgumentParser) -> None:
    """Declare the command."""
    parser = command(commands, everywhere, "config", "check, show or document the settings", _run)
    parser.add_argument(
        "action",
        choices=("check", "show", "doc"),
        help="check: list every problem; show: values in force and their origin; doc: reference (Markdown)",
    )
    parser.add_argument("--json", action="store_true", help="machine output of check and show")


def _run(arguments: argparse.Namespace) -> int:
    if arguments.action == "check":
        return _check(arguments)

    from secureconnect.app.settings import reference

    if arguments.action == "doc":
        sys.stdout.write(reference.document())
        return 0
    loaded = read_settings(arguments)
    if arguments.json:
        _print_json(reference.effective(loaded))
    else:
        print("\n".join(reference.listing(loaded)))
    return 0


def _check(arguments: argparse.Namespace) -> int:
    from secureconnect.app.settings.production import warnings

    try:
        notes = list(warnings(read_settings(arguments).settings))
    except SettingsError as error:
        if not arguments.json:
            raise
        _print_json({"ok": False, "problems": error.problems, "warnings": []})
        return 2
    if arguments.json:
        _print_json({"ok": True, "problems": [], "warnings": notes})
    else:
        print("\n".join(["the settings are good", *(f"warning: {note}" for note in notes)]))
    return 0


def _print_json(value: object) -> None:
    print(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())
