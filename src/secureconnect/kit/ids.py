"""Identifiers: UUID text, lower case, 36 characters.

Things that happened (messages, events, audit records) get time-ordered UUIDv7 (RFC 9562 §5.7), so that
their index pages stay hot; people, sessions and conversations get UUIDv4, which tells nothing about them.
"""

import os
import re
import threading
import time
import uuid

__all__ = ["is_uuid", "new_id", "new_time_id", "normalise_uuid"]

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")

_lock = threading.Lock()
_last = 0


def new_id() -> str:
    """A random UUIDv4."""
    return str(uuid.UUID(bytes=os.urandom(16), version=4))


def new_time_id() -> str:
    """A UUIDv7, strictly increasing within this process even when the wall clock steps back.

    48 bits of Unix milliseconds, then a 12-bit counter that borrows from the clock when it overflows,
    then 62 random bits (RFC 9562 §6.2, method 1).
    """
    global _last  # noqa: PLW0603 - one monotonic sequence per process is the point
    ticks = (time.time_ns() // 1_000_000) << 12
    with _lock:
        _last = ticks = ticks if ticks > _last else _last + 1
    random = 0x8000000000000000 | (int.from_bytes(os.urandom(8)) >> 2)
    text = f"{ticks >> 12:012x}7{ticks & 0xFFF:03x}{random:016x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def is_uuid(text: str) -> bool:
    """True for lower-case UUID text of any version."""
    return _UUID.fullmatch(text) is not None


def normalise_uuid(text: str) -> str | None:
    """Lower-cased `text` when it is UUID text, else None."""
    lowered = text.lower()
    return lowered if _UUID.fullmatch(lowered) else None
