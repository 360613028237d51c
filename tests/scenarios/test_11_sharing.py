"""Files of messages: scenarios D8 to D10, and what C16, E1, M9, M16 and M23 say of files."""

from typing import Any

from tests.scenarios.audit import audited
from tests.scenarios.conftest import Register
from tests.scenarios.files import begin, download, fetch, file, picture, quota, store_refuses, thumbnail
from tests.scenarios.patience import eventually
from tests.scenarios.steps import NIL, Person, group, send, ws


async def attach(a: Person, g: str, *file_ids: str, **fields: Any) -> Any:
    """A message that carries files."""
    return (await send(a, g, "look", attachments=list(file_ids), **fields)).ok(201)


async def reads(person: Person, file_id: str) -> bool:
    """Whether the person is given the file; refused exactly like an unknown one otherwise."""
    answer = await download(person, file_id)
    if answer.status == 200:
        return (await fetch(answer.ok()["download_url"])).status == 200
    answer.is_error(404, "NOT_FOUND")
    unknown = await download(person, NIL)
    assert answer.error == unknown.error
    return False


async def test_d8_members_read_while_they_are_members(reg: Register, admin: Person) -> None:
    """Through a live message only: not before, not outside, not after its deletion or one's removal."""
    a, b, c = await reg("a", "b", "c")
    g = (await group(a, [b]))["conversation_id"]
    file_id = await file(a, b"content", "text/plain")
    assert not await reads(b, file_id)
    first = await attach(a, g, file_id)
    assert [one["file_id"] for one in first["attachments"]] == [file_id]
    assert await reads(b, file_id)
    assert not await reads(c, file_id)
    record = await audited(admin, "file_download_url", target_id=file_id, actor_id=b.user_id)
    assert record["details"]["owner"] == a.user_id
    denied = await audited(admin, "permission_denied", target_id=file_id, actor_id=c.user_id)
    assert denied["details"] == {"action": "GET /v1/storage/download-url/{file_id}", "code": "NOT_FOUND"}
    (await a.delete(f"/v1/messages/{first['message_id']}")).ok()
    assert not await reads(b, file_id)
    assert await reads(a, file_id), "the owner keeps it"
    await attach(a, g, file_id)
    assert await reads(b, file_id)
    (await a.delete(f"/v1/conversations/{g}/participants/{b.user_id}")).ok()
    assert not await reads(b, file_id)
    # Who wrote it may leave; the others keep what was sent.
    h = (await group(b, [a, c]))["conversation_id"]
    kept = await file(a, 5)
    await attach(a, h, kept)
    (await a.post(f"/v1/conversations/{h}/leave")).ok()
    assert await reads(c, kept)


async def test_d9_what_may_be_attached(reg: Register, admin: Person) -> None:
    """Own completed files, ten at most."""
    a, b = await reg("a", "b")
    g = (await group(a, [b]))["conversation_id"]
    foreign, mine = await file(b, 5), await file(a, 5)
    deleted = await file(a, 5)
    (await a.delete(f"/v1/storage/files/{deleted}")).ok()
    running = (await begin(a, 5))["file_id"]
    for file_ids, status, code in (
        ([foreign], 404, "NOT_FOUND"),
        ([mine, NIL], 404, "NOT_FOUND"),
        ([running], 409, "FILE_NOT_READY"),
        ([deleted], 404, "NOT_FOUND"),
        ([mine] * 11, 400, "VALIDATION_ERROR"),
    ):
        (await send(a, g, "look", attachments=file_ids)).is_error(status, code)
    denied = await audited(admin, "permission_denied", target_id=foreign, actor_id=a.user_id)
    assert denied["details"] == {"action": "POST /v1/messages", "code": "NOT_FOUND"}
    other = await file(b, 5)
    async with ws(a) as chat:
        answer = await chat.command("message_send", conversation_id=g, content="look", attachments=[other])
        assert (answer["type"], answer["code"]) == ("error", "NOT_FOUND")
    denied = await audited(admin, "permission_denied", target_id=other, actor_id=a.user_id)
    assert denied["details"]["action"] == "socket message_send"
    assert (await a.get(f"/v1/messages?conversation_id={g}")).ok()["messages"] == []
    ten = [await file(a, 5) for _ in range(10)]
    sent = await attach(a, g, *ten)
    assert [one["file_id"] for one in sent["attachments"]] == ten
    only = (await send(a, g, "", attachments=[mine], message_type="file")).ok(201)
    assert only["attachments"] == [
        {
            "file_id": mine,
            "file_name": "f.bin",
            "content_type": "application/octet-stream",
            "file_size": 5,
            "is_encrypted": False,
            "has_thumbnail": False,
            "available": True,
        }
    ]


async def test_d10_deletion_is_for_everybody(reg: Register, admin: Person) -> None:
    """The bytes are gone, also behind old URLs; the message says so; the quota is free."""
    a, b = await reg("a", "b")
    g = (await group(a, [b]))["conversation_id"]
    file_id = await file(a, picture(), "image/png")
    await thumbnail(a, file_id)
    message_id = (await attach(a, g, file_id))["message_id"]
    shown = (await b.get(f"/v1/messages/{message_id}")).ok()["attachments"]
    assert [(one["has_thumbnail"], one["available"]) for one in shown] == [(True, True)]
    urls = [
        (await download(b, file_id, variant)).ok()["download_url"] for variant in ("original", "thumbnail")
    ]
    assert (await quota(a))["used"] > 0
    (await b.delete(f"/v1/storage/files/{file_id}")).is_error(404, "NOT_FOUND")
    (await a.delete(f"/v1/storage/files/{file_id}")).ok()
    for url in urls:
        store_refuses(await fetch(url), 404, "NOT_FOUND")
    for person in (a, b):
        assert not await reads(person, file_id)
    shown = (await b.get(f"/v1/messages/{message_id}")).ok()["attachments"]
    assert [(one["has_thumbnail"], one["available"]) for one in shown] == [(False, False)]
    assert (await quota(a))["used"] == 0
    (await a.delete(f"/v1/storage/files/{file_id}")).is_error(404, "NOT_FOUND")
    assert (await a.get("/v1/storage/files?status=deleted")).ok()["files"][0]["file_id"] == file_id
    await audited(admin, "file_deleted", target_id=file_id, actor_id=a.user_id)


async def test_a_thumbnail_that_comes_later_is_seen_in_the_message(reg: Register) -> None:
    """A picture that is sent right after its upload shows its thumbnail as soon as there is one."""
    a, b = await reg("a", "b")
    g = (await group(a, [b]))["conversation_id"]
    file_id = await file(a, picture(), "image/png")
    async with ws(b) as chat:
        message_id = (await attach(a, g, file_id, message_type="image"))["message_id"]
        event = await chat.frame(type="event", kind="message_created")
        assert event["data"]["message"]["attachments"][0]["file_id"] == file_id
    await thumbnail(b, file_id)

    async def shown() -> bool:
        (one,) = (await b.get(f"/v1/messages/{message_id}")).ok()["attachments"]
        return bool(one["has_thumbnail"])

    await eventually(shown)  # the log may be a moment behind the file


async def test_m16_forwarded_files_are_read_where_they_arrive(reg: Register) -> None:
    """What the sender may read goes along; what is not the sender's stays its owner's."""
    a, b, c = await reg("a", "b", "c")
    g, h = (await group(a, [b]))["conversation_id"], (await group(b, [c]))["conversation_id"]
    file_id = await file(a, 5)
    message_id = (await attach(a, g, file_id))["message_id"]
    assert not await reads(c, file_id)
    body = {"message_id": message_id, "conversation_id": h}
    forwarded = (await b.post("/v1/messages/forward", body)).ok(201)
    assert [one["file_id"] for one in forwarded["attachments"]] == [file_id]
    assert await reads(c, file_id)
    (await send(b, h, "look", attachments=[file_id])).is_error(404, "NOT_FOUND")
    (await b.delete(f"/v1/messages/{forwarded['message_id']}")).ok()
    assert not await reads(c, file_id)


async def test_m8_an_edit_changes_who_reads(reg: Register) -> None:
    """Files that an edit takes away are read no more, those that it brings are."""
    a, b = await reg("a", "b")
    g = (await group(a, [b]))["conversation_id"]
    old, new = await file(a, 5), await file(a, 6)
    message_id = (await attach(a, g, old))["message_id"]
    body = {"content": "look again", "attachments": [new]}
    edited = (await a.patch(f"/v1/messages/{message_id}", body)).ok()
    assert [one["file_id"] for one in edited["attachments"]] == [new]
    assert (await reads(b, old), await reads(b, new)) == (False, True)


async def test_m23_the_files_of_a_conversation(reg: Register) -> None:
    """Of one kind, newest first, for members from where they may read; deleted ones are left out."""
    a, b, d = await reg("a", "b", "d")
    g = (await group(a, [b], settings={"history_visibility": "joined"}))["conversation_id"]
    images = [await file(a, picture(20, 20), "image/png") for _ in range(3)]
    text = await file(b, 5, "text/plain")
    first = await attach(a, g, images[0])
    await attach(b, g, text)
    third = await attach(a, g, *images[1:])
    path = f"/v1/conversations/{g}/files"
    listed = (await b.get(f"{path}?content_type=image/&limit=2")).ok()
    newest = sorted(images[1:], reverse=True)
    assert [one["file"]["file_id"] for one in listed["files"]] == newest
    assert {one["message_id"] for one in listed["files"]} == {third["message_id"]}
    assert {one["sent_at"] for one in listed["files"]} == {third["sent_at"]}
    query = f"content_type=image/&limit=2&cursor={listed['next_cursor']}"
    (last,) = (await b.get(f"{path}?{query}")).ok()["files"]
    assert (last["file"]["file_id"], last["message_id"]) == (images[0], first["message_id"])
    assert last["sender_id"] == a.user_id
    assert len((await b.get(path)).ok()["files"]) == 4
    (await a.get(f"{path}?{query}")).is_error(400, "VALIDATION_ERROR")  # somebody else's cursor
    (await d.get(path)).is_error(403, "FORBIDDEN")
    (await a.delete(f"/v1/storage/files/{images[1]}")).ok()
    (await a.delete(f"/v1/messages/{first['message_id']}")).ok()
    left = (await b.get(f"{path}?content_type=image/")).ok()["files"]
    assert [one["file"]["file_id"] for one in left] == [images[2]]
    (await a.post(f"/v1/conversations/{g}/participants", {"user_ids": [d.user_id]})).ok()
    assert (await d.get(path)).ok()["files"] == []
    assert not await reads(d, images[2]), "what was sent before d came"


async def test_c16_a_deleted_group_takes_its_files_away(reg: Register) -> None:
    """Members read attachments no more; owners keep their files."""
    a, b = await reg("a", "b")
    g = (await group(a, [b]))["conversation_id"]
    file_id = await file(a, 5)
    await attach(a, g, file_id)
    assert await reads(b, file_id)
    (await a.delete(f"/v1/conversations/{g}")).ok()
    assert not await reads(b, file_id)
    assert await reads(a, file_id)
    (await b.get(f"/v1/conversations/{g}/files")).is_error(404, "NOT_FOUND")


async def test_e1_files_are_encrypted_while_the_conversation_is(reg: Register) -> None:
    """A plain file in an encrypted conversation: 409, nothing stored; an encrypted one is carried."""
    a, b = await reg("a", "b")
    g = (await group(a, [b], is_e2ee_enabled=True))["conversation_id"]
    plain, secret = await file(a, 5), await file(a, 5, is_encrypted=True)
    (await send(a, g, "x", is_encrypted=True, attachments=[plain])).is_error(409, "E2EE_REQUIRED")
    assert not await reads(b, plain)
    sent = (await send(a, g, "x", is_encrypted=True, attachments=[secret])).ok(201)
    assert sent["attachments"][0]["is_encrypted"] is True
    assert await reads(b, secret)
