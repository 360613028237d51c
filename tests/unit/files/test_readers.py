"""Who may read a file, and what a message may attach."""

import asyncio
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError

from secureconnect.features.files import store
from secureconnect.infra.database.base import WriteTx
from secureconnect.infra.timeline.base import AttachedFile, NewEvent, NewMessage
from secureconnect.kit.errors import ApiError
from secureconnect.kit.ids import new_time_id
from tests.unit.conversations.world import caller as member
from tests.unit.conversations.world import refusal
from tests.unit.files.world import World, acting


async def test_members_read_what_messages_attach(w: World) -> None:
    a, b, c = await w.base.people("a", "b", "c")
    group, other = await w.base.group(a, b), await w.base.group(a, c)
    file_id = await w.file(a)
    assert [await w.reads(user, file_id) for user in (a, b, c)] == [True, False, False]
    first = await w.send(a, group, file_id)
    assert [await w.reads(user, file_id) for user in (a, b, c)] == [True, True, False]
    second = await w.send(a, other, file_id)
    assert await w.reads(c, file_id)
    await w.write(lambda tx: w.cases.readers.revoke_in(tx, first))
    assert [await w.reads(user, file_id) for user in (a, b, c)] == [True, False, True]
    await w.base.cases.membership.remove(member(a), other, c)
    assert [await w.reads(user, file_id) for user in (a, b, c)] == [True, False, False]
    await w.base.cases.membership.add(member(a), other, [c])
    assert await w.reads(c, file_id)  # history is visible to all
    await w.write(lambda tx: w.cases.readers.revoke_in(tx, second))
    assert not await w.reads(c, file_id)


async def test_only_messages_that_a_member_can_see_count(w: World) -> None:
    a, b, late = await w.base.people("a", "b", "late")
    group = await w.base.group(a, b, history_visibility="joined")
    file_id = await w.file(a)
    await w.send(a, group, file_id)
    await w.base.cases.membership.add(member(a), group, [late])
    assert not await w.reads(late, file_id)
    await w.send(a, group, file_id)  # again, where everybody sees it
    assert await w.reads(late, file_id)
    direct = (await w.base.direct(a, b)).conversation_id
    mine = await w.file(a)
    await w.send(a, direct, mine)
    assert await w.reads(b, mine)
    await w.base.cases.endings.delete(member(b), direct)  # clears it for b
    assert not await w.reads(b, mine)


async def test_deletion_ends_reading(w: World) -> None:
    a, b = await w.base.people("a", "b")
    group = await w.base.group(a, b)
    file_id = await w.file(a)
    message_id = await w.send(a, group, file_id)
    await w.cases.holdings.delete(acting(a), file_id)
    assert [await w.reads(user, file_id) for user in (a, b)] == [False, False]
    message = await w.base.timeline.message(message_id)
    assert message is not None
    assert [(one.file_id, one.available) for one in message.attachments] == [(file_id, False)]
    assert await refusal(w.cases.holdings.delete(acting(a), file_id)) == "NOT_FOUND"
    kept = await w.file(a)
    message_id = await w.send(a, group, kept)
    await w.base.cases.endings.delete(member(a), group)
    assert not await w.reads(b, kept)
    erased = await w.write(lambda tx: w.base.timeline.trim_in(tx, group, 2**62, 100))
    await w.write(lambda tx: w.cases.readers.purged_in(tx, erased))
    assert message_id in erased.message_ids
    assert await w.read(lambda conn: store.messages_with(conn, kept)) == []


async def test_what_may_be_attached(w: World) -> None:
    a, b = await w.base.people("a", "b")
    one, two, foreign = await w.file(a), await w.file(a), await w.file(b)
    running = (await w.begin(a)).file.file_id
    gone = await w.file(a)
    await w.cases.holdings.delete(acting(a), gone)

    async def ask(*file_ids: str) -> str:
        try:
            found = await w.read(lambda conn: w.cases.readers.attachable_in(conn, a, file_ids))
        except ApiError as error:
            return error.code.name
        return "".join("12"[[one, two].index(file.file_id)] for file in found)

    assert await ask() == ""
    assert await ask(two, one) == "21"
    assert await ask(one, foreign) == await ask(new_time_id()) == await ask(gone) == "NOT_FOUND"
    assert await ask(one, running) == "FILE_NOT_READY"
    assert await ask(running, gone) == "NOT_FOUND"  # existence comes first
    order = await w.read(
        lambda conn: w.cases.readers.readable_in(conn, a, [two, foreign, gone, one, running])
    )
    assert [file.file_id for file in order] == [two, one]


async def test_an_append_with_a_file_that_was_deleted_meanwhile_writes_nothing(w: World) -> None:
    a, b = await w.base.people("a", "b")
    group = await w.base.group(a, b)
    file_id = await w.file(a)
    (record,) = await w.read(lambda conn: w.cases.readers.attachable_in(conn, a, [file_id]))
    await w.cases.holdings.delete(acting(a), file_id)
    message_id, guard = new_time_id(), (await w.base.known(group)).guard
    message = NewMessage(a, None, "look", False, "text", {}, attachments=(record.attached,))
    event = NewEvent(group, message_id, "message_created", a, 1, message=message)
    also = w.cases.readers.grant_statements(group, message_id, [record.attached])
    before = await w.base.kinds(group)
    with pytest.raises(IntegrityError):
        await w.base.timeline.append(event, guard=guard, also=also)
    assert await w.base.kinds(group) == before


async def test_an_append_that_does_not_know_of_a_thumbnail_writes_nothing(w: World) -> None:
    """It was made after the sender's file was looked at; who looks again sees it."""
    a, b = await w.base.people("a", "b")
    group = await w.base.group(a, b)
    file_id = await w.file(a, content_type="image/png")
    (record,) = await w.read(lambda conn: w.cases.readers.attachable_in(conn, a, [file_id]))
    assert not record.has_thumbnail
    for job in w.jobs.take("thumbnail"):
        await w.cases.thumbnails.make(job)
    message_id, guard = new_time_id(), (await w.base.known(group)).guard

    async def append(attached: AttachedFile) -> None:
        message = NewMessage(a, None, "look", False, "text", {}, attachments=(attached,))
        event = NewEvent(group, message_id, "message_created", a, 1, message=message)
        also = w.cases.readers.grant_statements(group, message_id, [attached])
        await w.base.timeline.append(event, guard=guard, also=also)

    with pytest.raises(IntegrityError):
        await append(record.attached)
    (now,) = await w.cases.readers.attached_now([file_id])
    await append(now)
    stored = await w.base.timeline.message(message_id)
    assert stored is not None
    assert [one.has_thumbnail for one in stored.attachments] == [True]
    assert await w.reads(b, file_id)


@pytest.mark.parametrize("happens", ["thumbnail", "deletion"])
async def test_a_file_that_changes_while_its_message_is_on_the_way(
    w: World, monkeypatch: pytest.MonkeyPatch, happens: str
) -> None:
    """The sender's file was looked at; then, before the append, it gets its thumbnail or goes."""
    a, b = await w.base.people("a", "b")
    group = await w.base.group(a, b)
    file_id = await w.file(a, content_type="image/png")
    append = w.base.timeline.append

    async def late(*args: Any, **options: Any) -> Any:
        for job in w.jobs.take("thumbnail"):
            if happens == "thumbnail":
                await w.cases.thumbnails.make(job)
            else:
                await w.cases.holdings.delete(acting(a), file_id)
        return await append(*args, **options)

    monkeypatch.setattr(w.base.timeline, "append", late)
    before = await w.base.kinds(group)
    if happens == "deletion":
        assert await refusal(w.send(a, group, file_id)) == "NOT_FOUND"
        assert await w.base.kinds(group) == before
        return
    stored = await w.base.timeline.message(await w.send(a, group, file_id))
    assert stored is not None
    assert [one.has_thumbnail for one in stored.attachments] == [True]


async def test_an_edit_replaces_grants(w: World) -> None:
    a, b = await w.base.people("a", "b")
    group = await w.base.group(a, b)
    one, two, gone = await w.file(a), await w.file(a), await w.file(a)
    message_id = await w.send(a, group, one)
    await w.cases.holdings.delete(acting(a), gone)

    def grant(*file_ids: str) -> object:
        def work(tx: WriteTx) -> None:
            w.cases.readers.grant_in(tx, group, message_id, 2, file_ids)

        return w.write(work)

    await grant(two, two)  # type: ignore[misc]
    assert [await w.reads(b, file_id) for file_id in (one, two)] == [False, True]
    assert await refusal(grant(two, gone)) == "NOT_FOUND"
    await grant()  # type: ignore[misc]
    assert not await w.reads(b, two)


async def test_download_urls(w: World) -> None:
    a, b = await w.base.people("a", "b")
    group = await w.base.group(a, b)
    url, urls = w.cases.downloads.url, w.cases.downloads.urls
    photo = await w.file(a, content_type="image/png", file_name="a photo.png")
    secret = await w.file(a, content_type="image/png", is_encrypted=True)
    text = await w.file(a, content_type="text/html", file_name="page.html")
    running = (await w.begin(a)).file.file_id
    assert await refusal(url(acting(b), photo, "original")) == "NOT_FOUND"
    assert await refusal(url(acting(a), photo, "thumbnail")) == "NOT_FOUND"
    for job in w.jobs.take("thumbnail"):
        await w.cases.thumbnails.make(job)
    await w.send(a, group, photo, text)
    file, request = await url(acting(b), photo, "original")
    assert (file.file_id, request.url) == (photo, f"users/{a}/{photo}?image/png&a photo.png")
    _, request = await url(acting(b), photo, "thumbnail")
    assert request.url == f"thumbs/{photo}?image/webp&a photo.webp"
    assert await refusal(url(acting(a), secret, "thumbnail")) == "E2EE_BLOCKED"
    assert await refusal(url(acting(b), secret, "thumbnail")) == "NOT_FOUND"
    assert await refusal(url(acting(b), text, "thumbnail")) == "NOT_FOUND"
    unknown = new_time_id()
    answers = await urls(acting(b), [photo, secret, unknown, running, text], "original")
    assert [file_id for file_id, _ in answers] == [photo, secret, unknown, running, text]
    told = [answer.code.name if isinstance(answer, ApiError) else "url" for _, answer in answers]
    assert told == ["url", "NOT_FOUND", "NOT_FOUND", "NOT_FOUND", "url"]
    assert [
        one.code.name for _, one in await urls(acting(a), [running], "original") if isinstance(one, ApiError)
    ] == ["FILE_NOT_READY"]
    given = [entry.actor_id for entry in w.trail.entries if entry.event == "file_download_url"]
    assert given == [b, b, b, b]
    assert w.audited.count("permission_denied") == w.counts.seen["denied file"] == 2  # secret and running
    entry = next(entry for entry in w.trail.entries if entry.event == "permission_denied")
    assert (entry.result, entry.target_id, dict(entry.details)) == (
        "denied",
        secret,
        {"action": "POST /v1/storage/download-urls", "code": "NOT_FOUND"},
    )
    with pytest.raises(ApiError) as raised:
        await url(acting(b), secret, "original")
    assert raised.value.hidden_file == secret
    w.blobs.down = True
    assert await refusal(url(acting(a), photo, "original")) == "STORAGE_UNAVAILABLE"


async def test_the_files_of_a_conversation(w: World) -> None:
    a, b, c = await w.base.people("a", "b", "c")
    await w.set_quota(a, 100_000)
    group = await w.base.group(a, b)
    listed = w.cases.attached.listed
    assert await refusal(listed(c, group, None, before=None, limit=5)) == "FORBIDDEN"
    assert await refusal(listed(a, new_time_id(), None, before=None, limit=5)) == "NOT_FOUND"
    images = [await w.file(a, content_type="image/png") for _ in range(5)]
    texts = [await w.file(a, content_type="text/plain") for _ in range(3)]
    first = await w.send(a, group, *images[:3], *texts)
    second = await w.send(a, group, *images[3:])
    third = await w.send(a, group, images[0])

    async def walk(content_type: str | None, limit: int) -> list[tuple[str, str]]:
        found, before = [], None
        while True:
            page = await listed(b, group, content_type, before=before, limit=limit)
            found += [(one.message_id, one.file.file_id) for one in page.items]
            if page.after is None:
                return found
            before = (page.after[0], page.after[1])

    every = [(third, images[0])]
    every += [(second, one) for one in sorted(images[3:], reverse=True)]
    every += [(first, one) for one in sorted([*images[:3], *texts], reverse=True)]
    for limit in (1, 2, 100):
        assert await walk(None, limit) == every
        assert await walk("image/", limit) == [one for one in every if one[1] in images]
    assert await walk("image/%", 5) == []  # a prefix, not a pattern
    page = await listed(b, group, None, before=None, limit=1)
    assert (page.items[0].sender_id, page.items[0].sent_at > 0) == (a, True)
    await w.write(lambda tx: w.cases.readers.revoke_in(tx, second))
    await w.cases.holdings.delete(acting(a), images[0])
    await asyncio.gather(*(w.cases.holdings.delete(acting(a), one) for one in texts))
    assert await walk(None, 2) == [(first, one) for one in sorted(images[1:3], reverse=True)]
    assert await w.read(lambda conn: store.messages_with(conn, images[0])) == []
