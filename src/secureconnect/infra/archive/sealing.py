"""How blocks of an archive are closed: with AES-256-GCM under a passphrase, or with a hash without one.

The nonce is `prefix (7) ‖ number of the block (4) ‖ 1 for the last block (1)`, the associated data the hash
of the head, as in the STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár 2015).
"""

import hashlib
import hmac
import os
from typing import Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from secureconnect.infra.archive.base import ArchiveBroken, Head, PassphraseWrong

__all__ = ["Closing", "closing", "new_head"]

_N: Final = 2**16
_R: Final = 8
_P: Final = 1
_MOST_N: Final = 2**20  # 1 GiB: a head from outside must not take all memory
_HASH: Final = 32


class Closing(Protocol):
    """Closes and opens blocks, each by its place."""

    def close(self, number: int, last: bool, plain: bytes) -> bytes:
        """The block as it is stored."""

    def open(self, number: int, last: bool, closed: bytes) -> bytes | None:
        """What was closed at this place, or None when this is something else."""


def new_head(passphrase: str) -> Head:
    """The head of a new archive; empty `passphrase`: not encrypted."""
    if not passphrase:
        return Head("none", os.urandom(7))
    return Head("aes-256-gcm", os.urandom(7), os.urandom(16), _N, _R, _P)


def closing(head: Head, encoded: bytes, passphrase: str) -> Closing:
    """What closes the blocks under `head`, which is stored as `encoded`. Deriving a key takes a moment.

    Raises:
        ArchiveBroken: the head is of no kind that this program knows.
        PassphraseWrong: the archive is encrypted, and no passphrase was given.
    """
    if len(head.prefix) != 7:
        raise ArchiveBroken("its head is damaged")
    bound = hashlib.sha256(encoded).digest()
    if head.cipher == "none":
        return _Hashed(head.prefix, bound)
    if head.cipher != "aes-256-gcm":
        raise ArchiveBroken("it is encrypted in a way that this version does not know")
    if not passphrase:
        raise PassphraseWrong("it is encrypted: give its passphrase")
    if head.n * head.r > _MOST_N * _R or head.p > 16:
        raise ArchiveBroken("its head is damaged")
    try:
        derive = Scrypt(salt=head.salt, length=32, n=head.n, r=head.r, p=head.p)
    except ValueError as error:
        raise ArchiveBroken("its head is damaged") from error
    return _Encrypted(AESGCM(derive.derive(passphrase.encode())), head.prefix, bound)


def _place(prefix: bytes, number: int, last: bool) -> bytes:
    return prefix + number.to_bytes(4, "big") + bytes([last])


class _Encrypted:
    def __init__(self, cipher: AESGCM, prefix: bytes, bound: bytes) -> None:
        self._cipher = cipher
        self._prefix = prefix
        self._bound = bound

    def close(self, number: int, last: bool, plain: bytes) -> bytes:
        return self._cipher.encrypt(_place(self._prefix, number, last), plain, self._bound)

    def open(self, number: int, last: bool, closed: bytes) -> bytes | None:
        try:
            return self._cipher.decrypt(_place(self._prefix, number, last), closed, self._bound)
        except (InvalidTag, ValueError):
            return None


class _Hashed:
    def __init__(self, prefix: bytes, bound: bytes) -> None:
        self._prefix = prefix
        self._bound = bound

    def close(self, number: int, last: bool, plain: bytes) -> bytes:
        return self._hash(number, last, plain) + plain

    def open(self, number: int, last: bool, closed: bytes) -> bytes | None:
        plain = closed[_HASH:]
        return plain if hmac.compare_digest(closed[:_HASH], self._hash(number, last, plain)) else None

    def _hash(self, number: int, last: bool, plain: bytes) -> bytes:
        return hashlib.sha256(self._bound + _place(self._prefix, number, last) + plain).digest()
