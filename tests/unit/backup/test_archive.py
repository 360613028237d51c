"""The archive: what comes out is what went in, or nothing does."""

from pathlib import Path

import pytest

from secureconnect.infra.archive.base import ArchiveBroken, Manifest, PassphraseWrong
from secureconnect.infra.archive.reader import ArchiveReader
from secureconnect.infra.archive.writer import ArchiveWriter

ROWS = [[["a", 1, None, b"\x00\xff"], ["ü", 2**60, True, b""]], [["c", -1, 2.5, b"x" * 5000]]]
OBJECT = [b"first" * 1000, b"second"]


def write(path: Path, passphrase: str) -> None:
    with ArchiveWriter(path, passphrase) as archive:
        archive.table("things", ["a", "b", "c", "d"], ROWS)
        archive.table("empty", ["a"], [])
        take = archive.opened("object", "users/1/2", "text/plain")
        for piece in [*OBJECT, None]:
            take(piece)
        archive.finish(Manifest("1", 3, 1000, tuple(archive.parts)))


def read(path: Path, passphrase: str) -> list[object]:
    found: list[object] = []
    reader = ArchiveReader(path, passphrase)
    for part in reader.parts():
        rows = list(part.pages()) if part.begin.kind == "table" else list(part.pieces())
        found.append((part.begin.name, part.begin.columns, part.begin.content_type, rows))
    found.append(reader.manifest)
    return found


@pytest.mark.parametrize("passphrase", ["", "a long passphrase"])
def test_what_went_in_comes_out(tmp_path: Path, passphrase: str) -> None:
    path = tmp_path / "archive"
    write(path, passphrase)
    things, empty, thing, manifest = read(path, passphrase)
    assert things == ("things", ("a", "b", "c", "d"), "", ROWS)
    assert empty == ("empty", ("a",), "", [])
    assert thing == ("users/1/2", (), "text/plain", OBJECT)
    assert isinstance(manifest, Manifest)
    assert [part.count for part in manifest.parts] == [3, 0, 5006]
    assert path.stat().st_mode & 0o077 == 0
    assert [each.name for each in tmp_path.iterdir()] == ["archive"]
    assert (b"second" in path.read_bytes()) == (not passphrase)


@pytest.mark.parametrize("passphrase", ["", "a long passphrase"])
def test_each_altered_byte_is_found(tmp_path: Path, passphrase: str) -> None:
    path = tmp_path / "archive"
    write(path, passphrase)
    whole = path.read_bytes()
    # With a passphrase a key is derived each time, so fewer places are tried.
    for place in range(0, len(whole), 97 if passphrase else 1):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(ArchiveBroken):
            ArchiveReader(path, passphrase).check()


def test_whatever_is_cut_off_or_added_is_found(tmp_path: Path) -> None:
    path = tmp_path / "archive"
    write(path, "")
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(ArchiveBroken):
            ArchiveReader(path, "").check()
    path.write_bytes(whole + b"\0")
    with pytest.raises(ArchiveBroken):
        ArchiveReader(path, "").check()


def test_the_passphrase_is_needed(tmp_path: Path) -> None:
    path = tmp_path / "archive"
    write(path, "right")
    for wrong in ("", "wrong", "Right"):
        with pytest.raises(PassphraseWrong):
            ArchiveReader(path, wrong).check()


def test_a_part_that_was_read_in_part_is_no_part(tmp_path: Path) -> None:
    path = tmp_path / "archive"
    write(path, "")

    def read_first_pages() -> None:
        for part in ArchiveReader(path, "").parts():
            if part.begin.kind == "table":
                next(part.pages(), None)

    with pytest.raises(ArchiveBroken):
        read_first_pages()


def test_nothing_stays_of_what_was_not_finished(tmp_path: Path) -> None:
    def fail() -> None:
        with ArchiveWriter(tmp_path / "archive", "") as archive:
            archive.table("things", ["a"], [[["x"]]])
            raise OSError("full")

    with pytest.raises(OSError, match="full"):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_rewinding_forgets_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "archive"
    with ArchiveWriter(path, "") as archive:
        archive.table("things", ["a"], [[["x"]]])
        archive.rewind()
        archive.table("others", ["a"], [[["y"]]])
        archive.finish(Manifest("1", 3, 1000, tuple(archive.parts)))
    assert [part.name for part in ArchiveReader(path, "").check().parts] == ["others"]
