"""Files of messages that change: scenarios M8, M9 and E1."""

from typing import Any

from tests.scenarios.conftest import Register
from tests.scenarios.files import begin, download, file
from tests.scenarios.steps import NIL, Person, events, group, send, ws


async def said(person: Person, conversation_id: str, text: str, *files: str, **fields: Any) -> str:
    """The id of a new message with these files."""
    answer = await send(person, conversation_id, text, attachments=list(files), **fields)
    return str(answer.ok(201)["message_id"])


def ids(message: Any) -> list[str]:
    return [attached["file_id"] for attached in message["attachments"]]


async def readable(person: Person, *files: str) -> list[bool]:
    """Whether each file can be read; one that cannot is unknown."""
    answers = [await download(person, one) for one in files]
    assert {answer.status for answer in answers} <= {200, 404}
    return [answer.status == 200 for answer in answers]


async def test_m9_files_of_a_deleted_message(reg: Register) -> None:
    """Its members read them no more, their owner does; another message that carries one still lets them."""
    a, b = await reg("a", "b")
    g = (await group(a, [b]))["conversation_id"]
    one, two = await file(a, b"one"), await file(a, b"two")
    both, other = await said(a, g, "", one, two), await said(a, g, "again", two)
    assert await readable(b, one, two) == [True, True]
    (await a.delete(f"/v1/messages/{both}")).ok()
    assert await readable(b, one, two) == [False, True]
    assert await readable(a, one, two) == [True, True]
    assert (await b.get(f"/v1/messages/{both}")).ok()["attachments"] == []
    assert all(one not in str(event) for event in await events(b, g))
    (await a.delete(f"/v1/messages/{other}")).ok()
    assert await readable(b, two) == [False]


async def test_m8_an_edit_replaces_files(reg: Register) -> None:
    """Given files are those that the message carries then, others can be read no more; absent ones stay."""
    a, b = await reg("a", "b")
    g = (await group(a, [b]))["conversation_id"]
    one, two, three = [await file(a, text.encode()) for text in ("1", "2", "3")]
    foreign, pending = await file(b, b"4"), (await begin(a, 5))["file_id"]
    m = await said(a, g, "files", one, two)
    path = f"/v1/messages/{m}"
    assert ids((await a.patch(path, {"content": "text only"})).ok()) == [one, two]
    async with ws(b) as chat:
        edited = (await a.patch(path, {"content": "", "attachments": [three, two, three]})).ok()
        assert ids(edited) == [three, two]
        frame = await chat.frame(type="event", kind="message_edited")
        assert frame["data"]["message"]["attachments"] == edited["attachments"]
    assert await readable(b, one, two, three) == [False, True, True]
    for wrong, status, code in (
        ([NIL], 404, "NOT_FOUND"),
        ([foreign], 404, "NOT_FOUND"),
        ([pending], 409, "FILE_NOT_READY"),
        ([one] * 2 + [NIL], 404, "NOT_FOUND"),
        (["x"], 400, "VALIDATION_ERROR"),
        ([f"{NIL[:-2]}{number:02}" for number in range(11)], 400, "VALIDATION_ERROR"),
    ):
        (await a.patch(path, {"content": "x", "attachments": wrong})).is_error(status, code)
    (await a.patch(path, {"content": "", "attachments": []})).is_error(400, "VALIDATION_ERROR")
    assert ids((await b.get(path)).ok()) == [three, two], "a refused edit changes nothing"
    # A file that is gone may stay where it was.
    (await a.delete(f"/v1/storage/files/{three}")).ok()
    kept = (await a.patch(path, {"content": "x", "attachments": [three, two]})).ok()
    assert [(one["file_id"], one["available"]) for one in kept["attachments"]] == [
        (three, False),
        (two, True),
    ]
    assert (await a.patch(path, {"content": "x", "attachments": None})).ok()["attachments"] == []
    assert await readable(b, two) == [False]


async def test_e1_an_edit_brings_no_plain_file(reg: Register) -> None:
    """In an encrypted conversation an edited message carries encrypted files only."""
    a, b = await reg("a", "b")
    g = (await group(a, [b], is_e2ee_enabled=True))["conversation_id"]
    plain, sealed = await file(a, b"1"), await file(a, b"2", is_encrypted=True)
    m = await said(a, g, "AAAA", is_encrypted=True)
    edit = {"content": "BBBB", "e2ee": {"alg": "x"}}
    (await a.patch(f"/v1/messages/{m}", edit | {"attachments": [plain]})).is_error(409, "E2EE_REQUIRED")
    assert ids((await a.patch(f"/v1/messages/{m}", edit | {"attachments": [sealed]})).ok()) == [sealed]
