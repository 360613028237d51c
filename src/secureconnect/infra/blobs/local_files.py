"""Files that are whole or not there, even after a power cut, and the threads that work with them."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from secureconnect.infra.blobs.base import StoreAnswer

__all__ = ["Disk", "Opened", "Pouring", "UploadEnded", "make_directory", "sync_directory"]

T = TypeVar("T")

# Enough bytes to make a change of threads cheap; each upload holds two such pieces at most.
_PIECE = 1 << 20
_THREADS = 4


class UploadEnded(StoreAnswer):
    """Nothing more can be uploaded here: completed, aborted, or the same part is sent anew."""


def sync_directory(path: Path) -> None:
    """Make the names in `path` durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_directory(path: Path, root: Path) -> None:
    """Make `path` below `root`, durably, with what lies between."""
    if path == root or path.is_dir():
        return
    make_directory(path.parent, root)
    with suppress(FileExistsError):
        path.mkdir(mode=0o700)
    sync_directory(path.parent)


class Opened:
    """A file that a thread opens and the event loop closes, even when nobody waits for the thread."""

    __slots__ = ("descriptor",)

    def __init__(self) -> None:
        self.descriptor = -1

    def open(self, path: Path, flags: int) -> None:
        """Open it. Blocks."""
        self.descriptor = os.open(path, flags, 0o600)

    def close(self) -> None:
        """Close it, if it was opened."""
        if self.descriptor >= 0:
            os.close(self.descriptor)


class Pouring:
    """Bytes on their way into an open file. `stop` ends it for another that writes to the same place."""

    __slots__ = ("_stopped", "_writing")

    def __init__(self) -> None:
        self._stopped = False
        self._writing: asyncio.Future[None] | None = None

    @property
    def stopped(self) -> bool:
        """Whether it has to end."""
        return self._stopped

    async def stop(self) -> None:
        """Nothing is written any more once this returns."""
        self._stopped = True
        await self.settle()

    async def settle(self) -> None:
        """Wait for the write that runs, however it ends."""
        while self._writing is not None and not self._writing.done():
            # The thread uses the file: nothing, no cancellation either, may go on before it is done.
            with suppress(asyncio.CancelledError):
                await asyncio.wait([self._writing])

    async def write(self, start: Callable[[], "asyncio.Future[None]"]) -> None:
        """Begin a write as soon as the one before it is done.

        Raises:
            UploadEnded: stopped.
        """
        if self._writing is not None:
            await asyncio.shield(self._writing)
        if self._stopped:
            raise UploadEnded("The same part is being uploaded anew.")
        self._writing = start()

    async def end(self) -> None:
        """Wait for the last write; raises what it raised."""
        if self._writing is not None:
            await asyncio.shield(self._writing)


class Disk:
    """Runs blocking work with files, a few at a time, off the event loop."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="blobs")

    async def run(self, work: Callable[..., T], *args: Any) -> T:
        """What `work` returns. A cancelled caller goes on only when the work is done."""
        future = self._submit(work, *args)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            while not future.done():
                with suppress(asyncio.CancelledError):
                    await asyncio.wait([future])
            raise

    async def pour(
        self, pouring: Pouring, descriptor: int, offset: int, size: int, chunks: AsyncIterator[bytes]
    ) -> None:
        """Write `chunks`, `size` bytes in all, to the file from `offset` on, as fast as both sides allow.

        Raises:
            UploadEnded: stopped meanwhile, or there are more or fewer bytes.
        """
        piece, received = bytearray(), 0
        try:
            async for chunk in chunks:
                received += len(chunk)
                if received > size:
                    raise UploadEnded("There are more bytes than were signed.")
                piece += chunk
                if len(piece) >= _PIECE:
                    await self._write(pouring, descriptor, offset, piece)
                    offset += len(piece)
                    piece = bytearray()
            if piece:
                await self._write(pouring, descriptor, offset, piece)
            await pouring.end()
        finally:
            await pouring.settle()
        if received != size:
            raise UploadEnded("There are fewer bytes than were signed.")

    async def _write(self, pouring: Pouring, descriptor: int, offset: int, piece: bytearray) -> None:
        await pouring.write(lambda: self._submit(_write_all, descriptor, offset, piece))

    def _submit(self, work: Callable[..., T], *args: Any) -> "asyncio.Future[T]":
        return asyncio.get_running_loop().run_in_executor(self._threads, work, *args)

    def close(self) -> None:
        """Finish what runs."""
        self._threads.shutdown()


def _write_all(descriptor: int, offset: int, piece: bytearray) -> None:
    view = memoryview(piece)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written
