"""Secrets that the server must read again are stored sealed: AES-256-GCM under the master key.

Form: 1 byte version ‖ 4 bytes key id ‖ 12 bytes nonce ‖ ciphertext and tag. The associated data names what is
sealed, so that a ciphertext moved to another place does not open.
"""

import hashlib
import hmac
import os
from collections.abc import Sequence
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

__all__ = ["SealBroken", "Sealer"]

_VERSION: Final = b"\x01"


class SealBroken(Exception):
    """The ciphertext was altered, moved, or sealed with a key that is not known any more."""


class Sealer:
    """Seals with the newest master key and opens with it or an earlier one.

    Args:
        master_key: 32 bytes.
        previous: keys that were master keys before.
    """

    def __init__(self, master_key: bytes, previous: Sequence[bytes] = ()) -> None:
        self._current = _key_id(master_key)
        self._keys = {_key_id(key): AESGCM(key) for key in (*previous, master_key)}
        # The newest first.
        self._marks = [
            hmac.digest(key, b"secureconnect fingerprints", "sha256")
            for key in (master_key, *reversed(previous))
        ]

    def seal(self, plaintext: bytes, what: str) -> bytes:
        """`plaintext` encrypted; `what` names its place, for example `signing_key:<kid>`."""
        nonce = os.urandom(12)
        sealed = self._keys[self._current].encrypt(nonce, plaintext, what.encode())
        return _VERSION + self._current + nonce + sealed

    def open(self, sealed: bytes, what: str) -> bytes:
        """The plaintext again.

        Raises:
            SealBroken: altered, from another place, or under an unknown key.
        """
        key = self._keys.get(sealed[1:5])
        if key is None or sealed[:1] != _VERSION:
            raise SealBroken(f"{what}: sealed with an unknown master key")
        try:
            return key.decrypt(sealed[5:17], sealed[17:], what.encode())
        except (InvalidTag, ValueError) as error:  # ValueError: cut off within the nonce
            raise SealBroken(f"{what}: altered or moved") from error

    def fingerprints(self, secret: bytes, what: str) -> list[bytes]:
        """What is stored of a secret that is only ever compared, and too short to be hashed alone: whoever
        has the database without the master key cannot try all secrets.

        HMAC-SHA-256 under a key derived from each master key, the newest first: store the first one, and look
        for any. `what` names the place of the secret, as in `seal`.
        """
        message = what.encode() + b"\0" + secret
        return [hmac.digest(mark, message, "sha256") for mark in self._marks]


def _key_id(key: bytes) -> bytes:
    return hashlib.sha256(b"secureconnect key id" + key).digest()[:4]
