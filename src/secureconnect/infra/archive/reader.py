"""Reads an archive from its beginning to its end, and believes nothing that it did not check."""

import hashlib
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import msgspec

from secureconnect.infra.archive.base import (
    BLOCK_BYTES,
    MAGIC,
    ArchiveBroken,
    Begin,
    BlockKind,
    End,
    Head,
    Manifest,
    PartFacts,
    PassphraseWrong,
)
from secureconnect.infra.archive.sealing import Closing, closing

__all__ = ["ArchiveReader", "PartReader"]

# A page of rows may be larger than a piece of bytes.
_MOST_CLOSED = 16 * BLOCK_BYTES
_MOST_PLAIN = 64 * BLOCK_BYTES


class PartReader:
    """One part while it is read. Whoever wants none of it lets `skip` check it."""

    def __init__(self, begin: Begin, blocks: Iterator[tuple[BlockKind, bytes]]) -> None:
        self.begin = begin
        self.facts: PartFacts | None = None
        self._blocks = blocks

    def pages(self) -> Iterator[list[list[Any]]]:
        """The rows of a table, by pages."""
        for kind, body in self._bodies():
            if kind is not BlockKind.ROWS:
                raise ArchiveBroken("a table holds something else than rows")
            page = _decoded(body, list[list[Any]])
            self._count += len(page)
            yield page

    def pieces(self) -> Iterator[bytes]:
        """The bytes of an object or a key."""
        for kind, body in self._bodies():
            if kind is not BlockKind.BYTES:
                raise ArchiveBroken("an object holds something else than bytes")
            self._count += len(body)
            yield body

    def skip(self) -> None:
        """Read to the end of the part."""
        for _ in self.pages() if self.begin.kind == "table" else self.pieces():
            pass

    def _bodies(self) -> Iterator[tuple[BlockKind, bytes]]:
        digest = hashlib.sha256()
        self._count = 0
        for kind, body in self._blocks:
            if kind is BlockKind.END:
                end = _decoded(body, End)
                if (end.count, end.sha256) != (self._count, digest.hexdigest()):
                    raise ArchiveBroken(f"{self.begin.name} differs from what was written")
                self.facts = PartFacts(self.begin.kind, self.begin.name, end.count, end.sha256)
                return
            if kind not in {BlockKind.ROWS, BlockKind.BYTES}:
                break
            digest.update(body)
            yield kind, body
        raise ArchiveBroken(f"{self.begin.name} does not end")


class ArchiveReader:
    """Goes through an archive once. Blocks: use it where that does no harm."""

    def __init__(self, path: Path, passphrase: str) -> None:
        self._path = path
        self._passphrase = passphrase
        #: There once every part was read.
        self.manifest: Manifest | None = None

    def parts(self) -> Iterator[PartReader]:
        """Every part in order; each is read before the next is asked for, or skipped then.

        Raises:
            ArchiveBroken: also after the last part, when the whole is not what was written.
        """
        found: list[PartFacts] = []
        with self._path.open("rb", buffering=1 << 20) as file:
            blocks = _blocks(file, _opening(file, self._passphrase))
            for kind, body in blocks:
                if kind is BlockKind.MANIFEST:
                    manifest = _decoded(body, Manifest)
                    if tuple(found) != manifest.parts:
                        raise ArchiveBroken("its manifest names other parts than it holds")
                    self.manifest = manifest
                    continue
                if kind is not BlockKind.BEGIN:
                    raise ArchiveBroken("its parts are out of order")
                part = PartReader(_decoded(body, Begin), blocks)
                yield part
                if part.facts is None:
                    part.skip()
                assert part.facts is not None
                found.append(part.facts)
        if self.manifest is None:
            raise ArchiveBroken("it has no end")

    def check(self) -> Manifest:
        """Read everything; returns what the archive holds.

        Raises:
            ArchiveBroken: something is not as it was written.
        """
        for part in self.parts():
            part.skip()
        assert self.manifest is not None
        return self.manifest


def _opening(file: IO[bytes], passphrase: str) -> Closing:
    if file.read(len(MAGIC)) != MAGIC:
        raise ArchiveBroken("it is not a backup of this program")
    encoded = file.read(min(int.from_bytes(file.read(4), "big"), 4096))
    try:
        head = msgspec.json.decode(encoded, type=Head)
    except msgspec.DecodeError as error:
        raise ArchiveBroken("its head is damaged") from error
    return closing(head, encoded, passphrase)


def _blocks(file: IO[bytes], opening: Closing) -> Iterator[tuple[BlockKind, bytes]]:
    number = 0
    while True:
        size = int.from_bytes(file.read(4), "big")
        if not size:
            raise ArchiveBroken("it is cut off")
        if size > _MOST_CLOSED:
            raise ArchiveBroken(f"block {number} was altered")
        closed = file.read(size)
        if len(closed) < size:
            raise ArchiveBroken("it is cut off")
        plain, last = opening.open(number, False, closed), False
        if plain is None:
            plain, last = opening.open(number, True, closed), True
        if plain is None:
            if number == 0:
                raise PassphraseWrong("it was altered, or the passphrase is another one")
            raise ArchiveBroken(f"block {number} was altered")
        number += 1
        yield BlockKind(plain[0]), _unpacked(plain[2:]) if plain[1] else plain[2:]
        if last:
            if file.read(1):
                raise ArchiveBroken("something follows its end")
            return


def _unpacked(packed: bytes) -> bytes:
    unpack = zlib.decompressobj()
    try:
        body = unpack.decompress(packed, _MOST_PLAIN)
    except zlib.error as error:
        raise ArchiveBroken("a block cannot be unpacked") from error
    if not unpack.eof:
        raise ArchiveBroken("a block is too large")
    return body


def _decoded(body: bytes, type_: Any) -> Any:
    try:
        return msgspec.msgpack.decode(body, type=type_)
    except msgspec.DecodeError as error:
        raise ArchiveBroken("a block says what nobody wrote") from error
