"""Messages that are edited and deleted: scenarios M8 to M10, and edits of S5 and E1."""

from typing import Any

import pytest

from tests.scenarios.audit import audited
from tests.scenarios.conftest import Register, Serve
from tests.scenarios.patience import eventually
from tests.scenarios.profiles import PROFILE, Profile
from tests.scenarios.steps import NIL, Person, events, group, send, ws

THUMB, HEART = "👍", "❤️"


async def said(person: Person, conversation_id: str, text: str = "before", **fields: Any) -> str:
    """The id of a new message."""
    return str((await send(person, conversation_id, text, **fields)).ok(201)["message_id"])


async def listed(person: Person, conversation_id: str) -> list[Any]:
    return list((await person.get(f"/v1/messages?conversation_id={conversation_id}")).ok()["messages"])


async def kinds(person: Person, conversation_id: str) -> list[str]:
    return [event["kind"] for event in await events(person, conversation_id)]


async def test_m8_a_sender_edits(reg: Register) -> None:
    """The text is new for all, the old one a version, and an event tells; others may not."""
    a, b, d = await reg("a", "b", "d")
    g = (await group(a, [b]))["conversation_id"]
    m = await said(a, g, "before", metadata={"n": 1}, mentions=[b.user_id])
    (await b.post(f"/v1/messages/{m}/react", {"emoji": THUMB})).ok(201)
    path = f"/v1/messages/{m}"
    async with ws(b) as chat:
        edited = (await a.patch(path, {"content": "after", "base_edit_count": 0})).ok()
        assert (edited["content"], edited["edit_count"]) == ("after", 1)
        assert edited["edited_at"].endswith("Z")
        assert (edited["metadata"], edited["mentions"]) == ({"n": "1"}, [b.user_id]), "absent is unchanged"
        assert edited["reactions"] == [{"emoji": THUMB, "count": 1, "me": False, "user_ids": [b.user_id]}]
        frame = await chat.frame(type="event", kind="message_edited")
        assert (frame["actor_id"], frame["data"]["message_id"]) == (a.user_id, m)
        assert frame["data"]["target_seq"] == edited["seq"]
        assert frame["data"]["message"] == edited
    (message,) = await listed(b, g)
    assert (message["content"], message["edited_at"]) == ("after", edited["edited_at"])
    log = await events(b, g)
    assert [event["data"]["message"]["content"] for event in log if "message" in event["data"]] == [
        "after"
    ] * 2
    (version,) = (await b.get(f"{path}/history")).ok()["versions"]
    assert version == {
        "version": 1,
        "content": "before",
        "e2ee": None,
        "metadata": {"n": "1"},
        "edited_at": edited["edited_at"],
    }
    cleared = (await a.patch(path, {"content": "again", "metadata": None, "mentions": None})).ok()
    assert (cleared["metadata"], cleared["mentions"], cleared["edit_count"]) == ({}, [], 2)
    stale = await a.patch(path, {"content": "x", "base_edit_count": 1})
    stale.is_error(409, "CONFLICT")
    assert stale.fields == ["base_edit_count"]
    for who in (b, d):
        (await who.patch(path, {"content": "x"})).is_error(403, "FORBIDDEN")
    (await d.get(f"{path}/history")).is_error(403, "FORBIDDEN")
    (await a.patch(f"/v1/messages/{NIL}", {"content": "x"})).is_error(404, "NOT_FOUND")
    (await a.get(f"/v1/messages/{NIL}/history")).is_error(404, "NOT_FOUND")
    for bad in ({}, {"content": " \n"}, {"content": ""}, {"content": "x" * 10_001}, {"content": "a\x00"}):
        (await a.patch(path, bad)).is_error(400, "VALIDATION_ERROR")
    assert (await a.get(path)).ok()["content"] == "again"
    first = (await b.get(f"{path}/history?limit=1")).ok()
    assert ([one["content"] for one in first["versions"]], first["has_more"]) == (["before"], True)
    rest = (await b.get(f"{path}/history?limit=1&cursor={first['next_cursor']}")).ok()
    assert ([one["content"] for one in rest["versions"]], rest["next_cursor"]) == (["after"], None)
    (await a.get(f"{path}/history?cursor={first['next_cursor']}")).is_error(400, "VALIDATION_ERROR")


async def test_m8_windows_and_limits(reg: Register, serve: Serve) -> None:
    """Too late to edit or delete, too many edits, too many pins: refused, and nothing changes."""
    window = 1 if PROFILE is Profile.EMBEDDED else 4  # seconds; two edits have to fit in
    messaging = {"edit_window": window, "delete_window": window, "max_edits": 2}
    async with serve(messaging=messaging, conversations={"max_pins": 2}) as server:
        a, b = await reg("a", "b", url=server.url)
        g = (await group(a, [b]))["conversation_id"]
        old = await said(b, g)
        fresh = await said(b, g)
        for text in ("1", "2"):
            (await b.patch(f"/v1/messages/{fresh}", {"content": text})).ok()
        (await b.patch(f"/v1/messages/{fresh}", {"content": "3"})).is_error(409, "LIMIT_REACHED")

        async def too_late() -> bool:
            answer = await b.patch(f"/v1/messages/{old}", {"content": "late", "base_edit_count": 7})
            if answer.status == 409:
                return False
            answer.is_error(403, "EDIT_WINDOW_EXPIRED")
            return True

        await eventually(too_late)
        (await b.delete(f"/v1/messages/{old}")).is_error(403, "EDIT_WINDOW_EXPIRED")
        async with ws(b) as chat:
            refused = await chat.command("message_edit", message_id=old, content="late")
            assert refused["code"] == "EDIT_WINDOW_EXPIRED"
        assert (await a.get(f"/v1/messages/{old}")).ok()["content"] == "before"
        (await b.delete(f"/v1/messages/{old}?scope=me")).ok()
        pins = f"/v1/conversations/{g}/pins"
        for message_id in (old, fresh):
            (await a.post(pins, {"message_id": message_id})).ok(201)
        third = await said(a, g)
        (await a.post(pins, {"message_id": third})).is_error(409, "LIMIT_REACHED")
        (await a.delete(f"{pins}/{old}")).ok()
        (await a.post(pins, {"message_id": third})).ok(201)
        # Admins delete whatever its age.
        (await a.delete(f"/v1/messages/{old}")).ok()


async def test_m9_deleting_for_everyone(reg: Register, admin: Person) -> None:
    """Nothing of it is left anywhere, one event tells; members delete their own, admins any, audited."""
    a, b, d = await reg("a", "b", "d")
    g = (await group(a, [b]))["conversation_id"]
    own = await said(a, g, "secret of a", metadata={"k": "secret"}, mentions=[b.user_id])
    answer = await said(b, g, "reply", reply_to_message_id=own)
    (await a.patch(f"/v1/messages/{own}", {"content": "secret still"})).ok()
    (await b.post(f"/v1/messages/{own}/react", {"emoji": THUMB})).ok(201)
    (await a.post(f"/v1/conversations/{g}/pins", {"message_id": own})).ok(201)
    path = f"/v1/messages/{own}"
    (await b.delete(path)).is_error(403, "FORBIDDEN")
    (await d.delete(path)).is_error(403, "FORBIDDEN")
    (await d.delete(f"{path}?scope=me")).is_error(403, "FORBIDDEN")
    (await a.delete(f"/v1/messages/{NIL}")).is_error(404, "NOT_FOUND")
    (await a.delete(f"{path}?scope=x")).is_error(400, "VALIDATION_ERROR")
    async with ws(b) as chat:
        gone = (await a.delete(path)).ok()
        assert gone["message_id"] == own
        assert (await a.delete(path)).ok() == gone
        frame = await chat.frame(type="event", kind="message_deleted")
        assert frame["data"] == {
            "message_id": own,
            "target_seq": 2,
            "deleted_by": a.user_id,
            "reason": "sender",
        }
    assert (await kinds(a, g)).count("message_deleted") == 1
    left = (await b.get(path)).ok()
    assert (left["content"], left["metadata"], left["mentions"], left["reactions"]) == ("", {}, [], [])
    assert (left["deleted_at"], left["deleted_by"], left["delete_reason"]) == (
        gone["deleted_at"],
        a.user_id,
        "sender",
    )
    assert not left["pinned"]
    assert (await b.get(f"{path}/history")).ok()["versions"] == []
    assert (await b.get(f"{path}/reactions")).ok()["reactions"] == []
    assert (await b.get(f"/v1/conversations/{g}/pins")).ok()["messages"] == []
    assert (await b.get(f"/v1/messages/{answer}")).ok()["reply_to"]["preview"] == ""
    for event in await events(b, g):
        assert "secret" not in str(event)
        assert event["kind"] != "reaction_added" or event["data"]["reactions"] == []
    for refused in (
        await a.patch(path, {"content": "back"}),
        await a.post(f"{path}/react", {"emoji": THUMB}),
        await a.delete(f"{path}/react?emoji={THUMB}"),
        await a.post(f"/v1/conversations/{g}/pins", {"message_id": own}),
    ):
        refused.is_error(404, "NOT_FOUND")
    (await a.delete(f"/v1/messages/{answer}")).ok()
    assert (await b.get(f"/v1/messages/{answer}")).ok()["delete_reason"] == "moderator"
    record = await audited(admin, "message_deleted_by_moderator", target_id=answer)
    assert (record["actor_id"], record["target_type"]) == (a.user_id, "message")
    assert record["details"] == {"conversation_id": g}


async def test_m9_deleted_messages_are_not_unread(reg: Register) -> None:
    """What was deleted before it was read counts no more; one definition for all."""
    a, b = await reg("a", "b")
    g = (await group(a, [b]))["conversation_id"]
    first = await said(a, g)
    await said(a, g)
    (await a.delete(f"/v1/messages/{first}")).ok()
    assert (await b.get(f"/v1/conversations/{g}")).ok()["my"]["unread_count"] == 1
    page = (await b.get("/v1/sync")).ok()
    assert [one["unread_count"] for one in page["conversations"] if one["conversation_id"] == g] == [1]


async def test_m10_deleting_for_oneself(reg: Register) -> None:
    """A sees it no more, anywhere, B does; no event, and the log has no gap."""
    a, b = await reg("a", "b")
    g = (await group(a, [b]))["conversation_id"]
    texts = [await said(b, g, text) for text in ("0", "1", "2")]
    answer = await said(b, g, "answer", reply_to_message_id=texts[1])
    (await b.post(f"/v1/messages/{texts[1]}/react", {"emoji": HEART})).ok(201)
    (await a.post(f"/v1/conversations/{g}/pins", {"message_id": texts[1]})).ok(201)
    before = await events(b, g)
    hidden = (await a.delete(f"/v1/messages/{texts[1]}?scope=me")).ok()
    assert (await a.delete(f"/v1/messages/{texts[1]}?scope=me")).ok() == hidden
    assert await events(b, g) == before, "nobody else is told"
    assert [one["content"] for one in await listed(a, g)] == ["answer", "2", "0"]
    assert [one["content"] for one in await listed(b, g)] == ["answer", "2", "1", "0"]
    for gone in (
        await a.get(f"/v1/messages/{texts[1]}"),
        await a.get(f"/v1/messages/{texts[1]}/history"),
        await a.get(f"/v1/messages/{texts[1]}/reactions"),
        await a.get(f"/v1/messages?conversation_id={g}&around={texts[1]}"),
        await a.post(f"/v1/messages/{texts[1]}/react", {"emoji": HEART}),
    ):
        gone.is_error(404, "NOT_FOUND")
    assert (await a.get(f"/v1/messages/{answer}")).ok()["reply_to"]["preview"] == ""
    assert (await b.get(f"/v1/messages/{answer}")).ok()["reply_to"]["preview"] == "1"
    assert (await a.get(f"/v1/conversations/{g}/pins")).ok()["messages"] == []
    assert len((await b.get(f"/v1/conversations/{g}/pins")).ok()["messages"]) == 1
    log = await events(a, g)
    assert [event["seq"] for event in log] == [event["seq"] for event in before]
    (row,) = [event["data"]["message"] for event in log if event["event_id"] == texts[1]]
    assert (row["content"], row["reactions"], row["deleted_at"]) == ("", [], hidden["deleted_at"])
    async with ws(a, resume={g: 0}) as chat:
        await chat.frame(type="event", seq=log[-1]["seq"])
        assert [{k: v for k, v in frame.items() if k != "type"} for frame in chat.events(g)] == log
    around = f"/v1/messages?conversation_id={g}&around={texts[0]}&limit=4"
    assert [one["content"] for one in (await a.get(around)).ok()["messages"]] == ["answer", "2", "0"]
    (await a.delete(f"/v1/messages/{answer}?scope=me")).ok()
    latest = {"a": "2", "b": "answer"}
    for who in (a, b):
        assert (await who.get(f"/v1/conversations/{g}")).ok()["last_message"]["content"] == latest[who.name]
        (one,) = (await who.get("/v1/conversations")).ok()["conversations"]
        assert one["last_message"]["content"] == latest[who.name]
    page = (await a.get(f"/v1/messages?conversation_id={g}&limit=1")).ok()
    assert ([one["content"] for one in page["messages"]], page["has_more"]) == (["2"], True)
    page = (await a.get(f"/v1/messages?conversation_id={g}&limit=1&cursor={page['next_cursor']}")).ok()
    assert ([one["content"] for one in page["messages"]], page["has_more"]) == (["0"], False)


async def test_m8_mentions_follow_an_edit(reg: Register) -> None:
    """Who is mentioned now counts it, who is not any more does not; strangers are left out."""
    a, b, c, d = await reg("a", "b", "c", "d")
    g = (await group(a, [b, c]))["conversation_id"]
    m = await said(a, g, mentions=[b.user_id])

    async def counts() -> list[int]:
        return [(await who.get(f"/v1/conversations/{g}")).ok()["my"]["mention_count"] for who in (b, c)]

    assert await counts() == [1, 0]
    body = {"content": "x", "mentions": [c.user_id, d.user_id]}
    assert (await a.patch(f"/v1/messages/{m}", body)).ok()["mentions"] == [c.user_id]
    assert await counts() == [0, 1]
    both = {"content": "x", "mentions": [b.user_id, c.user_id, a.user_id]}
    assert (await a.patch(f"/v1/messages/{m}", both)).ok()["mentions"] == [b.user_id, c.user_id, a.user_id]
    assert await counts() == [1, 1]
    (await a.delete(f"/v1/messages/{m}")).ok()
    assert await counts() == [0, 0]


async def test_m8_what_a_new_member_may_not_read_it_may_not_change(reg: Register) -> None:
    """Messages from before `joined` history are 403 for whoever came later, on every route."""
    a, b, c = await reg("a", "b", "c")
    settings = {"history_visibility": "joined"}
    g = (await group(a, [b], settings=settings))["conversation_id"]
    m = await said(a, g)
    (await a.post(f"/v1/conversations/{g}/pins", {"message_id": m})).ok(201)
    (await a.post(f"/v1/conversations/{g}/participants", {"user_ids": [c.user_id]})).ok()
    for refused in (
        await c.post(f"/v1/messages/{m}/react", {"emoji": THUMB}),
        await c.delete(f"/v1/messages/{m}?scope=me"),
        await c.get(f"/v1/messages/{m}/history"),
        await c.get(f"/v1/messages/{m}/reactions"),
        await c.delete(f"/v1/conversations/{g}/pins/{m}"),
    ):
        refused.is_error(403, "FORBIDDEN")
    assert (await c.get(f"/v1/conversations/{g}/pins")).ok()["messages"] == []


async def test_s5_changes_over_the_socket(reg: Register) -> None:
    """Acks say what happened; another's message, an unknown one and missing fields are refused."""
    a, b = await reg("a", "b")
    g = (await group(a, [b]))["conversation_id"]
    m, theirs = await said(a, g), await said(b, g)
    async with ws(b) as chat:
        ack = await chat.command(
            "message_edit", message_id=theirs, content="after", seq=1, sender_id=a.user_id
        )
        assert (ack["type"], ack["message_id"], ack["seq"], ack["edit_count"]) == ("ack", theirs, 4, 1)
        frame = await chat.frame(type="event", kind="message_edited")
        assert frame["data"]["message"]["edited_at"] == ack["edited_at"]
        assert (frame["actor_id"], frame["seq"]) == (b.user_id, 4)
        for command, fields, code in (
            ("message_edit", {"message_id": m, "content": "x"}, "FORBIDDEN"),
            ("message_delete", {"message_id": m}, "FORBIDDEN"),
            ("message_edit", {"message_id": NIL, "content": "x"}, "NOT_FOUND"),
            ("message_delete", {"message_id": NIL}, "NOT_FOUND"),
            ("message_edit", {"message_id": theirs}, "VALIDATION_ERROR"),
            ("message_delete", {"message_id": theirs, "scope": "x"}, "VALIDATION_ERROR"),
            ("reaction_add", {"message_id": m}, "VALIDATION_ERROR"),
        ):
            answer = await chat.command(command, **fields)
            assert (answer["type"], answer["code"]) == ("error", code), command
        assert (await chat.command("message_delete", message_id=m, scope="me"))["seq"] is None
        assert (await chat.command("message_delete", message_id=theirs))["seq"] == 5
        assert (await chat.command("message_delete", message_id=theirs))["seq"] is None
        await chat.frame(type="event", kind="message_deleted", seq=5)


async def test_e1_a_plain_edit_is_refused_while_on(reg: Register) -> None:
    """In an encrypted conversation an edit brings its envelope, and a plain message stays as it is."""
    a, b = await reg("a", "b")
    g = (await group(a, [b]))["conversation_id"]
    plain = await said(a, g)
    opaque = await said(a, g, "AAAA", is_encrypted=True, e2ee={"alg": "x"})
    (await a.put(f"/v1/conversations/{g}/settings", {"is_e2ee_enabled": True})).ok()
    for message_id, body in (
        (plain, {"content": "x"}),
        (plain, {"content": "x", "e2ee": {"alg": "x"}}),
        (opaque, {"content": "x"}),
    ):
        (await a.patch(f"/v1/messages/{message_id}", body)).is_error(409, "E2EE_REQUIRED")
    edit = {"content": "\x00BBBB ", "e2ee": {"alg": "x", "kind": "edit"}}
    edited = (await a.patch(f"/v1/messages/{opaque}", edit)).ok()
    assert (edited["content"], edited["is_encrypted"]) == ("\x00BBBB ", True)
    assert edited["e2ee"] == {"alg": "x", "kind": "edit"}
    (version,) = (await b.get(f"/v1/messages/{opaque}/history")).ok()["versions"]
    assert (version["content"], version["e2ee"]) == ("AAAA", {"alg": "x"})
    assert (await kinds(b, g)).count("message_edited") == 1


@pytest.mark.parametrize("change", ["edit", "delete"])
async def test_m8_a_removed_member_changes_nothing(reg: Register, change: str) -> None:
    """Removed, B neither edits nor deletes what it said, and reads nothing of it."""
    a, b = await reg("a", "b")
    g = (await group(a, [b]))["conversation_id"]
    m = await said(b, g)
    (await a.delete(f"/v1/conversations/{g}/participants/{b.user_id}")).ok()
    path = f"/v1/messages/{m}"
    answer = await (b.patch(path, {"content": "x"}) if change == "edit" else b.delete(path))
    answer.is_error(403, "FORBIDDEN")
    (await b.get(f"{path}/history")).is_error(403, "FORBIDDEN")
    assert (await a.get(path)).ok()["content"] == "before"
