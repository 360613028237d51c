"""The few messages of STUN and TURN that it takes to try a server (RFC 8489, RFC 8656)."""

import hashlib
import hmac
import ipaddress
import secrets
import struct
from collections.abc import Mapping
from typing import Final, NamedTuple

__all__ = [
    "ALLOCATE",
    "BINDING",
    "BY_UDP",
    "CREATE_PERMISSION",
    "LIFETIME",
    "NONCE",
    "PEER_ADDRESS",
    "REALM",
    "REFRESH",
    "REQUESTED_TRANSPORT",
    "USERNAME",
    "Key",
    "Reply",
    "encode",
    "length_of",
    "long_term_key",
    "new_transaction",
    "peer_address",
    "read",
]

BINDING: Final = 0x0001
ALLOCATE: Final = 0x0003
REFRESH: Final = 0x0004
CREATE_PERMISSION: Final = 0x0008

USERNAME: Final = 0x0006
_MESSAGE_INTEGRITY: Final = 0x0008
_ERROR_CODE: Final = 0x0009
LIFETIME: Final = 0x000D
PEER_ADDRESS: Final = 0x0012
REALM: Final = 0x0014
NONCE: Final = 0x0015
RELAYED_ADDRESS: Final = 0x0016
REQUESTED_TRANSPORT: Final = 0x0019
_MAPPED_ADDRESS: Final = 0x0020

#: The value of REQUESTED_TRANSPORT: relay by UDP.
BY_UDP: Final = bytes([17, 0, 0, 0])

_COOKIE: Final = 0x2112A442
_HEADER = struct.Struct("!HHI12s")
_ATTRIBUTE = struct.Struct("!HH")
_CLASS: Final = 0x0110
_SUCCESS: Final = 0x0100
_ERROR: Final = 0x0110
_INTEGRITY_BYTES = 20

Key = bytes


class Reply(NamedTuple):
    """An answer. `error` is 0 when it is good; `address` is the relay, or who we are to a STUN server."""

    method: int
    transaction: bytes
    error: int
    reason: str
    realm: bytes
    nonce: bytes
    address: tuple[str, int] | None
    signed: bool


def new_transaction() -> bytes:
    """Twelve random bytes."""
    return secrets.token_bytes(12)


def long_term_key(username: str, realm: bytes, password: str) -> Key:
    """What messages are signed with once the server has told its realm."""
    text = b":".join((username.encode(), realm, password.encode()))
    return hashlib.md5(text, usedforsecurity=False).digest()


def peer_address(host: str, port: int, transaction: bytes) -> bytes:
    """The value of an address attribute, masked as the protocol wants it."""
    address = ipaddress.ip_address(host)
    mask = struct.pack("!I", _COOKIE) + transaction
    masked = bytes(ours ^ its for ours, its in zip(address.packed, mask, strict=False))
    return struct.pack("!BBH", 0, 1 if address.version == 4 else 2, port ^ (_COOKIE >> 16)) + masked


def encode(method: int, transaction: bytes, attributes: Mapping[int, bytes], key: Key | None = None) -> bytes:
    """A request; with a key it is signed."""
    body = b"".join(
        _ATTRIBUTE.pack(kind, len(value)) + value + bytes(-len(value) % 4)
        for kind, value in attributes.items()
    )
    if key is not None:
        # The length that is signed counts the signature that follows.
        head = _HEADER.pack(method, len(body) + 4 + _INTEGRITY_BYTES, _COOKIE, transaction)
        signature = hmac.new(key, head + body, hashlib.sha1).digest()
        body += _ATTRIBUTE.pack(_MESSAGE_INTEGRITY, len(signature)) + signature
    return _HEADER.pack(method, len(body), _COOKIE, transaction) + body


def length_of(head: bytes) -> int:
    """How many bytes follow the first 20 of a message.

    Raises:
        ValueError: it is no STUN message.
    """
    kind, length, cookie, _ = _HEADER.unpack_from(head)
    if cookie != _COOKIE or kind >> 14 or length % 4:
        raise ValueError("no STUN message")
    return int(length)


def read(message: bytes, key: Key | None = None) -> Reply:
    """An answer to one of our requests. `signed` says whether its signature is right for `key`.

    Raises:
        ValueError: it is no answer, or broken.
    """
    if len(message) < _HEADER.size or len(message) != _HEADER.size + length_of(message):
        raise ValueError("no whole STUN message")
    kind, _, _, transaction = _HEADER.unpack_from(message)
    if kind & _CLASS not in (_SUCCESS, _ERROR):
        raise ValueError("no answer")
    values: dict[int, bytes] = {}
    signed = False
    at = _HEADER.size
    while at < len(message):
        name, size = _ATTRIBUTE.unpack_from(message, at)
        value = message[at + 4 : at + 4 + size]
        if len(value) != size:
            raise ValueError("an attribute is cut off")
        if name == _MESSAGE_INTEGRITY:
            signed = key is not None and _is_signed(message[:at], value, key)
            break  # what follows a signature is not covered by it
        values.setdefault(name, value)
        at += 4 + size + (-size % 4)
    error, reason = _error(values) if kind & _CLASS == _ERROR else (0, "")
    masked = values.get(RELAYED_ADDRESS) or values.get(_MAPPED_ADDRESS)
    return Reply(
        kind & ~_CLASS,
        transaction,
        error,
        reason,
        values.get(REALM, b""),
        values.get(NONCE, b""),
        _address(masked, transaction) if masked else None,
        signed,
    )


def _is_signed(before: bytes, signature: bytes, key: Key) -> bool:
    head = before[:2] + struct.pack("!H", len(before) - _HEADER.size + 4 + _INTEGRITY_BYTES) + before[4:]
    return hmac.compare_digest(hmac.new(key, head, hashlib.sha1).digest(), signature)


def _error(values: Mapping[int, bytes]) -> tuple[int, str]:
    value = values.get(_ERROR_CODE, b"")
    if len(value) < 4:
        raise ValueError("an error without a code")
    return (value[2] & 7) * 100 + value[3], value[4:].decode(errors="replace")


def _address(value: bytes, transaction: bytes) -> tuple[str, int]:
    if len(value) not in (8, 20):
        raise ValueError("no address")
    port = struct.unpack_from("!H", value, 2)[0] ^ (_COOKIE >> 16)
    mask = struct.pack("!I", _COOKIE) + transaction
    packed = bytes(ours ^ its for ours, its in zip(value[4:], mask, strict=False))
    return str(ipaddress.ip_address(packed)), port
