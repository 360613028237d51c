"""`createadmin`: make or promote a server admin."""

import argparse

from secureconnect.app.commands.declare import Commands, command, read_settings
from secureconnect.app.commands.password import read_password
from secureconnect.app.commands.refusals import refusals

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
    password = read_password(arguments.password_file, twice=True)

    from secureconnect.app.admin import create_admin

    with refusals():
        print(create_admin(settings, arguments.email, arguments.username, password))
    return 0
