"""What every command has: its place on the command line and its settings."""

import argparse
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from secureconnect.app.settings import Loaded, load

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]
else:
    Commands = Any

__all__ = ["Commands", "command", "read_settings"]

_FLAGS = ("--host", "--port", "--workers", "--data-dir")


def command(
    commands: Commands,
    everywhere: argparse.ArgumentParser,
    name: str,
    summary: str,
    run: Callable[[argparse.Namespace], int],
) -> argparse.ArgumentParser:
    """Declare `secureconnect <name>`; returns its parser for further options."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=summary, description=summary, parents=[everywhere], allow_abbrev=False
    )
    parser.set_defaults(run=run)
    return parser


def read_settings(arguments: argparse.Namespace, roles: Sequence[str] = ()) -> Loaded:
    """The settings of this command line and of the process's environment.

    Raises:
        SettingsError: with every problem found.
    """
    given = {flag: getattr(arguments, flag.removeprefix("--").replace("-", "_"), None) for flag in _FLAGS}
    config: str | None = getattr(arguments, "config", None)
    return load(
        environ=os.environ,
        config=None if config is None else Path(config),
        flags={flag: text for flag, text in given.items() if text is not None},
        roles=roles,
    )
