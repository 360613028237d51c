"""`createadmin`: make or promote a server admin."""

import argparse
import sys
from pathlib import Path

from secureconnect.app.commands.declare import Commands, command, read_settings
from secureconnect.app.commands.refusals import refusals
from secureconnect.app.failure import Failure

__all__ = ["add"]


def add(commands: Commands, everywhere: argparse.ArgumentParser) -> None:
    """Declare the command."""
    parser = command(
        commands, everywhere, "createadmin", "make a server admin, or promote a user to one", _run
    )
    parser.add_argument("--email", required=True)
    parser.add_argument("--username", required=True)
    parser.add_argument(
        "--password-file",
        metavar="FILE",
        help="read the password there, without its last line end; else asks",
    )


def _run(arguments: argparse.Namespace) -> int:
    settings = read_settings(arguments).settings
    password = _password(arguments.password_file)

    from secureconnect.app.admin import create_admin

    with refusals():
        print(create_admin(settings, arguments.email, arguments.username, password))
    return 0


def _password(path: str | None) -> str:
    if path is not None:
        try:
            return Path(path).read_text("utf-8").removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError as error:
            raise Failure(f"{path} is not UTF-8 text") from error
    if not sys.stdin.isatty():
        raise Failure("there is no terminal to ask for the password: give --password-file", exit_code=2)
    import getpass

    password = getpass.getpass("Password: ")
    if getpass.getpass("Again: ") != password:
        raise Failure("the two passwords differ")
    return password
