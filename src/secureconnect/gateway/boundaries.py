"""Where frames begin in a stream of frames (RFC 6455 §5.2), without reading what is in them."""

__all__ = ["Boundaries"]

_MASKED = 0x80
_CLOSE = 0x8


class Boundaries:
    """Fed with everything that passes; `clean` whenever the last frame is whole."""

    __slots__ = ("_head", "_left", "closing")

    def __init__(self) -> None:
        self._left = 0  # bytes of the present frame that are to come
        self._head = b""  # the beginning of a frame, too short to tell how long it is
        #: A close frame passed: nothing may follow.
        self.closing = False

    @property
    def clean(self) -> bool:
        """A frame of our own may follow."""
        return not self._left and not self._head

    def feed(self, data: bytes) -> None:
        """This passed."""
        if self._left >= len(data):
            self._left -= len(data)
            return
        if self._head:
            data = self._head + data
            self._head = b""
        at, size = self._left, len(data)
        while at + 2 <= size:
            head, length = 2, data[at + 1] & 0x7F
            if length >= 126:
                head = 4 if length == 126 else 10
                if at + head > size:
                    break
                length = int.from_bytes(data[at + 2 : at + head], "big")
            if data[at] & 0x0F == _CLOSE:
                self.closing = True
            at += head + length + (4 if data[at + 1] & _MASKED else 0)
        self._left = max(0, at - size)
        self._head = data[at:] if at < size else b""
