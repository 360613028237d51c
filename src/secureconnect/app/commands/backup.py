"""`backup` and `restore`: one file that an installation comes back from."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from secureconnect.app.commands.declare import Commands, command, read_settings
from secureconnect.app.commands.quiet import logs_to_stderr
from secureconnect.app.commands.refusals import refusals
from secureconnect.app.failure import Failure
from secureconnect.app.settings import Settings

if TYPE_CHECKING:
    from secureconnect.app.backup.restore import Restored

__all__ = ["add"]


def add(commands: Commands, everywhere: argparse.ArgumentParser) -> None:
    """Declare the commands."""
    backup = command(
        commands, everywhere, "backup", "write everything into one file, beside a running server", _backup
    )
    backup.add_argument(
        "--out", type=Path, metavar="FILE", help="a file that does not exist; else backup.dir"
    )
    backup.add_argument("--exclude", action="append", choices=("objects",), default=[])
    restore = command(commands, everywhere, "restore", "put a backup in place, or only verify it", _restore)
    restore.add_argument("--in", dest="archive", required=True, type=Path, metavar="FILE")
    restore.add_argument("--verify", action="store_true", help="read, load and check it; change nothing")
    restore.add_argument("--force", action="store_true", help="replace what is there")
    restore.add_argument("--keep-sessions", action="store_true", help="nobody has to log in again")
    for parser in (backup, restore):
        parser.add_argument(
            "--passphrase-file", metavar="FILE", help="read it there, without its last line end"
        )
        parser.add_argument("--json", action="store_true", help="machine output")


def _backup(arguments: argparse.Namespace) -> int:
    settings = read_settings(arguments).settings
    logs_to_stderr()
    passphrase = _passphrase(arguments, settings)

    from secureconnect.app.backup.dump import back_up
    from secureconnect.app.backup.names import new_name

    out: Path | None = arguments.out
    if out is None:
        if not settings.backup.dir:
            raise Failure("give --out FILE, or set backup.dir", exit_code=2)
        out = Path(settings.backup.dir) / new_name()
    if not passphrase:
        print(
            "secureconnect: warning: without a passphrase whoever has the file can read everything in it",
            file=sys.stderr,
        )
    with refusals():
        made = back_up(settings, out, passphrase, without=arguments.exclude)
    if arguments.json:
        print(msgspec.json.encode(made).decode())
    else:
        print(
            f"{made.path}: {made.rows} rows, {made.objects} objects, "
            f"{made.bytes} bytes in {made.seconds:.1f} s"
        )
        if made.missing:
            print(f"{made.missing} objects were deleted while they were being copied")
    return 0


def _restore(arguments: argparse.Namespace) -> int:
    settings = read_settings(arguments).settings
    logs_to_stderr()
    passphrase = _passphrase(arguments, settings)

    from secureconnect.app.backup.restore import restore, verify

    archive: Path = arguments.archive
    with refusals():
        if arguments.verify:
            _tell(verify(archive, passphrase), "is whole", as_json=arguments.json)
        else:
            done = restore(
                settings,
                archive,
                passphrase,
                force=arguments.force,
                keep_sessions=arguments.keep_sessions,
            )
            _tell(done, "was restored", as_json=arguments.json)
    return 0


def _tell(done: "Restored", verb: str, *, as_json: bool) -> None:
    if as_json:
        print(msgspec.json.encode(done).decode())
        return
    from secureconnect.kit.clock import rfc3339

    print(f"the backup of {rfc3339(done.created_at)} {verb}: {done.rows} rows, {done.objects} objects")
    for name, count in done.settled.items():
        print(f"  {name:<32}{count:>10}")


def _passphrase(arguments: argparse.Namespace, settings: Settings) -> str:
    if arguments.passphrase_file is None:
        return settings.backup.passphrase
    text = Path(arguments.passphrase_file).read_text("utf-8")
    passphrase = text.removesuffix("\n").removesuffix("\r")
    if not passphrase:
        raise Failure(f"{arguments.passphrase_file} is empty", exit_code=2)
    return passphrase
