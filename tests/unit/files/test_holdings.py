"""One's own files, deletion, thumbnails, avatars, and what cleans up."""

from typing import Any

import pytest
from sqlalchemy import Connection

from secureconnect.features.files import store
from secureconnect.features.files.service import Filter
from secureconnect.infra.blobs.base import ObjectStat
from secureconnect.infra.outbox.base import RetryLater
from secureconnect.kit.errors import ApiError
from secureconnect.kit.ids import new_time_id
from tests.unit.conversations.world import caller as member
from tests.unit.conversations.world import refusal
from tests.unit.files.world import World, acting

_DAY = 24 * 3600 * 1000


async def test_the_list_and_the_quota(w: World) -> None:
    a, b = await w.base.people("a", "b")
    await w.file(b)
    images = [await w.file(a, content_type="image/png") for _ in range(3)]
    text = await w.file(a, content_type="text/plain")
    running = (await w.begin(a, 500)).file.file_id

    async def walk(wanted: Filter, limit: int) -> list[str]:
        found, before = [], None
        while True:
            page = await w.cases.holdings.listed(a, wanted, before=before, limit=limit)
            found += [file.file_id for file in page.items]
            if page.after is None:
                return found
            before = page.after[0]

    for limit in (1, 2, 50):
        assert await walk(Filter("completed", None), limit) == [text, *reversed(images)]
        assert await walk(Filter("completed", "image/"), limit) == images[::-1]
        assert await walk(Filter("uploading", None), limit) == [running]
    assert await walk(Filter("deleted", None), 5) == []
    usage = await w.cases.holdings.usage(a)
    assert (usage.used, usage.pending, usage.total) == (4500, 500, 10_000)
    await w.set_quota(a, 7)
    assert (await w.cases.holdings.usage(a)).total == 7
    assert await refusal(w.begin(a, 1)) == "QUOTA_EXCEEDED"
    readers = w.cases.readers
    assert await w.read(lambda conn: readers.used_in(conn, [a, b])) == {a: 4500, b: 1000}
    assert await w.read(readers.stored_bytes_in) == 5000
    assert (readers.quota(None), readers.quota(7)) == (10_000, 7)


async def test_deletion_frees_quota_and_objects(w: World) -> None:
    (a,) = await w.base.people("a")
    file_id = await w.file(a, content_type="image/png")
    for job in w.jobs.take("thumbnail"):
        await w.cases.thumbnails.make(job)
    assert set(w.blobs.objects) == {f"users/{a}/{file_id}", f"thumbs/{file_id}"}
    await w.cases.holdings.delete(acting(a), file_id)
    assert w.blobs.objects == {}
    assert await w.usage(a) == (0, 0)
    file = await w.record(file_id)
    assert (file.status, file.has_thumbnail) == ("deleted", False)
    # An upload that runs is given up in the same way.
    begun = await w.begin(a, 700)
    await w.cases.holdings.delete(acting(a), begun.file.file_id)
    assert (await w.record(begun.file.file_id)).status == "failed"
    assert await refusal(w.cases.holdings.delete(acting(a), begun.file.file_id)) == "NOT_FOUND"
    assert w.audited[-2:] == ["file_upload_requested", "file_upload_failed"]
    assert w.trail.entries[-1].reason == "cancelled"
    await w.check_sums()


async def test_objects_of_files_that_are_gone_are_removed_again(w: World) -> None:
    """Whoever kept the upload URL may use it until it ends, where the store cannot revoke it."""
    (a,) = await w.base.people("a")
    begun = await w.begin(a)
    assert begun.request is not None
    w.blobs.upload(begun.request, bytes(1000))
    await w.complete(a, begun.file.file_id)
    await w.cases.holdings.delete(acting(a), begun.file.file_id)
    w.blobs.upload(begun.request, bytes(1000))
    (job,) = w.jobs.take("delete_objects")
    with pytest.raises(RetryLater) as later:
        await w.cases.objects.remove(job)
    assert later.value.after == pytest.approx(900 + 300, abs=1)
    assert w.blobs.objects
    w.clock.at += 1_200_000
    await w.cases.objects.remove(job)
    assert w.blobs.objects == {}
    assert w.counts.seen["removed"] == 2


async def test_a_store_that_is_away_delays_no_deletion(w: World) -> None:
    (a,) = await w.base.people("a")
    file_id = await w.file(a)
    w.blobs.down = True
    await w.cases.holdings.delete(acting(a), file_id)
    assert await w.usage(a) == (0, 0)
    (job,) = w.jobs.take("delete_objects")
    w.clock.at += 1_200_000
    with pytest.raises(ApiError):
        await w.cases.objects.remove(job)
    assert w.counts.seen["not removed"] == 2
    w.blobs.down = False
    await w.cases.objects.remove(job)
    assert w.blobs.objects == {}


async def test_thumbnails(w: World) -> None:
    a, b = await w.base.people("a", "b")
    await w.set_quota(a, 100_000_000)
    group = await w.base.group(a, b)
    photo = await w.file(a, content_type="image/webp")
    message_id = await w.send(a, group, photo)
    bad = await w.file(a, b"bad", content_type="image/gif")
    others: list[dict[str, Any]] = [
        {"is_encrypted": True},
        {"content_type": "image/svg+xml"},
        {"content_type": "text/plain"},
    ]
    for fields in others:
        await w.file(a, bytes(10), **{"content_type": "image/png", **fields})
    gone = await w.file(a, content_type="image/png")
    jobs = w.jobs.take("thumbnail")
    assert len(jobs) == 3
    await w.cases.holdings.delete(acting(a), gone)
    for job in (*jobs, jobs[0]):  # a job may come twice
        await w.cases.thumbnails.make(job)
    assert (await w.record(photo)).has_thumbnail
    assert not (await w.record(bad)).has_thumbnail
    assert [key for key in w.blobs.objects if key.startswith("thumbs/")] == [f"thumbs/{photo}"]
    assert w.jobs.finished == [jobs[0].job_id]
    message = await w.base.timeline.message(message_id)
    assert message is not None
    assert message.attachments[0].has_thumbnail


async def test_a_file_deleted_while_its_thumbnail_is_made_leaves_nothing(w: World) -> None:
    (a,) = await w.base.people("a")
    file_id = await w.file(a, content_type="image/png")
    (job,) = w.jobs.take("thumbnail")
    put = w.blobs.put

    async def late(key: str, data: bytes, *, content_type: str) -> None:
        await w.cases.holdings.delete(acting(a), file_id)
        await put(key, data, content_type=content_type)

    w.blobs.put = late  # type: ignore[method-assign]
    await w.cases.thumbnails.make(job)
    assert w.blobs.objects == {}


async def test_avatars(w: World) -> None:
    a, b = await w.base.people("a", "b")
    avatars = w.cases.avatars
    one, two = await w.file(a, content_type="image/png"), await w.file(a, content_type="image/jpeg")
    assert await refusal(avatars.of_user(a)) == "NOT_FOUND"
    assert await refusal(avatars.of_user(new_time_id())) == "NOT_FOUND"
    text = await w.file(a, content_type="text/plain")
    hidden = await w.file(a, content_type="image/png", is_encrypted=True)
    running = (await w.begin(a, content_type="image/png")).file.file_id
    broken = await w.file(a, b"bad", content_type="image/png")
    for file_id in (text, hidden, running, broken):
        assert await refusal(avatars.set_own(acting(a), file_id)) == "VALIDATION_ERROR"
    assert await refusal(avatars.set_own(acting(b), one)) == "NOT_FOUND"
    assert await refusal(avatars.set_own(acting(a), new_time_id())) == "NOT_FOUND"
    first = await avatars.set_own(acting(a), one)
    assert first.avatar_url == f"/v1/users/{a}/avatar?v={one[-12:]}"
    assert w.blobs.objects[f"avatars/{a}/{one}"].data == b"small 512"
    assert (await avatars.of_user(a)).url == f"avatars/{a}/{one}?image/webp&avatar.webp"
    second = await avatars.set_own(acting(a), two)
    assert second.avatar_url != first.avatar_url
    assert [key for key in w.blobs.objects if key.startswith("avatars/")] == [f"avatars/{a}/{two}"]
    # It is a picture of its own: it stays when the file goes.
    await w.cases.holdings.delete(acting(a), two)
    assert (await avatars.of_user(a)).url.startswith(f"avatars/{a}/{two}")
    assert (await avatars.set_own(acting(a), None)).avatar_url is None
    assert not [key for key in w.blobs.objects if key.startswith("avatars/")]
    assert (await avatars.set_own(acting(a), None)).avatar_url is None
    assert await refusal(avatars.of_user(a)) == "NOT_FOUND"
    fields = [entry.details for entry in w.trail.entries if entry.event == "profile_updated"]
    assert fields == [{"fields": "avatar"}] * 4


async def test_a_picture_elsewhere_takes_the_place_of_an_avatar(w: World) -> None:
    (a,) = await w.base.people("a")
    await w.cases.avatars.set_own(acting(a), await w.file(a, content_type="image/png"))
    known = acting(a)
    changes = {"avatar_url": "https://img.example/a.png"}
    record = await w.base.users.update(known.principal, known.context, changes, {})
    assert record.avatar_url == "https://img.example/a.png"
    assert await refusal(w.cases.avatars.of_user(a)) == "NOT_FOUND"


async def test_pictures_of_groups(w: World) -> None:
    a, b, c = await w.base.people("a", "b", "c")
    group = await w.base.group(a, b)
    avatars, edit = w.cases.avatars, w.base.cases.editing.edit
    w.base.cases.editing._pictures = avatars
    file_id = await w.file(b, content_type="image/png")
    assert await refusal(avatars.of_conversation(a, group)) == "NOT_FOUND"
    assert await refusal(edit(member(a), group, {"avatar_file_id": file_id})) == "NOT_FOUND"
    text = await w.file(b)
    assert await refusal(edit(member(b), group, {"avatar_file_id": text})) == "VALIDATION_ERROR"
    await edit(member(b), group, {"avatar_file_id": file_id})
    assert (await avatars.of_conversation(a, group)).url.startswith(f"avatars/{b}/{file_id}")
    assert await refusal(avatars.of_conversation(c, group)) == "FORBIDDEN"
    # The same picture may be somebody's avatar; it goes with its last use.
    await avatars.set_own(acting(b), file_id)
    await edit(member(a), group, {"avatar_file_id": None})
    await w.background.settled()
    assert f"avatars/{b}/{file_id}" in w.blobs.objects
    await edit(member(b), group, {"avatar_file_id": file_id})
    await avatars.set_own(acting(b), None)
    assert f"avatars/{b}/{file_id}" in w.blobs.objects
    await edit(member(a), group, {"avatar_url": "https://img.example/g.png"})
    await w.background.settled()
    assert f"avatars/{b}/{file_id}" not in w.blobs.objects


async def test_uploads_that_end_without_completion(w: World) -> None:
    (a,) = await w.base.people("a")
    begun = [await w.begin(a, 100) for _ in range(3)]
    kept = await w.file(a)
    assert begun[0].request is not None
    w.blobs.upload(begun[0].request, bytes(100))
    assert await w.cases.expiry.sweep() == 0
    w.clock.at += 900_000
    assert await w.cases.expiry.sweep() == 3
    assert await w.cases.expiry.sweep() == 0
    assert await w.usage(a) == (1000, 0)
    assert set(w.blobs.objects) == {f"users/{a}/{kept}"}
    assert w.counts.seen["expired"] == w.audited.count("file_upload_expired") == 3
    assert w.trail.entries[-1].actor_type == "system"
    assert await refusal(w.complete(a, begun[0].file.file_id)) == "CONFLICT"
    await w.check_sums()


async def test_an_upload_that_is_verified_does_not_expire(w: World) -> None:
    (a,) = await w.base.people("a")
    begun = await w.begin(a, 1000)
    assert begun.request is not None
    w.blobs.upload(begun.request, bytes(1000))
    hashed = w.blobs.sha256

    async def slow(key: str) -> str:
        w.clock.at += 500_000
        assert await w.cases.expiry.sweep() == 0
        return await hashed(key)

    w.blobs.sha256 = slow  # type: ignore[method-assign]
    w.clock.at += 800_000
    sha256 = await hashed(begun.file.object_key)
    assert (await w.complete(a, begun.file.file_id, sha256=sha256)).status == "completed"


async def test_an_upload_that_expires_while_it_is_looked_at_has_failed(w: World) -> None:
    (a,) = await w.base.people("a")
    begun = await w.begin(a, 1000)
    assert begun.request is not None
    w.blobs.upload(begun.request, bytes(1000))
    stat = w.blobs.stat

    async def slow(key: str) -> ObjectStat | None:
        found = await stat(key)
        w.clock.at += 1_000_000
        assert await w.cases.expiry.sweep() == 1
        return found

    w.blobs.stat = slow  # type: ignore[method-assign]
    assert await refusal(w.complete(a, begun.file.file_id)) == "CONFLICT"
    assert (await w.record(begun.file.file_id)).status == "failed"
    await w.check_sums()


async def test_strays_are_removed_after_a_day(w: World) -> None:
    (a,) = await w.base.people("a")
    file_id = await w.file(a, content_type="image/png")
    for job in w.jobs.take("thumbnail"):
        await w.cases.thumbnails.make(job)
    await w.cases.avatars.set_own(acting(a), file_id)
    running = await w.begin(a, 10)
    assert running.request is not None
    w.blobs.upload(running.request, bytes(10))
    kept = set(w.blobs.objects)
    gone = await w.file(a)
    await w.cases.holdings.delete(acting(a), gone)
    strays = [f"users/{a}/{new_time_id()}", f"thumbs/{new_time_id()}", f"avatars/{a}/{new_time_id()}"]
    for key in (
        *strays,
        f"users/{a}/{gone}",
        f"thumbs/{running.file.file_id}",
        f"avatars/{new_time_id()}/{file_id}",
    ):
        await w.blobs.put(key, b"x", content_type="text/plain")
    await w.blobs.put("exports/x.zip", b"x", content_type="application/zip")  # somebody else's
    assert await w.cases.objects.sweep() == 0
    w.clock.at += _DAY
    assert await w.cases.objects.sweep() == 6
    assert set(w.blobs.objects) == {*kept, "exports/x.zip"}
    assert w.counts.seen["removed"] == 6
    assert max(w.blobs.forgotten) <= w.clock.at - _DAY


async def test_nothing_of_an_erased_user_is_left(w: World) -> None:
    a, b = await w.base.people("a", "b")
    group = await w.base.group(a, b)
    w.base.cases.editing._pictures = w.cases.avatars
    shared, picture = await w.file(a), await w.file(a, content_type="image/png")
    message_id = await w.send(a, group, shared)
    mine = await w.file(a, content_type="image/gif")
    await w.cases.avatars.set_own(acting(a), mine)
    await w.base.cases.editing.edit(member(a), group, {"avatar_file_id": picture})
    deleted, running = await w.file(a), await w.begin(a, 10)
    await w.cases.holdings.delete(acting(a), deleted)
    theirs = await w.file(b)
    found = await w.read(lambda conn: w.cases.readers.owned_in(conn, a, after=None, limit=2))
    assert [file.file_id for file in found] == sorted([shared, picture, mine])[:2]
    erased, rounds = 0, 0
    while (now := await w.cases.readers.erase_owned(a, limit=2)) == 2:
        erased += now
        rounds += 1
    assert (erased + now, rounds) == (5, 2)
    assert await w.cases.readers.erase_owned(a, limit=2) == 0

    def left(conn: Connection) -> list[object]:
        ids = [shared, picture, mine, deleted, running.file.file_id]
        return [store.find_many(conn, ids), store.sums_of(conn, [a]), store.messages_with(conn, shared)]

    (rows, sums, messages) = await w.read(left)
    assert (sums, messages) == ({}, [])
    # What a group shows is found by a row that says nothing else.
    assert [(key, row.file_name, row.status, row.sha256) for key, row in rows.items()] == [
        (picture, "", "deleted", None)
    ]
    assert set(w.blobs.objects) == {f"users/{b}/{theirs}", f"avatars/{a}/{picture}"}
    message = await w.base.timeline.message(message_id)
    assert message is not None
    assert not message.attachments[0].available
    assert (await w.cases.avatars.of_conversation(b, group)).url
