"""`export-user` and `erase-user`: give somebody its data, or erase them."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from secureconnect.app.commands.declare import Commands, command, read_settings
from secureconnect.app.commands.refusals import refusals
from secureconnect.app.failure import Failure

if TYPE_CHECKING:
    from secureconnect.app.personal_data import Receipt

__all__ = ["add"]


def add(commands: Commands, everywhere: argparse.ArgumentParser) -> None:
    """Declare the commands."""
    export = command(commands, everywhere, "export-user", "write all data of a user into a ZIP file", _export)
    export.add_argument("--out", required=True, type=Path, metavar="FILE", help="a file that does not exist")
    erase = command(
        commands, everywhere, "erase-user", "delete and erase a user, at once and for good", _erase
    )
    erase.add_argument("--yes", action="store_true", help="nothing brings the data back")
    for parser in (export, erase):
        parser.add_argument("--user", required=True, metavar="ID|EMAIL")
        parser.add_argument("--json", action="store_true", help="machine output")


def _export(arguments: argparse.Namespace) -> int:
    settings = read_settings(arguments).settings

    from secureconnect.app.personal_data import export_user

    with refusals():
        _print(export_user(settings, arguments.user, arguments.out), "exported", as_json=arguments.json)
    return 0


def _erase(arguments: argparse.Namespace) -> int:
    settings = read_settings(arguments).settings
    if not arguments.yes:
        raise Failure("erasure cannot be undone; repeat the command with --yes", exit_code=2)

    from secureconnect.app.personal_data import erase_user

    with refusals():
        _print(erase_user(settings, arguments.user), "erased", as_json=arguments.json)
    return 0


def _print(receipt: "Receipt", verb: str, *, as_json: bool) -> None:
    if as_json:
        print(msgspec.json.encode(receipt).decode())
        return
    print(f"{receipt.user_id} {verb}")
    for name, count in receipt.counts.items():
        print(f"  {name:<32}{count:>10}")
