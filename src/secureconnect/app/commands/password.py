"""Passwords come from a file or from the terminal, never from the command line, which everybody can see."""

import sys
from pathlib import Path

from secureconnect.app.failure import Failure

__all__ = ["read_password"]


def read_password(path: str | None, *, twice: bool) -> str:
    """The content of the file without its last line end; without a file, what is typed (`twice` to be sure).

    Raises:
        Failure: the file is no text, there is no terminal to ask, or the two entries differ.
        OSError: the file cannot be read.
    """
    if path is not None:
        try:
            return Path(path).read_text("utf-8").removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError as error:
            raise Failure(f"{path} is not UTF-8 text") from error
    if not sys.stdin.isatty():
        raise Failure("there is no terminal to ask for the password: give --password-file", exit_code=2)
    import getpass

    password = getpass.getpass("Password: ")
    if twice and getpass.getpass("Again: ") != password:
        raise Failure("the two passwords differ")
    return password
