"""What lies between a process and a server: a line that may be cut, be slow, and fall silent."""

import asyncio
import contextlib

from stack.ports import free_port

__all__ = ["Cable"]

_PIECE = 64 * 1024


class Cable:
    """Passes everything on to the port `target` of this machine."""

    def __init__(self, target: int) -> None:
        self.port = free_port()
        #: Seconds that everything takes longer, in each direction.
        self.delay = 0.0
        self._target = target
        self._listener: asyncio.Server | None = None
        self._open = asyncio.Event()
        self._open.set()
        self._lines: set[asyncio.StreamWriter] = set()

    def lead_to(self, target: int) -> None:
        """Connections go to another port from now on."""
        self._target = target

    async def lay(self) -> None:
        """Connections are taken from now on."""
        if self._listener is None:
            self._listener = await asyncio.start_server(self._serve, "127.0.0.1", self.port)

    async def cut(self) -> None:
        """Break all connections and refuse further ones, until `lay`."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        for writer in tuple(self._lines):
            writer.transport.abort()

    async def reset(self) -> None:
        """Break all connections; new ones are taken at once."""
        await self.cut()
        await self.lay()

    def silence(self) -> None:
        """Nothing passes any more, and nobody is told."""
        self._open.clear()

    def resound(self) -> None:
        """What waited passes now."""
        self._open.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            upstream, out = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        self._lines |= {writer, out}
        try:
            passing = [
                asyncio.create_task(self._pass(reader, out)),
                asyncio.create_task(self._pass(upstream, writer)),
            ]
            await asyncio.wait(passing, return_when=asyncio.FIRST_COMPLETED)
            for task in passing:
                task.cancel()
            await asyncio.gather(*passing, return_exceptions=True)
        finally:
            for one in (writer, out):
                self._lines.discard(one)
                one.transport.abort()

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(_PIECE):
                await self._open.wait()
                if self.delay:
                    await asyncio.sleep(self.delay)
                sink.write(data)
                await sink.drain()
