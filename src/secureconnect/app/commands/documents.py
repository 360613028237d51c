"""`openapi` and `asyncapi`: the served documents, byte for byte."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from secureconnect.app.commands.declare import Commands, command

__all__ = ["add"]


def add(commands: Commands, everywhere: argparse.ArgumentParser) -> None:
    """Declare the commands."""
    for name, run, summary in (
        ("openapi", _openapi, "write the OpenAPI document of the HTTP interface"),
        ("asyncapi", _asyncapi, "write the AsyncAPI document of the sockets"),
    ):
        parser = command(commands, everywhere, name, summary, run)
        parser.add_argument("--out", metavar="FILE", help="write there instead of to stdout")


def _openapi(arguments: argparse.Namespace) -> int:
    from secureconnect.app.blueprint import openapi_bytes

    return _write(arguments, openapi_bytes)


def _asyncapi(arguments: argparse.Namespace) -> int:
    from secureconnect.app.blueprint import asyncapi_bytes

    return _write(arguments, asyncapi_bytes)


def _write(arguments: argparse.Namespace, render: Callable[[], bytes]) -> int:
    document = render()
    if arguments.out:
        Path(arguments.out).write_bytes(document)
    else:
        sys.stdout.buffer.write(document)
    return 0
