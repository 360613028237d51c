"""`doctor`: name what is broken, and the fix."""

import argparse
import asyncio

import msgspec

from secureconnect.app.commands.declare import Commands, command, read_settings
from secureconnect.app.commands.quiet import logs_to_stderr

__all__ = ["add"]


def add(commands: Commands, everywhere: argparse.ArgumentParser) -> None:
    """Declare the command."""
    parser = command(
        commands,
        everywhere,
        "doctor",
        "check everything that the server stands on, and say how to fix it",
        _run,
    )
    parser.add_argument("--deep", action="store_true", help="read the whole store and check its invariants")
    parser.add_argument("--json", action="store_true", help="machine output")


def _run(arguments: argparse.Namespace) -> int:
    settings = read_settings(arguments).settings
    logs_to_stderr("error")

    from secureconnect.app.doctor import diagnose

    found = asyncio.run(diagnose(settings, deep=arguments.deep))
    broken = any(finding.status == "fail" for finding in found)
    if arguments.json:
        print(msgspec.json.encode({"ok": not broken, "checks": found}).decode())
        return 3 if broken else 0
    for finding in found:
        print(f"{finding.status:<5} {finding.name}: {finding.message}")
        if finding.fix:
            print(f"      → {finding.fix}")
    return 3 if broken else 0
