"""`serve`: run the server."""

import argparse
import contextlib
import gc
from collections.abc import Iterator

from secureconnect.app.commands.declare import Commands, command, read_settings
from secureconnect.app.commands.refusals import refusals
from secureconnect.app.failure import Failure
from secureconnect.app.roles import GATEWAY, ROLES
from secureconnect.app.settings import Settings

__all__ = ["add"]


def add(commands: Commands, everywhere: argparse.ArgumentParser) -> None:
    """Declare the command."""
    parser = command(commands, everywhere, "serve", "run the server until SIGTERM or Ctrl-C", _run)
    parser.add_argument(
        "roles",
        nargs="*",
        metavar="ROLE",
        help=f"what to serve: {', '.join(ROLES)}; all in one process unless given",
    )
    # Kept as text: a wrong one is reported with all other problems of the settings.
    parser.add_argument("--host", help="address to listen on; 127.0.0.1 unless set")
    parser.add_argument("--port", help="port of HTTP and sockets; 8080 unless set")
    parser.add_argument("--workers", help="serving processes; this version knows one")


def _run(arguments: argparse.Namespace) -> int:
    unknown = [role for role in arguments.roles if role not in ROLES]
    if unknown:
        raise Failure(f"there is no role {unknown[0]!r}; roles are {', '.join(ROLES)}", exit_code=2)

    def read() -> Settings:
        return read_settings(arguments, roles=arguments.roles).settings

    settings = read()

    if arguments.roles == [GATEWAY]:
        with _uncollected():
            from secureconnect.app.gateway import serve_gateway

        return serve_gateway(settings, read)

    with _uncollected():
        from secureconnect.app.server import serve

    with refusals():
        return serve(settings, read, arguments.roles)


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """What is imported meanwhile lives as long as the process. Looking through it for garbage again and again
    while it grows takes a quarter of the start."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
