"""How far the application got in each conversation, kept across restarts."""

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Protocol

import msgspec

from secureconnect.client.errors import ClientError

__all__ = ["CursorStore", "FileCursors", "MemoryCursors", "Progress"]


class CursorStore(Protocol):
    """Where the last seqs live. One store belongs to one user on one server."""

    async def load(self) -> dict[str, int] | None:
        """What was saved last: conversation_id → seq; None before the first save."""

    async def save(self, cursors: Mapping[str, int]) -> None:
        """Replace everything. After a crash either the old or the new state is there, never a part."""


class MemoryCursors:
    """Forgets when the process ends: such a client starts with what is new."""

    def __init__(self) -> None:
        self._cursors: dict[str, int] | None = None

    async def load(self) -> dict[str, int] | None:
        return None if self._cursors is None else dict(self._cursors)

    async def save(self, cursors: Mapping[str, int]) -> None:
        self._cursors = dict(cursors)


class FileCursors:
    """A JSON file, replaced as a whole and synced; readable by its owner only."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def load(self) -> dict[str, int] | None:
        """Raises ClientError when the file is damaged; nothing is overwritten then."""
        return await asyncio.to_thread(self._read)

    async def save(self, cursors: Mapping[str, int]) -> None:
        await asyncio.to_thread(self._write, msgspec.json.encode(cursors))

    def _read(self) -> dict[str, int] | None:
        try:
            text = self._path.read_bytes()
        except FileNotFoundError:
            return None
        try:
            return msgspec.json.decode(text, type=dict[str, int])
        except msgspec.DecodeError as error:
            raise ClientError(f"{self._path} does not hold cursors: {error}") from error

    def _write(self, text: bytes) -> None:
        temporary = self._path.with_name(self._path.name + ".new")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._path)
        directory = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


class Progress:
    """What the application has finished, written behind it at most every `interval` seconds.

    After a crash the events of the last interval come again, so an application sees each event at least once
    over restarts, and exactly once within a run.
    """

    def __init__(
        self,
        store: CursorStore,
        *,
        interval: float = 1.0,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._store = store
        self._interval = interval
        self._sleep = sleep
        self._cursors: dict[str, int] = {}
        self._dirty = asyncio.Event()
        self._writing = asyncio.Lock()

    async def load(self) -> dict[str, int] | None:
        """The saved cursors, None for a first run."""
        saved = await self._store.load()
        self._cursors = dict(saved or {})
        return saved

    def done(self, conversation_id: str, seq: int) -> None:
        """Everything up to `seq` is done."""
        self._cursors[conversation_id] = seq
        self._dirty.set()

    def start(self, conversation_id: str, seq: int) -> None:
        """A conversation that is new here begins after `seq`."""
        if conversation_id not in self._cursors:
            self.done(conversation_id, seq)

    def forget(self, conversation_id: str) -> None:
        """A conversation that is gone."""
        if self._cursors.pop(conversation_id, None) is not None:
            self._dirty.set()

    async def run(self) -> None:
        """Write behind until cancelled. What cannot be written now (full disk) is tried again."""
        while True:
            await self._dirty.wait()
            with contextlib.suppress(OSError):
                await self.flush()
            await self._sleep(self._interval)

    async def flush(self) -> None:
        """Return when everything is written.

        A write goes on when its caller is cancelled, so the next one waits for it: never two at a time, and
        the newest last.
        """
        await asyncio.shield(asyncio.create_task(self._write()))

    async def save(self) -> None:
        """The same, even when there is nothing to write: from then on it is no first run any more."""
        self._dirty.set()
        await self.flush()

    async def _write(self) -> None:
        async with self._writing:
            if not self._dirty.is_set():
                return
            self._dirty.clear()
            try:
                await self._store.save(dict(self._cursors))
            except OSError:
                self._dirty.set()
                raise
