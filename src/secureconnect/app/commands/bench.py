"""`bench`: load a server from outside, and check what it promised."""

import argparse
import asyncio
import sys
from typing import TYPE_CHECKING

import msgspec

from secureconnect.app.commands.declare import Commands, command
from secureconnect.app.failure import Failure

if TYPE_CHECKING:
    from secureconnect.app.load.run import Report, Spread

__all__ = ["add"]


def add(commands: Commands, everywhere: argparse.ArgumentParser) -> None:
    """Declare the command."""
    parser = command(
        commands, everywhere, "bench", "measure a running server with accounts of its own making", _run
    )
    parser.add_argument("--url", default="http://127.0.0.1:8080", metavar="URL", help="the server")
    parser.add_argument("--users", type=int, default=20, metavar="N", help="accounts to make (20)")
    parser.add_argument("--rate", type=float, default=50, metavar="R", help="messages per second (50)")
    parser.add_argument("--duration", type=float, default=60, metavar="S", help="seconds (60)")
    parser.add_argument(
        "--profile",
        choices=("chat", "sockets", "mixed"),
        default="chat",
        help="chat: messages; sockets: idle ones; mixed: messages and reads",
    )
    parser.add_argument("--json", action="store_true", help="machine output")


def _run(arguments: argparse.Namespace) -> int:
    if arguments.users < 2 or arguments.rate <= 0 or arguments.duration <= 0:
        raise Failure("--users has to be at least 2, --rate and --duration above 0", exit_code=2)
    import websockets

    from secureconnect.app.load import Plan, measure

    plan = Plan(
        arguments.url.rstrip("/"), arguments.users, arguments.rate, arguments.duration, arguments.profile
    )
    try:
        report = asyncio.run(measure(plan))
    except websockets.WebSocketException as error:
        raise Failure(f"the server opens no socket: {error}") from error
    if arguments.json:
        print(msgspec.json.encode(report).decode())
    else:
        _tell(report)
    if not report.promises.kept:
        print("secureconnect: a promise was broken", file=sys.stderr)
    return 0 if report.ok else 1


def _tell(report: "Report") -> None:
    print(
        f"{report.sent} messages acknowledged in {report.seconds:.1f} s, "
        f"{report.acknowledged_per_second}/s, {report.users} sockets"
    )
    _line("connect", report.connect)
    _line("send to ack", report.send_to_ack)
    _line("send to delivery", report.send_to_delivery)
    for name, spread in report.api.items():
        _line(f"GET {name}", spread)
    for code, count in report.errors.items():
        print(f"error {code}: {count}")
    for kind, count in msgspec.structs.asdict(report.promises).items():
        print(f"{kind.replace('_', ' ')}: {count}")


def _line(name: str, spread: "Spread") -> None:
    if spread.count:
        print(
            f"{name:<20} p50 {spread.p50:.1f} ms, p95 {spread.p95:.1f} ms, p99 {spread.p99:.1f} ms, "
            f"max {spread.max:.1f} ms ({spread.count})"
        )
