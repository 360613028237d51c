"""The process that shrinks pictures: `python -I -m secureconnect.infra.images.worker`.

Each picture is decoded in a fork that can do nothing else: it opens no files or sockets, its memory, time
and output are limited, and it ends with the picture. A bomb, or a fault in a decoder, takes the fork with it.

A request is two big-endian 32-bit numbers, the longest side and a length, and that many bytes; an answer is
one byte (1 made, 0 refused), a length and the WebP.
"""

import io
import os
import resource
import signal
import sys
from typing import BinaryIO, Final

from PIL import Image

from secureconnect.infra.images.base import MAX_PIXELS
from secureconnect.infra.images.exchange import ANSWER, REQUEST, SECONDS

__all__ = ["main", "shrunk", "warm_up"]

# 50 megapixels take 200 MB, and twice that while they are converted.
_MEMORY: Final = 1024**3
_LARGEST_ANSWER: Final = 4 * 1024 * 1024
_FORMATS: Final = ("JPEG", "PNG", "GIF", "WEBP")
_ORIENTATION: Final = 0x0112
#: How the values of the EXIF tag are undone.
_UPRIGHT: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def shrunk(data: bytes, side: int) -> bytes:
    """The WebP of a picture. Raises anything for what is no picture, or has too many pixels."""
    with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
        if image.width * image.height > MAX_PIXELS:
            raise ValueError("too many pixels")
        # JPEGs are decoded at a fraction of their size.
        image.draft("RGB", (side * 2, side * 2))
        orientation = image.getexif().get(_ORIENTATION, 1)
        small = _plain(image)
        small.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=2.0)
    if orientation in _UPRIGHT:
        small = small.transpose(_UPRIGHT[orientation])
    # A new picture has no metadata that an encoder could write.
    clean = Image.new(small.mode, small.size)
    clean.paste(small)
    out = io.BytesIO()
    clean.save(out, "WEBP", quality=80, method=4)
    return out.getvalue()


def _plain(image: Image.Image) -> Image.Image:
    """The picture in a mode that can be averaged and stored."""
    if image.mode.startswith("I;16"):
        return image.point(lambda value: value * (1 / 256)).convert("L").convert("RGB")
    if image.mode in {"RGBA", "LA", "PA", "La", "RGBa"} or "transparency" in image.info:
        return image.convert("RGBA")
    return image.convert("RGB")


def warm_up() -> None:
    """Load whatever decoders load at their first picture: the forks open no files."""
    Image.init()
    exif = Image.Exif()
    exif[_ORIENTATION] = 6
    for kind in _FORMATS:
        picture = io.BytesIO()
        Image.new("P", (2, 1)).convert("RGB").save(picture, kind, exif=exif)
        shrunk(picture.getvalue(), 1)


def main() -> None:
    """Answer requests until the server closes the pipe."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    warm_up()
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    while True:
        head = source.read(REQUEST.size)
        if len(head) < REQUEST.size:
            return
        side, length = REQUEST.unpack(head)
        data = source.read(length)
        if len(data) < length:
            return
        made = _in_fork(data, side)
        _answer(sink, made)
        del data, made


def _in_fork(data: bytes, side: int) -> bytes | None:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.close(reading)
            _confine()
            made = shrunk(data, side)
            with open(writing, "wb") as pipe:  # noqa: PTH123 - a descriptor, not a path
                pipe.write(made)
            code = 0
        finally:
            os._exit(code)
    os.close(writing)
    with open(reading, "rb") as pipe:  # noqa: PTH123 - a descriptor, not a path
        made = pipe.read(_LARGEST_ANSWER + 1)
        if len(made) > _LARGEST_ANSWER:
            os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return made if status == 0 and made else None


def _confine() -> None:
    signal.alarm(SECONDS)
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    for limit in (resource.RLIMIT_NOFILE, resource.RLIMIT_FSIZE, resource.RLIMIT_CORE):
        resource.setrlimit(limit, (0, 0))


def _answer(sink: BinaryIO, made: bytes | None) -> None:
    sink.write(ANSWER.pack(made is not None, len(made or b"")))
    sink.write(made or b"")
    sink.flush()


if __name__ == "__main__":
    main()
