"""`migrate`: apply, undo or list schema migrations, and move messages to another store."""

import argparse
import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import nullcontext
from typing import TYPE_CHECKING, TypeVar

from secureconnect.app.commands.declare import Commands, command, read_settings
from secureconnect.app.commands.quiet import logs_to_stderr
from secureconnect.app.commands.refusals import refusals
from secureconnect.app.data_dir import DataDirectory, open_data_dir
from secureconnect.app.failure import Failure
from secureconnect.app.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from secureconnect.infra.database.base import Database
    from secureconnect.migrations.runner import Status, Step

__all__ = ["add"]

T = TypeVar("T")


def add(commands: Commands, everywhere: argparse.ArgumentParser) -> None:
    """Declare the command."""
    parser = command(
        commands,
        everywhere,
        "migrate",
        "apply, undo or list schema migrations; timeline: move all messages to where timeline.backend says",
        _run,
    )
    parser.add_argument("action", nargs="?", choices=("up", "down", "status", "timeline"), default="up")
    parser.add_argument("count", nargs="?", type=int, help="down: how many of the latest to undo")
    parser.add_argument("--yes", action="store_true", help="down: do not ask")


def _run(arguments: argparse.Namespace) -> int:
    down = arguments.action == "down"
    if down != (arguments.count is not None) or (down and arguments.count < 1):
        raise Failure("give a number of migrations with down, and only there: migrate down 1", exit_code=2)
    settings = read_settings(arguments).settings
    if arguments.action == "timeline":
        return _move(settings)
    if arguments.action == "status" and settings.embedded_sql and not settings.database_path.exists():
        print("\n".join(_listing(None)))
        return 0

    from secureconnect.migrations import runner

    data_dir = open_data_dir(settings)
    with refusals():
        if down:
            _confirm(arguments)
            # A file serves one process, which would not notice. On a server the operator stops the others.
            with data_dir.lock() if settings.embedded_sql else nullcontext():
                undone = _written(settings, data_dir, lambda conn: runner.downgrade(conn, arguments.count))
            _tell("undone", undone)
        elif arguments.action == "up":
            _tell("applied", _written(settings, data_dir, runner.upgrade))
            _upgrade_timeline(settings)
        else:
            status = asyncio.run(
                _with_database(
                    settings, data_dir, lambda database: database.read(runner.status), any_schema=True
                )
            )
            print("\n".join(_listing(status)))
            _tell_timeline(settings)
    return 0


def _move(settings: Settings) -> int:
    logs_to_stderr()

    from secureconnect.app.moving import move_timeline

    last = time.monotonic()

    def tell(conversations: int, events: int) -> None:
        nonlocal last
        if (now := time.monotonic()) - last >= 1:
            last = now
            print(f"{conversations} conversations, {events} events", file=sys.stderr)

    with refusals():
        moved = move_timeline(settings, tell)
    where = "Cassandra" if settings.timeline.backend == "cassandra" else "the database"
    if not moved.conversations:
        print(f"nothing to do: what there is lies in {where}")
        return 0
    print(
        f"moved to {where}: {moved.conversations} conversations, {moved.events} events,"
        f" {moved.messages} messages"
    )
    return 0


def _confirm(arguments: argparse.Namespace) -> None:
    if arguments.yes:
        return
    if not sys.stdin.isatty():
        raise Failure("undoing migrations loses the data they brought: give --yes", exit_code=2)
    question = f"Undo the latest {arguments.count} and lose the data they brought? Type yes: "
    if input(question).strip().lower() != "yes":
        raise Failure("nothing was undone")


def _written(
    settings: Settings, data_dir: DataDirectory, work: "Callable[[Connection], list[Step]]"
) -> "list[Step]":
    def write(database: "Database") -> "Awaitable[list[Step]]":
        return database.write(lambda tx: work(tx.conn))

    return asyncio.run(_with_database(settings, data_dir, write))


async def _with_database(
    settings: Settings,
    data_dir: DataDirectory,
    work: "Callable[[Database], Awaitable[T]]",
    *,
    any_schema: bool = False,
) -> T:
    from secureconnect.app.relational import MIGRATION_PATIENCE, open_relational

    database = open_relational(
        settings, data_dir, statement_timeout=MIGRATION_PATIENCE, any_schema=any_schema
    )
    try:
        return await work(database)
    finally:
        await database.close()


def _upgrade_timeline(settings: Settings) -> None:
    if settings.timeline.backend == "cassandra":
        from secureconnect.app.timeline import cluster_of
        from secureconnect.infra.timeline.cassandra_migrate import migrate

        applied = asyncio.run(migrate(cluster_of(settings)))
        print(
            "\n".join(f"cassandra {version:04d} applied" for version in applied) or "cassandra: nothing to do"
        )


def _tell_timeline(settings: Settings) -> None:
    if settings.timeline.backend == "cassandra":
        from secureconnect.app.timeline import cluster_of
        from secureconnect.infra.timeline.cassandra_migrate import pending
        from secureconnect.infra.timeline.cassandra_schema import UPGRADES

        missing = asyncio.run(pending(cluster_of(settings)))
        for version in range(1, len(UPGRADES) + 1):
            print(f"cassandra {version:04d} {'pending' if version in missing else 'applied'}")


def _tell(done: str, steps: "list[Step]") -> None:
    print("\n".join(f"{step.version:04d} {step.name} {done}" for step in steps) or "nothing to do")


def _listing(status: "Status | None") -> Iterator[str]:
    from secureconnect.kit.clock import rfc3339
    from secureconnect.migrations import runner

    applied = {row.version: row for row in status.applied} if status else {}
    changed = {step.version for step in status.changed} if status else set()
    for step in runner.steps():
        if step.version not in applied:
            state = "pending"
        else:
            state = f"applied {rfc3339(applied[step.version].applied_at)}"
        yield f"{step.version:04d} {step.name} {state}{', changed since' if step.version in changed else ''}"
    for row in status.unknown if status else ():
        yield f"{row.version:04d} (of a newer program) applied {rfc3339(row.applied_at)}"
