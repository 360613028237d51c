"""One connection to a role: how far ahead it reads, and what another request finds it like."""

import asyncio
from typing import cast

from secureconnect.gateway.upstream import Connection

_QUESTION = b"GET / HTTP/1.1\r\nhost: role\r\n\r\n"


class Wire(asyncio.Transport):
    """Takes what is written and knows whether anybody reads."""

    def __init__(self) -> None:
        super().__init__()
        self._reads = True

    def write(self, data: bytes | bytearray | memoryview) -> None: ...

    def pause_reading(self) -> None:
        self._reads = False

    def resume_reading(self) -> None:
        self._reads = True

    def is_reading(self) -> bool:
        return self._reads

    def is_closing(self) -> bool:
        return False


async def test_a_large_answer_that_is_here_leaves_the_connection_reading() -> None:
    """Nobody has to make room for what is whole already; the next answer comes over the same connection."""
    wire, connection = Wire(), Connection(asyncio.get_running_loop())
    connection.connection_made(cast("asyncio.Transport", wire))
    connection.begin(_QUESTION)
    connection.data_received(b"HTTP/1.1 200 OK\r\ncontent-length: 300000\r\n\r\n" + bytes(100_000))
    connection.data_received(bytes(200_000))
    await connection.head(1)
    assert (connection.whole, len(connection.rest()), connection.reusable) == (True, 300_000, True)
    assert wire.is_reading()
    connection.begin(_QUESTION)
    connection.data_received(b"HTTP/1.1 204 No Content\r\n\r\n")
    await connection.head(1)
    assert connection.status == 204


async def test_a_large_answer_is_read_as_far_as_somebody_takes_it() -> None:
    wire, connection = Wire(), Connection(asyncio.get_running_loop())
    connection.connection_made(cast("asyncio.Transport", wire))
    connection.begin(_QUESTION)
    connection.data_received(b"HTTP/1.1 200 OK\r\ncontent-length: 500000\r\n\r\n" + bytes(300_000))
    await connection.head(1)
    assert not wire.is_reading()
    assert len(await connection.chunk(1)) == 300_000
    assert wire.is_reading()
    connection.data_received(bytes(200_000))
    assert len(await connection.chunk(1)) == 200_000
    assert (connection.reusable, wire.is_reading()) == (True, True)
