"""How hints travel between processes: `version, kind, process (8 bytes), msgpack array of hints`.

Whoever reads skips what it does not know: other versions, kinds and types of hints, and further fields at the
end of known ones. So old and new processes share a bus during a rolling upgrade, as long as fields are only
appended, with defaults.
"""

import os
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from secureconnect.kit.hints import Hint

__all__ = ["HINTS", "LOST", "Encoder", "read"]

_VERSION: Final = 1
#: Kinds of messages: hints, or that hints of the process were lost.
HINTS, LOST = 0, 1
_HEAD: Final = 10

_raws = msgspec.msgpack.Decoder(list[msgspec.Raw])
_hint: msgspec.msgpack.Decoder[Hint] = msgspec.msgpack.Decoder(Hint)


class Encoder:
    """Writes messages of this process."""

    def __init__(self) -> None:
        self.process = os.urandom(8)
        self._head = bytes((_VERSION, HINTS)) + self.process
        self._encoder = msgspec.msgpack.Encoder()
        self.lost = bytes((_VERSION, LOST)) + self.process + b"\x90"

    def hint(self, hint: Hint) -> bytes:
        """One hint, for `message`."""
        return self._encoder.encode(hint)

    def message(self, hints: Sequence[bytes]) -> bytes:
        """Hints of one channel, in order."""
        count = len(hints)
        array = bytes((0x90 | count,)) if count < 16 else b"\xdd" + count.to_bytes(4, "big")
        return b"".join((self._head, array, *hints))


def read(message: bytes, own: bytes) -> tuple[int, Iterator[Hint]] | None:
    """Kind and hints; None for messages of the process `own` itself, and for what it does not know."""
    if len(message) <= _HEAD or message[0] != _VERSION or message[2:_HEAD] == own:
        return None
    kind = message[1]
    return (kind, _known(message[_HEAD:])) if kind in (HINTS, LOST) else None


def _known(packed: bytes) -> Iterator[Hint]:
    try:
        raws = _raws.decode(packed)
    except msgspec.DecodeError:
        return
    for raw in raws:
        try:
            yield _hint.decode(raw)
        except msgspec.DecodeError:
            continue
