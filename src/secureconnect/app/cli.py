"""The command line (docs/reference/operations.md §1). Heavy imports happen inside the command that needs
them.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import suppress

from secureconnect.app.commands import (
    backup,
    bench,
    chat,
    config,
    createadmin,
    doctor,
    documents,
    migrate,
    people,
    serve,
    version,
)
from secureconnect.app.failure import Failure
from secureconnect.app.settings import SettingsError

__all__ = ["main"]

_COMMANDS = (serve, migrate, config, documents, createadmin, people, backup, doctor, bench, chat, version)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0 ok, 1 failed, 2 wrong usage or settings, 3 dependency."""
    arguments = _parser().parse_args(argv)
    try:
        code: int = arguments.run(arguments)
        sys.stdout.flush()
    except SettingsError as error:
        count = len(error.problems)
        _complain(f"{count} problem{'s' if count > 1 else ''} with the settings")
        for problem in error.problems:
            print(f"  {problem}", file=sys.stderr)
        return 2
    except Failure as failure:
        _complain(str(failure))
        return failure.exit_code
    except BrokenPipeError:
        # The reader has seen enough (`… | head`). Nothing may be written any more, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        _complain(f"{error.filename}: {error.strerror}" if error.filename else str(error))
        return 1
    except KeyboardInterrupt:
        _complain("interrupted")
        return 1
    return code


def _complain(message: str) -> None:
    with suppress(OSError):
        print(f"secureconnect: {message}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    everywhere = argparse.ArgumentParser(add_help=False)
    # Suppressed, so that the default of a command does not undo what stood before the command.
    everywhere.add_argument(
        "--config",
        metavar="FILE",
        default=argparse.SUPPRESS,
        help="settings (TOML); else ./secureconnect.toml, else <data-dir>/secureconnect.toml",
    )
    everywhere.add_argument(
        "--data-dir",
        metavar="DIR",
        default=argparse.SUPPRESS,
        help="database, objects and secrets; ./data unless set",
    )
    parser = argparse.ArgumentParser(
        prog="secureconnect",
        description="A self-hosted chat server.",
        epilog="exit codes: 0 ok, 1 failed, 2 wrong usage or settings, 3 a dependency is not usable",
        parents=[everywhere],
        allow_abbrev=False,
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in _COMMANDS:
        command.add(commands, everywhere)
    return parser


if __name__ == "__main__":
    sys.exit(main())
