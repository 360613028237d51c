"""How connections are accepted: a rush of them by few turns of the loop, and never where others listen."""

import asyncio
import contextlib
import socket

import pytest
import uvloop

from secureconnect.app.failure import Failure
from secureconnect.app.listening import accepting

_RUSH = 128
_TURNS = 24  # an eighth of them, and some to begin with


class Counting(asyncio.Protocol):
    """Counts the connections that were taken."""

    def __init__(self, taken: list[asyncio.BaseTransport]) -> None:
        self._taken = taken

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._taken.append(transport)


async def taken_in(listener: socket.socket, turns: int) -> int:
    """How many connections are taken within so many turns."""
    loop = asyncio.get_running_loop()
    taken: list[asyncio.BaseTransport] = []
    servers = [
        await loop.create_server(lambda: Counting(taken), sock=each, backlog=_RUSH)
        for each in accepting(listener)
    ]
    with contextlib.ExitStack() as stack:
        for _ in range(_RUSH):
            stack.enter_context(socket.create_connection(listener.getsockname()))
        for _ in range(turns):
            await asyncio.sleep(0)
        count = len(taken)
    for transport in taken:
        transport.close()
    for server in servers:
        server.close()
        await server.wait_closed()
    return count


def test_a_rush_is_taken_in_by_few_turns() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            assert runner.run(taken_in(listener, _TURNS)) == _RUSH


def test_who_came_first_keeps_the_port() -> None:
    """Two processes may bind one port as long as nobody listens; the second to listen says what is wrong."""
    with socket.socket() as ours, socket.socket() as other:
        for each in (ours, other):
            each.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        ours.bind(("127.0.0.1", 0))
        other.bind(ours.getsockname())
        other.listen()
        with pytest.raises(Failure, match=r"cannot listen on 127\.0\.0\.1:.*in use"):
            accepting(ours)
