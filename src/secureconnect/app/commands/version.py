"""`version`: what is installed."""

import argparse
from pathlib import Path

import msgspec

from secureconnect.app.commands.declare import Commands, command

__all__ = ["add"]


def add(commands: Commands, everywhere: argparse.ArgumentParser) -> None:
    """Declare the command."""
    parser = command(commands, everywhere, "version", "print version, commit and schema version", _run)
    parser.add_argument("--json", action="store_true", help="machine output")


def _run(arguments: argparse.Namespace) -> int:
    from secureconnect import __version__
    from secureconnect.migrations import runner

    commit, schema = _commit(), runner.newest_version()
    if arguments.json:
        told = {
            "version": __version__,
            "commit": commit,
            "schema": {"relational": schema, "timeline": schema},
        }
        print(msgspec.json.encode(told).decode())
    else:
        print(f"secureconnect {__version__} (commit {commit or 'unknown'}, schema {schema})")
    return 0


def _commit() -> str | None:
    """The commit that the wheel was built from, or the one checked out; None when neither is known."""
    package = Path(__file__).parents[2]
    if (package / "COMMIT").is_file():
        return (package / "COMMIT").read_text("ascii").strip()
    root = package.parents[1]
    if not (root / ".git").exists():
        return None
    import shutil
    import subprocess

    git = shutil.which("git")
    if git is None:
        return None
    asked = subprocess.run(  # noqa: S603 - our own arguments
        [git, "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True, check=False
    )
    return asked.stdout.strip() or None
