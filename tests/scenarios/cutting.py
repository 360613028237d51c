"""A line that is cut: everything passes until a number of bytes, then the connection breaks."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from tests.scenarios.server import free_port

__all__ = ["Cutter", "cutting"]

_PIECE = 64 * 1024


class Cutter:
    """`up` and `down` say after how many bytes of one direction the next connections break, one each."""

    def __init__(self, target: int) -> None:
        self.port = free_port()
        self.target = target
        self.up: list[int] = []
        self.down: list[int] = []
        self.cuts = 0
        self.sent = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        upstream, out = await asyncio.open_connection("127.0.0.1", self.target)
        tasks = [
            asyncio.create_task(self._pass(reader, out, up=True)),
            asyncio.create_task(self._pass(upstream, writer, up=False)),
        ]
        with contextlib.suppress(asyncio.CancelledError):  # the line is taken down
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for one in (writer, out):
            one.transport.abort()

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, up: bool) -> None:
        passed = 0
        while data := await source.read(_PIECE):
            passed += len(data)
            self.sent += len(data) if up else 0
            cuts = self.up if up else self.down
            if cuts and passed >= cuts[0]:
                cuts.pop(0)
                self.cuts += 1
                return
            sink.write(data)
            with contextlib.suppress(ConnectionError):
                await sink.drain()


@contextlib.asynccontextmanager
async def cutting(target: int, port: int) -> AsyncIterator[Cutter]:
    """A line from `port` to the port `target` of this machine."""
    cutter = Cutter(target)
    cutter.port = port
    listener = await asyncio.start_server(cutter.serve, "127.0.0.1", port)
    async with listener:
        yield cutter
