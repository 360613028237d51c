"""Message encryption for Web Push (RFC 8291): what only the subscription's browser can read."""

import os
import struct
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

__all__ = ["AUTH_BYTES", "MAX_PLAINTEXT", "POINT_BYTES", "encrypt", "is_point"]

POINT_BYTES: Final = 65
AUTH_BYTES: Final = 16
_SALT_BYTES = 16
_MAX_BODY = 4096  # what every push service takes (RFC 8030 §7.2)
_HEADER = _SALT_BYTES + 4 + 1 + POINT_BYTES
#: One byte ends the text, 16 are the tag.
MAX_PLAINTEXT: Final = _MAX_BODY - _HEADER - 1 - 16
_PADDED_TO = 256


def is_point(value: bytes) -> bool:
    """Whether this is a point on P-256, uncompressed."""
    if len(value) != POINT_BYTES:
        return False
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), value)
    except ValueError:
        return False
    return True


def encrypt(
    plaintext: bytes,
    p256dh: bytes,
    auth: bytes,
    *,
    salt: bytes | None = None,
    private_key: ec.EllipticCurvePrivateKey | None = None,
    pad: bool = True,
) -> bytes:
    """The body of a push in the content coding `aes128gcm` (RFC 8188), one record.

    Padded, so that its length tells little. `salt` and `private_key` are new for every push; only tests
    give them.
    """
    assert len(plaintext) <= MAX_PLAINTEXT
    salt = os.urandom(_SALT_BYTES) if salt is None else salt
    private_key = private_key or ec.generate_private_key(ec.SECP256R1())
    ours = private_key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    theirs = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), p256dh)
    shared = private_key.exchange(ec.ECDH(), theirs)
    secret = _derive(shared, auth, b"WebPush: info\0" + p256dh + ours, 32)
    key = _derive(secret, salt, b"Content-Encoding: aes128gcm\0", 16)
    nonce = _derive(secret, salt, b"Content-Encoding: nonce\0", 12)
    record = plaintext + b"\x02"
    if pad:
        wanted = -(-len(record) // _PADDED_TO) * _PADDED_TO
        record = record.ljust(min(wanted, MAX_PLAINTEXT + 1), b"\0")
    header = salt + struct.pack("!IB", _MAX_BODY, len(ours)) + ours
    return header + AESGCM(key).encrypt(nonce, record, None)


def _derive(secret: bytes, salt: bytes, info: bytes, length: int) -> bytes:
    return HKDF(SHA256(), length, salt, info).derive(secret)
