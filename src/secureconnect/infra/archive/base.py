"""The form of an archive (docs/reference/operations.md §8).

    magic ‖ u32 length ‖ head (JSON) ‖ blocks

Each block is `u32 length ‖ sealed`, and what was sealed is `u8 kind ‖ u8 packed ‖ body`, the body compressed
with zlib where `packed` is 1. Blocks come in parts (`BEGIN`, any number of `ROWS` or `BYTES`, `END`); one
`MANIFEST` is the last. A block opens only at its place in its own archive, and the last one says that it is
the last: nothing can be altered, moved, repeated or cut off unseen. Without a passphrase the same places are
held by hashes, which tell accidents but no attacks.
"""

import enum
from typing import Final

import msgspec

__all__ = [
    "BLOCK_BYTES",
    "MAGIC",
    "ArchiveBroken",
    "Begin",
    "BlockKind",
    "End",
    "Head",
    "Manifest",
    "PartFacts",
    "PassphraseWrong",
]

MAGIC: Final = b"SECURECONNECT-BACKUP\x01\n"
#: Bytes of a body at most, before it is compressed.
BLOCK_BYTES: Final = 4 * 1024 * 1024


class ArchiveBroken(Exception):
    """The file is no archive, was altered or is not whole; the message says what was found."""


class PassphraseWrong(ArchiveBroken):
    """The archive is encrypted and this passphrase does not open it."""


class BlockKind(enum.IntEnum):
    """What a block holds."""

    BEGIN = 1
    ROWS = 2
    BYTES = 3
    END = 4
    MANIFEST = 5


class Head(msgspec.Struct, frozen=True):
    """What has to be known before anything can be opened; `n`, `r`, `p` and `salt` are those of scrypt."""

    cipher: str
    prefix: bytes
    salt: bytes = b""
    n: int = 0
    r: int = 0
    p: int = 0


class Begin(msgspec.Struct, frozen=True):
    """A part starts. `kind` is table, object or key; `columns` are those of a table, `content_type` is that
    of an object."""

    kind: str
    name: str
    columns: tuple[str, ...] = ()
    content_type: str = ""


class End(msgspec.Struct, frozen=True):
    """A part ends after `count` rows, or bytes, whose blocks hash to `sha256` (hexadecimal)."""

    count: int
    sha256: str


class PartFacts(msgspec.Struct, frozen=True):
    """One line of the manifest."""

    kind: str
    name: str
    count: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True):
    """What the archive holds. `created_at` is the time of the cut in milliseconds since the epoch; `schema`
    the version of the relational schema; `missing` objects that went away while they were being copied."""

    version: str
    schema: int
    created_at: int
    parts: tuple[PartFacts, ...]
    excluded: tuple[str, ...] = ()
    missing: int = 0
