"""Writing an archive that a person can read: JSON by JSON, file by file, in bounded memory."""

import asyncio
import re
import time
import zipfile
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import IO, Any, Final

import msgspec

__all__ = ["Archive", "safe_name"]

_UNSAFE = re.compile(r'[\x00-\x1f\x7f/\\:*?"<>|]')
_LONGEST: Final = 150

_encode = msgspec.json.Encoder().encode


def safe_name(name: str) -> str:
    """A file name that every system can unpack, never a path."""
    return _UNSAFE.sub("_", name).strip(". ")[:_LONGEST] or "file"


class Archive:
    """A ZIP file at `path` that grows entry by entry. `counts` are the rows of each file.

    Compressing takes time, so it happens in threads.
    """

    def __init__(self, path: str) -> None:
        self._zip = zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED)
        self._entry: IO[bytes] | None = None
        self._name: str | None = None
        self.counts: dict[str, int] = {}

    async def rows(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add rows to the JSON array in the file `name`; those of one file come one after the other."""
        await asyncio.to_thread(self._rows, name, rows)

    async def text(self, name: str, text: str) -> None:
        """Add a file with this text."""
        await asyncio.to_thread(self._text, name, text)

    async def file(self, name: str, chunks: AsyncIterator[bytes]) -> None:
        """Add a file of any size. Most files are compressed as they are, so they are stored."""
        await asyncio.to_thread(self._finish)
        entry = self._zip.open(_entry(name, zipfile.ZIP_STORED), "w", force_zip64=True)
        try:
            async for chunk in chunks:
                await asyncio.to_thread(entry.write, chunk)
        finally:
            entry.close()

    async def close(self) -> None:
        """Write the directory."""
        await asyncio.to_thread(self._close)

    def abandon(self) -> None:
        """Let go of a file that nobody will read."""
        if self._zip.fp is not None:
            self._zip.fp.close()
            self._zip.fp = None

    def _rows(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        if self._name != name:
            self._finish()
            assert name not in self.counts, f"{name} was written before"
            self._entry = self._zip.open(_entry(name, zipfile.ZIP_DEFLATED), "w", force_zip64=True)
            self._entry.write(b"[")
            self._name, self.counts[name] = name, 0
        assert self._entry is not None
        for row in rows:
            self._entry.write(b",\n" if self.counts[name] else b"\n")
            self._entry.write(_encode(row))
            self.counts[name] += 1

    def _text(self, name: str, text: str) -> None:
        self._finish()
        self._zip.writestr(_entry(name, zipfile.ZIP_DEFLATED), text)

    def _finish(self) -> None:
        if self._entry is not None:
            self._entry.write(b"\n]\n")
            self._entry.close()
        self._entry = self._name = None

    def _close(self) -> None:
        self._finish()
        self._zip.close()


def _entry(name: str, method: int) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, time.gmtime()[:6])
    entry.compress_type = method
    entry.external_attr = 0o600 << 16
    return entry
