"""Unmasked server frames as bytes (RFC 6455 §5.2), built once and written to any number of sockets."""

import struct

__all__ = ["EMPTY_CLOSE", "PING", "PONG_HEAD", "close_frame", "text_frame"]

_MEDIUM = struct.Struct("!BBH").pack
_LONG = struct.Struct("!BBQ").pack

#: A ping without payload: any pong, whatever it carries, is a sign of life.
PING = b"\x89\x00"

#: A close frame without status, the answer to one of the same kind.
EMPTY_CLOSE = b"\x88\x00"

#: The first byte of a pong.
PONG_HEAD = 0x8A


def text_frame(payload: bytes) -> bytes:
    """One text message in one frame."""
    size = len(payload)
    if size < 126:
        return bytes((0x81, size)) + payload
    if size < 65_536:
        return _MEDIUM(0x81, 126, size) + payload
    return _LONG(0x81, 127, size) + payload


def close_frame(code: int, reason: bytes = b"") -> bytes:
    """A close frame. `reason` is UTF-8 of at most 123 bytes."""
    return _MEDIUM(0x88, 2 + len(reason), code) + reason
