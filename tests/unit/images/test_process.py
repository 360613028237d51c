"""Pictures of strangers: shrunk when they are pictures, refused when they are not, harmless either way."""

import asyncio
import io
import os
import signal
import zlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from secureconnect.infra.images.base import PictureRefused
from secureconnect.infra.images.exchange import SECONDS
from secureconnect.infra.images.process import ImageProcess
from secureconnect.kit.errors import ApiError
from tests.unit.images.pictures import bomb, encoded, photo


@pytest.fixture
async def images() -> AsyncIterator[ImageProcess]:
    made = ImageProcess()
    yield made
    await made.close()


def opened(webp: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(webp), formats=("WEBP",))
    image.load()
    return image


def colour(image: Image.Image, x: float, y: float) -> str:
    """The strongest of red, green and blue at a place given in fractions."""
    pixel = image.convert("RGB").getpixel((int(x * image.width), int(y * image.height)))
    assert isinstance(pixel, tuple)
    return "rgb"[pixel.index(max(pixel))]


_KINDS: list[tuple[str, str, dict[str, Any]]] = [
    ("JPEG", "RGB", {}),
    ("JPEG", "CMYK", {}),
    ("JPEG", "L", {}),
    ("PNG", "RGB", {}),
    ("PNG", "RGBA", {}),
    ("PNG", "P", {}),
    ("PNG", "I;16", {}),
    ("GIF", "P", {"transparency": 0}),
    ("WEBP", "RGBA", {}),
]


async def test_every_kind_is_shrunk(images: ImageProcess) -> None:
    for kind, mode, options in _KINDS:
        image = photo().convert("L").convert(mode) if mode == "I;16" else photo(mode=mode)
        small = opened(await images.shrink(encoded(image, kind, **options), side=320))
        assert small.size == (320, 200), (kind, mode)
        if mode not in {"L", "I;16"}:
            assert (colour(small, 0.2, 0.5), colour(small, 0.8, 0.5)) == ("r", "b"), (kind, mode)
    assert opened(await images.shrink(encoded(photo(40, 30), "PNG"), side=320)).size == (40, 30)
    bright = Image.new("I;16", (10, 10), 40_000)  # sixteen bits are scaled, not cut off
    pixel = opened(await images.shrink(encoded(bright, "PNG"), side=320)).convert("L").getpixel((5, 5))
    assert pixel == pytest.approx(156, abs=3)


async def test_only_the_first_frame_and_nothing_but_pixels(images: ImageProcess) -> None:
    frames = [photo(), Image.new("RGB", (640, 400), "lime")]
    gif = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], comment=b"a secret")
    assert colour(opened(await images.shrink(gif, side=320)), 0.2, 0.5) == "r"
    exif = Image.Exif()
    exif[0x010E] = "a secret place"
    for kind in ("JPEG", "PNG", "WEBP"):
        profile = zlib.compress(b"profile")
        loud = encoded(photo(), kind, exif=exif, xmp=b"<x>a secret</x>", icc_profile=profile)
        quiet = await images.shrink(loud, side=320)
        assert b"secret" not in quiet
        info = opened(quiet).info
        assert not {"exif", "xmp", "icc_profile"} & info.keys(), (kind, info)


@pytest.mark.parametrize("orientation", range(1, 9))
async def test_pictures_stand_upright(images: ImageProcess, orientation: int) -> None:
    """What a camera noted is done: red is where Pillow's own reading of the tag puts it."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = photo()
    image.paste((0, 255, 0), (0, 0, 100, 100))  # one corner tells all eight apart
    from PIL import ImageOps

    data = encoded(image, "JPEG", exif=exif, quality=95)
    wanted = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    assert wanted is not None
    small = opened(await images.shrink(data, side=320))
    assert (small.width > small.height) == (wanted.width > wanted.height)
    places = [(0.04, 0.04), (0.96, 0.04), (0.04, 0.96), (0.96, 0.96)]
    assert [colour(small, *at) for at in places] == [colour(wanted, *at) for at in places]


async def test_what_is_no_picture_is_refused(images: ImageProcess) -> None:
    png = encoded(photo(), "PNG")
    refused = [
        b"",
        b"no picture",
        png[: len(png) // 2],
        encoded(photo(), "BMP"),
        encoded(photo(), "TIFF"),
        b"%PDF-1.7\n",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        bomb(8000, 6251),
    ]
    for data in refused:
        with pytest.raises(PictureRefused):
            await images.shrink(data, side=320)
    # It is still there for the next one.
    assert opened(await images.shrink(png, side=320)).size == (320, 200)


async def test_the_largest_picture_fits_and_leaves_nothing_behind(images: ImageProcess) -> None:
    """Z10: just under 50 megapixels is shrunk; the process that did it has not grown."""
    small = await images.shrink(encoded(photo(64, 64), "PNG"), side=320)
    assert images._process is not None
    before = resident(images._process.pid)
    large = await images.shrink(bomb(8000, 6250), side=320)
    assert opened(large).size == (320, 250)
    assert resident(images._process.pid) - before < 16 * 1024 * 1024
    assert small


def resident(pid: int) -> int:
    """Bytes of a process that lie in memory."""
    pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


async def test_a_process_that_dies_or_hangs_is_replaced(
    images: ImageProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    png = encoded(photo(), "PNG")
    await images.shrink(png, side=320)
    assert images._process is not None
    first = images._process
    os.kill(first.pid, signal.SIGKILL)
    await first.wait()
    with pytest.raises(ApiError, match="cannot be shrunk"):
        await images.shrink(png, side=320)
    await images.shrink(png, side=320)
    second = images._process
    os.kill(second.pid, signal.SIGSTOP)
    monkeypatch.setattr("secureconnect.infra.images.process._SILENCE", 0.1)
    with pytest.raises(PictureRefused):
        await images.shrink(png, side=320)
    monkeypatch.undo()
    await images.shrink(png, side=320)
    assert images._process is not second
    assert second.returncode is not None


async def test_a_caller_that_leaves_does_not_disturb_the_next(images: ImageProcess) -> None:
    png = encoded(photo(), "PNG")
    await images.shrink(png, side=320)
    leaving = asyncio.create_task(images.shrink(encoded(photo(6000, 4000), "PNG"), side=320))
    staying = asyncio.create_task(images.shrink(png, side=100))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    leaving.cancel()
    assert opened(await staying).size == (100, 63)
    assert leaving.cancelled()


async def test_without_an_interpreter_nothing_is_shrunk(
    images: ImageProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.executable", "/nonexistent/python")
    with pytest.raises(ApiError):
        await images.shrink(b"x", side=320)


def test_the_fork_is_confined() -> None:
    """No files, no sockets, bounded time and memory: asked from inside."""
    source = (
        "import os, socket, sys\n"
        "from secureconnect.infra.images import worker\n"
        "worker._confine()\n"
        "found = []\n"
        "for attempt in (lambda: open('/etc/hostname'), socket.socket, lambda: bytearray(2 * 1024**3)):\n"
        "    try:\n"
        "        attempt()\n"
        "        found.append('done')\n"
        "    except (OSError, MemoryError) as error:\n"
        "        found.append(type(error).__name__)\n"
        "print(found)\n"
    )
    import subprocess
    import sys

    told = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "['OSError', 'OSError', 'MemoryError']"
    assert SECONDS < 10
