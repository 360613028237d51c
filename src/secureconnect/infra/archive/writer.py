"""Writes an archive: under a temporary name, synced, and renamed only when it is whole."""

import hashlib
import os
import zlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from secureconnect.infra.archive.base import MAGIC, Begin, BlockKind, End, Manifest, PartFacts
from secureconnect.infra.archive.sealing import closing, new_head

__all__ = ["ArchiveWriter"]

_LEVEL = 1  # two thirds of the size of the best level at a fifth of its time


class ArchiveWriter:
    """A context manager; without `finish` nothing stays but the temporary file of a process that was killed.

    Blocks: use it where that does no harm.
    """

    def __init__(self, path: Path, passphrase: str) -> None:
        self.parts: list[PartFacts] = []
        self._path = path
        self._partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
        head = new_head(passphrase)
        encoded = msgspec.json.encode(head)
        self._closing = closing(head, encoded, passphrase)
        self._number = 0
        descriptor = os.open(self._partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        self._file = os.fdopen(descriptor, "wb", buffering=1 << 20)
        self._file.write(MAGIC + len(encoded).to_bytes(4, "big") + encoded)
        self._start = (0, self._file.tell())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._file.closed:
            self._file.close()
            self._partial.unlink(missing_ok=True)

    def rewind(self) -> None:
        """Forget every part: whoever reads the store begins anew."""
        self.parts.clear()
        self._number, offset = self._start
        self._file.seek(offset)
        self._file.truncate()

    def table(self, name: str, columns: Sequence[str], pages: Iterable[Sequence[Sequence[Any]]]) -> None:
        """One table, in pages of rows whose values are in the order of `columns`."""
        self._put(BlockKind.BEGIN, msgspec.msgpack.encode(Begin("table", name, tuple(columns))))
        count, digest = 0, hashlib.sha256()
        for page in pages:
            body = msgspec.msgpack.encode(page)
            digest.update(body)
            count += len(page)
            self._put(BlockKind.ROWS, body)
        self._end("table", name, count, digest.hexdigest())

    def opened(self, kind: str, name: str, content_type: str = "") -> Callable[[bytes | None], None]:
        """Start a part of bytes; returns what takes each piece of them, and None for the end."""
        self._put(BlockKind.BEGIN, msgspec.msgpack.encode(Begin(kind, name, (), content_type)))
        count, digest = 0, hashlib.sha256()

        def take(piece: bytes | None) -> None:
            nonlocal count
            if piece is None:
                self._end(kind, name, count, digest.hexdigest())
                return
            digest.update(piece)
            count += len(piece)
            self._put(BlockKind.BYTES, piece)

        return take

    def finish(self, manifest: Manifest) -> None:
        """Write the manifest, sync, and give the file its name."""
        self._put(BlockKind.MANIFEST, msgspec.msgpack.encode(manifest), last=True)
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._partial.replace(self._path)
        directory = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def _end(self, kind: str, name: str, count: int, sha256: str) -> None:
        self._put(BlockKind.END, msgspec.msgpack.encode(End(count, sha256)))
        self.parts.append(PartFacts(kind, name, count, sha256))

    def _put(self, kind: BlockKind, body: bytes, *, last: bool = False) -> None:
        packed = zlib.compress(body, _LEVEL) if len(body) > 64 else body
        small = len(packed) < len(body)
        plain = bytes([kind, small]) + (packed if small else body)
        closed = self._closing.close(self._number, last, plain)
        self._number += 1
        self._file.write(len(closed).to_bytes(4, "big") + closed)
