"""Archives grow row by row and file by file, and any tool can read them."""

import json
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from secureconnect.features.privacy.service.archive import Archive


async def pieces(*data: bytes) -> AsyncIterator[bytes]:
    for piece in data:
        yield piece


async def test_what_goes_in_comes_out(tmp_path: Path) -> None:
    archive = Archive(str(tmp_path / "a.zip"))
    await archive.rows("a.json", [{"n": 1}, {"n": "ü"}])
    await archive.rows("a.json", [])
    await archive.rows("a.json", [{"n": None}])
    await archive.rows("empty.json", [])
    await archive.file("files/x/f.bin", pieces(b"ab", b"c" * 100_000))
    await archive.file("files/y/none", pieces())
    await archive.rows("late.json", [{"n": 2}])
    await archive.text("README.txt", "hello\n")
    await archive.close()
    assert archive.counts == {"a.json": 3, "empty.json": 0, "late.json": 1}
    with zipfile.ZipFile(tmp_path / "a.zip") as opened:
        assert opened.testzip() is None
        assert json.loads(opened.read("a.json")) == [{"n": 1}, {"n": "ü"}, {"n": None}]
        assert json.loads(opened.read("empty.json")) == []
        assert json.loads(opened.read("late.json")) == [{"n": 2}]
        assert opened.read("files/x/f.bin") == b"ab" + b"c" * 100_000
        assert opened.read("files/y/none") == b""
        assert opened.read("README.txt") == b"hello\n"


async def test_a_file_that_breaks_off_breaks_the_archive(tmp_path: Path) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"ab"
        raise ConnectionError("away")

    archive = Archive(str(tmp_path / "a.zip"))
    with pytest.raises(ConnectionError):
        await archive.file("f", broken())
    archive.abandon()
    archive.abandon()
    with pytest.raises(zipfile.BadZipFile):
        zipfile.ZipFile(tmp_path / "a.zip")
