"""From the first URL to a file that is there: what lies in the store decides."""

import asyncio
import hashlib
from collections.abc import Awaitable

import pytest

from secureconnect.features.files.service import GivenPart
from secureconnect.kit.errors import ApiError
from secureconnect.kit.ids import new_time_id
from tests.unit.conversations.world import refusal
from tests.unit.files.world import LIMITS, MIB, World, acting


async def hidden(action: Awaitable[object]) -> str | None:
    """The file whose existence a refusal keeps to itself."""
    with pytest.raises(ApiError) as raised:
        await action
    assert raised.value.code.name == "NOT_FOUND"
    return raised.value.hidden_file


async def test_an_upload(w: World) -> None:
    (a,) = await w.base.people("a")
    begun = await w.begin(a, 1000, file_name="../x.png", content_type="image/png")
    file = begun.file
    assert (file.file_name, file.status, file.object_key) == (
        "x.png",
        "uploading",
        f"users/{a}/{file.file_id}",
    )
    assert await w.usage(a) == (0, 1000)
    assert await refusal(w.complete(a, file.file_id)) == "UPLOAD_INCOMPLETE"
    assert begun.request is not None
    w.blobs.upload(begun.request, bytes(1000))
    done = await w.complete(a, file.file_id)
    assert (done.status, done.sha256) == ("completed", None)
    assert done.completed_at is not None
    assert await w.complete(a, file.file_id) == done
    assert await w.usage(a) == (1000, 0)
    assert w.audited == ["file_upload_requested", "file_upload_completed"]
    assert w.counts.seen["completed"] == 1
    await w.check_sums()


async def test_only_the_owner_knows_an_upload(w: World) -> None:
    a, b = await w.base.people("a", "b")
    begun = await w.begin(a)
    file_id = begun.file.file_id
    uploads = w.cases.uploads
    for action in (
        w.complete(b, file_id),
        uploads.show(acting(b), file_id),
        uploads.renew(acting(b), file_id, [1]),
        w.cases.holdings.delete(acting(b), file_id),
        w.cases.downloads.url(acting(b), file_id, "original"),
    ):
        assert await hidden(action) == file_id
    assert await hidden(w.complete(a, new_time_id())) is None
    assert await refusal(w.cases.downloads.url(acting(a), file_id, "original")) == "FILE_NOT_READY"


async def test_another_size_or_hash_fails_the_upload(w: World) -> None:
    (a,) = await w.base.people("a")
    data = b"x" * 1000
    right, wrong = hashlib.sha256(data).hexdigest(), hashlib.sha256(b"y").hexdigest()
    for announced, given, outcome in [
        (right, None, "completed"),
        (right.upper(), right, "completed"),
        (None, right.upper(), "completed"),
        (wrong, None, "UPLOAD_MISMATCH"),
        (None, wrong, "UPLOAD_MISMATCH"),
        (right, wrong, "UPLOAD_MISMATCH"),
    ]:
        before = await w.usage(a)
        begun = await w.begin(a, 1000, sha256=announced)
        assert begun.request is not None
        w.blobs.upload(begun.request, data)
        file_id = begun.file.file_id
        if outcome == "completed":
            assert (await w.complete(a, file_id, sha256=given)).sha256 == right
            continue
        assert await refusal(w.complete(a, file_id, sha256=given)) == outcome
        assert (await w.record(file_id)).status == "failed"
        assert await w.usage(a) == before
        assert begun.file.object_key not in w.blobs.objects
        assert await refusal(w.complete(a, file_id)) == "CONFLICT"
    assert w.counts.seen["failed"] == w.audited.count("file_upload_failed") == 3
    # Another size cannot come through a URL; a store may still be wrong.
    begun = await w.begin(a, 1000)
    await w.blobs.put(begun.file.object_key, b"short", content_type="text/plain")
    assert await refusal(w.complete(a, begun.file.file_id)) == "UPLOAD_MISMATCH"
    await w.check_sums()


async def test_a_hash_that_the_store_attests_is_not_computed(w: World) -> None:
    (a,) = await w.base.people("a")
    sha256 = hashlib.sha256(bytes(1000)).hexdigest()
    await w.file(a)
    assert w.blobs.hashed == []
    await w.file(a, sha256=sha256)
    assert len(w.blobs.hashed) == 1
    w.blobs.attested = True
    await w.file(a, sha256=sha256)
    assert len(w.blobs.hashed) == 1


async def test_parts(w: World) -> None:
    (a,) = await w.base.people("a")
    await w.set_quota(a, 100 * MIB)
    size = 33 * MIB
    begun = await w.begin(a, size)
    assert begun.request is None
    assert begun.plan is not None
    assert (begun.plan.part_size, begun.plan.part_count) == (16 * MIB, 3)
    file_id, urls = begun.file.file_id, {part.part_number: part.url for part in begun.parts}
    assert await refusal(w.complete(a, file_id)) == "UPLOAD_INCOMPLETE"
    w.blobs.upload_part(urls[1], bytes(16 * MIB))
    w.blobs.upload_part(urls[3], bytes(MIB))
    _, there = await w.cases.uploads.show(acting(a), file_id)
    assert [(part.number, part.size) for part in there] == [(1, 16 * MIB), (3, MIB)]
    with pytest.raises(ApiError) as raised:
        await w.complete(a, file_id)
    assert [detail.message for detail in raised.value.details] == ["part 2 is missing"]
    renewed, expires_at = await w.cases.uploads.renew(acting(a), file_id, [2])
    assert expires_at > (begun.file.expires_at or 0)
    w.blobs.upload_part(renewed[0].url, bytes(16 * MIB))
    _, there = await w.cases.uploads.show(acting(a), file_id)
    wrong = [GivenPart(1, there[0].etag), GivenPart(2, "other")]
    assert await refusal(w.complete(a, file_id, parts=wrong)) == "UPLOAD_INCOMPLETE"
    right = [GivenPart(part.number, f'"{part.etag}"') for part in there]
    done = await w.complete(a, file_id, parts=right)
    assert (done.status, await w.usage(a)) == ("completed", (size, 0))
    assert (await w.cases.uploads.show(acting(a), file_id))[1] == []
    assert await refusal(w.cases.uploads.renew(acting(a), file_id, [1])) == "CONFLICT"
    await w.check_sums()


async def test_an_object_that_was_made_before_a_crash_is_found(w: World) -> None:
    (a,) = await w.base.people("a")
    await w.set_quota(a, 100 * MIB)
    begun = await w.begin(a, 21 * MIB)
    for part in begun.parts:
        w.blobs.upload_part(part.url, bytes(int(part.url.rpartition("/")[2])))
    key, upload_id = begun.file.object_key, begun.file.upload_id
    assert upload_id is not None
    await w.blobs.complete_multipart(key, upload_id, await w.blobs.parts(key, upload_id))
    assert (await w.complete(a, begun.file.file_id)).status == "completed"


async def test_new_urls_for_parts(w: World) -> None:
    (a,) = await w.base.people("a")
    await w.set_quota(a, 1000 * MIB)
    single = await w.begin(a)
    renew = w.cases.uploads.renew
    assert await refusal(renew(acting(a), single.file.file_id, [1])) == "CONFLICT"
    begun = await w.begin(a, 33 * MIB)
    file_id, start = begun.file.file_id, begun.file.created_at
    with pytest.raises(ApiError) as raised:
        await renew(acting(a), file_id, [1, 4, 3, 9999])
    assert [detail.field for detail in raised.value.details] == ["part_numbers[1]", "part_numbers[3]"]
    # Again and again, but not for longer than a day.
    expires_at = begun.file.expires_at or 0
    while expires_at < start + LIMITS.multipart_ttl * 1000:
        w.clock.at = expires_at - 1000
        _, later = await renew(acting(a), file_id, [3])
        assert later > expires_at
        expires_at = later
    assert expires_at == start + LIMITS.multipart_ttl * 1000
    w.clock.at = expires_at - 1000
    assert (await renew(acting(a), file_id, [3]))[1] == expires_at
    w.clock.at = expires_at
    assert await refusal(renew(acting(a), file_id, [3])) == "CONFLICT"
    assert await refusal(w.complete(a, file_id)) == "CONFLICT"


async def test_a_store_that_is_away_costs_no_quota(w: World) -> None:
    (a,) = await w.base.people("a")
    begun = await w.begin(a)
    assert begun.request is not None
    w.blobs.upload(begun.request, bytes(1000))
    w.blobs.down = True
    assert await refusal(w.begin(a)) == "STORAGE_UNAVAILABLE"
    assert await refusal(w.complete(a, begun.file.file_id)) == "STORAGE_UNAVAILABLE"
    assert await refusal(w.cases.downloads.url(acting(a), begun.file.file_id, "original")) == "FILE_NOT_READY"
    assert await w.usage(a) == (0, 1000)
    w.blobs.down = False
    assert (await w.complete(a, begun.file.file_id)).status == "completed"
    await w.check_sums()


async def test_what_is_refused_is_counted(w: World) -> None:
    (a,) = await w.base.people("a")
    assert await refusal(w.begin(a, 0, file_name="", content_type="x")) == "VALIDATION_ERROR"
    assert await refusal(w.begin(a, 10_001)) == "QUOTA_EXCEEDED"
    counted = {name: n for name, n in w.counts.seen.items() if name.startswith("rejected")}
    assert counted == dict.fromkeys((f"rejected {why}" for why in ("name", "size", "type", "quota")), 1)


async def test_concurrent_uploads_cannot_overrun_the_quota(w: World) -> None:
    (a,) = await w.base.people("a")
    outcomes = await asyncio.gather(*(w.begin(a, 1000) for _ in range(40)), return_exceptions=True)
    refused = [one for one in outcomes if isinstance(one, ApiError)]
    assert len(refused) == 30
    assert {error.code.name for error in refused} == {"QUOTA_EXCEEDED"}
    assert await w.usage(a) == (0, 10_000)
    await w.set_quota(a, 100_000)
    outcomes = await asyncio.gather(*(w.begin(a, 10) for _ in range(100)), return_exceptions=True)
    codes = {one.code.name for one in outcomes if isinstance(one, ApiError)}
    assert codes == {"LIMIT_REACHED"}
    assert sum(not isinstance(one, ApiError) for one in outcomes) == LIMITS.max_pending - 10
    await w.check_sums()


async def test_concurrent_completions_are_one(w: World) -> None:
    (a,) = await w.base.people("a")
    sha256 = hashlib.sha256(bytes(1000)).hexdigest()
    begun = await w.begin(a, 1000)
    assert begun.request is not None
    w.blobs.upload(begun.request, bytes(1000))
    file_id = begun.file.file_id
    same = await asyncio.gather(*(w.complete(a, file_id, sha256=sha256) for _ in range(5)))
    assert len(w.blobs.hashed) == 1
    assert {file.status for file in same} == {"completed"}
    assert w.audited.count("file_upload_completed") == 1
    # A wrong hash beside a right one cannot fail a file that is completed.
    begun = await w.begin(a, 1000)
    assert begun.request is not None
    w.blobs.upload(begun.request, bytes(1000))
    file_id = begun.file.file_id
    outcomes = await asyncio.gather(
        w.complete(a, file_id), w.complete(a, file_id, sha256="0" * 64), return_exceptions=True
    )
    assert sum(isinstance(one, ApiError) for one in outcomes) == 1
    status = (await w.record(file_id)).status
    assert (begun.file.object_key in w.blobs.objects) == (status == "completed")
    await w.check_sums()


async def test_a_verification_outlives_its_request(w: World) -> None:
    (a,) = await w.base.people("a")
    begun = await w.begin(a, 1000)
    assert begun.request is not None
    w.blobs.upload(begun.request, bytes(1000))
    request = asyncio.create_task(w.complete(a, begun.file.file_id))
    while not len(w.background):  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0)
    request.cancel()
    await asyncio.gather(request, return_exceptions=True)
    await w.background.settled()
    assert (await w.record(begun.file.file_id)).status == "completed"
