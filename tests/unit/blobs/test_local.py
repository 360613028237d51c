"""The directory: what a crash leaves, what lies where, and who may read it."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from secureconnect.infra.blobs.base import Part, PartsRefused
from secureconnect.infra.blobs.local import LocalBlobs
from secureconnect.infra.blobs.local_files import UploadEnded
from secureconnect.infra.blobs.local_urls import PartGrant, PutGrant, UrlSigner
from secureconnect.kit.clock import SystemClock
from secureconnect.kit.errors import ApiError

KEY = "users/u/f"


def reopened(root: Path) -> LocalBlobs:
    return LocalBlobs(root, UrlSigner(bytes(32), "http://localhost:8080", SystemClock()))


@pytest.fixture
async def blobs(tmp_path: Path) -> AsyncIterator[LocalBlobs]:
    opened = reopened(tmp_path)
    yield opened
    await opened.close()


async def pieces(*data: bytes) -> AsyncIterator[bytes]:
    for piece in data:
        yield piece


async def put(blobs: LocalBlobs, data: bytes, key: str = KEY) -> None:
    await blobs.presign_put(key, size=len(data), content_type="a/b", expires_in=60)
    await blobs.receive(PutGrant(key, len(data), "a/b"), pieces(data))


async def test_an_object_is_a_file_under_its_key_that_only_we_read(blobs: LocalBlobs, tmp_path: Path) -> None:
    await put(blobs, b"hello")
    assert (tmp_path / KEY).read_bytes() == b"hello"
    assert (tmp_path / KEY).stat().st_mode & 0o777 == 0o600
    assert (tmp_path / KEY).parent.stat().st_mode & 0o777 == 0o700
    assert (tmp_path / KEY).stat().st_nlink == 1


async def test_what_a_killed_process_left_is_cleared(blobs: LocalBlobs, tmp_path: Path) -> None:
    await put(blobs, b"hello")
    upload_id = await blobs.begin_multipart(KEY, size=2, part_size=1, content_type="a/b")
    (tmp_path / ".incoming" / "half").write_bytes(b"hel")
    rest = tmp_path / ".multipart" / f".{5:032x}"
    rest.mkdir()
    (rest / "bytes").write_bytes(b"x")
    again = reopened(tmp_path)
    assert list((tmp_path / ".incoming").iterdir()) == []
    assert not rest.exists()
    assert await again.parts(KEY, upload_id) == []
    assert await again.read(KEY, at_most=5) == b"hello"
    await again.close()


async def test_a_crash_while_completing_is_mended_by_the_next_try(blobs: LocalBlobs, tmp_path: Path) -> None:
    """The object has its name already, the upload is still there."""
    upload_id = await blobs.begin_multipart(KEY, size=2, part_size=1, content_type="a/b")
    for number, data in ((1, b"a"), (2, b"b")):
        await blobs.receive(PartGrant(KEY, 1, upload_id, number), pieces(data))
    parts = await blobs.parts(KEY, upload_id)
    (tmp_path / KEY).parent.mkdir(parents=True)
    os.link(tmp_path / ".multipart" / upload_id / "bytes", tmp_path / KEY)
    again = reopened(tmp_path)
    found = await again.complete_multipart(KEY, upload_id, parts)
    assert found.size == 2
    assert list((tmp_path / ".multipart").iterdir()) == []
    assert await again.read(KEY, at_most=2) == b"ab"
    await again.close()


async def test_a_part_sent_anew_with_other_bytes_replaces_the_first(blobs: LocalBlobs) -> None:
    upload_id = await blobs.begin_multipart(KEY, size=3, part_size=2, content_type="a/b")
    await blobs.receive(PartGrant(KEY, 2, upload_id, 1), pieces(b"xx"))
    await blobs.receive(PartGrant(KEY, 1, upload_id, 2), pieces(b"c"))
    old = await blobs.parts(KEY, upload_id)
    await blobs.receive(PartGrant(KEY, 2, upload_id, 1), pieces(b"a", b"b"))
    with pytest.raises(PartsRefused):
        await blobs.complete_multipart(KEY, upload_id, old)
    await blobs.complete_multipart(KEY, upload_id, await blobs.parts(KEY, upload_id))
    assert await blobs.read(KEY, at_most=3) == b"abc"


async def test_a_part_that_breaks_off_does_not_count_any_more(blobs: LocalBlobs) -> None:
    upload_id = await blobs.begin_multipart(KEY, size=2, part_size=2, content_type="a/b")
    grant = PartGrant(KEY, 2, upload_id, 1)
    await blobs.receive(grant, pieces(b"ab"))
    with pytest.raises(UploadEnded):
        await blobs.receive(grant, pieces(b"x"))
    assert await blobs.parts(KEY, upload_id) == []


@pytest.mark.parametrize(
    "grant",
    [
        PartGrant(KEY, 2, "", 1),
        PartGrant(KEY, 2, "0" * 32, 1),
        PartGrant("users/u/other", 2, "", 1),
        PartGrant(KEY, 1, "", 1),
        PartGrant(KEY, 2, "", 0),
        PartGrant(KEY, 1, "", 3),
        PartGrant(KEY, 1, "", -1),
    ],
)
async def test_parts_that_the_upload_does_not_have(blobs: LocalBlobs, grant: PartGrant) -> None:
    """An empty id stands for the real one, with another key, size or number; the first one is fine."""
    upload_id = await blobs.begin_multipart(KEY, size=3, part_size=2, content_type="a/b")
    real = PartGrant(grant.key, grant.size, grant.upload_id or upload_id, grant.number)
    if real == PartGrant(KEY, 2, upload_id, 1):
        await blobs.receive(real, pieces(b"ab"))
        return
    with pytest.raises(UploadEnded):
        await blobs.receive(real, pieces(b"ab"[: real.size]))
    assert await blobs.parts(KEY, upload_id) == []


async def test_other_parts_go_on_while_one_is_completed_too_early(blobs: LocalBlobs) -> None:
    upload_id = await blobs.begin_multipart(KEY, size=2, part_size=1, content_type="a/b")
    await blobs.receive(PartGrant(KEY, 1, upload_id, 1), pieces(b"a"))
    with pytest.raises(PartsRefused):
        await blobs.complete_multipart(KEY, upload_id, await blobs.parts(KEY, upload_id))
    with pytest.raises(PartsRefused):
        await blobs.complete_multipart(KEY, upload_id, [Part(1, 1, "0" * 32), Part(2, 1, "0" * 32)])
    await blobs.receive(PartGrant(KEY, 1, upload_id, 2), pieces(b"b"))
    await blobs.complete_multipart(KEY, upload_id, await blobs.parts(KEY, upload_id))
    assert await blobs.read(KEY, at_most=2) == b"ab"


async def test_a_cancelled_upload_leaves_nothing(blobs: LocalBlobs, tmp_path: Path) -> None:
    never = asyncio.Event()

    async def stalled() -> AsyncIterator[bytes]:
        yield bytes(3 << 20)
        started.set()
        await never.wait()

    started = asyncio.Event()
    await blobs.presign_put(KEY, size=4 << 20, content_type="a/b", expires_in=60)
    upload = asyncio.create_task(blobs.receive(PutGrant(KEY, 4 << 20, "a/b"), stalled()))
    await started.wait()
    upload.cancel()
    with pytest.raises(asyncio.CancelledError):
        await upload
    assert list((tmp_path / ".incoming").iterdir()) == []
    await blobs.receive(PutGrant(KEY, 4 << 20, "a/b"), pieces(bytes(4 << 20)))


async def test_urls_nobody_used_are_forgotten(blobs: LocalBlobs, tmp_path: Path) -> None:
    await blobs.presign_put(KEY, size=1, content_type="a/b", expires_in=60)
    assert await blobs.forget_unfinished(SystemClock().now() + 60_000) == 1
    assert list((tmp_path / ".uploads").iterdir()) == []
    with pytest.raises(UploadEnded):
        await blobs.receive(PutGrant(KEY, 1, "a/b"), pieces(b"x"))


async def test_a_large_object_is_hashed_piece_by_piece(blobs: LocalBlobs, tmp_path: Path) -> None:
    data = os.urandom((33 << 20) + 7)
    await put(blobs, data)
    assert await blobs.sha256(KEY) == hashlib.sha256(data).hexdigest()


async def test_a_directory_that_is_gone_is_told_plainly(blobs: LocalBlobs, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    other = reopened(gone)
    for name in (".incoming", ".uploads", ".multipart"):
        (gone / name).rmdir()
    gone.rmdir()
    for attempt in (
        other.ping(),
        other.put(KEY, b"x", content_type="a/b"),
        other.presign_put(KEY, size=1, content_type="a/b", expires_in=1),
        other.begin_multipart(KEY, size=1, part_size=1, content_type="a/b"),
    ):
        with pytest.raises(ApiError) as refused:
            await attempt
        assert (refused.value.code.name, refused.value.retry_after) == ("STORAGE_UNAVAILABLE", 5)
    await other.close()
