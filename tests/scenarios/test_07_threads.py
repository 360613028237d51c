"""Replies, threads, mentions, forwards, receipts: scenarios M12, M14, M16, M23, M24."""

from typing import Any

from tests.scenarios.conftest import Register
from tests.scenarios.steps import NIL, Person, direct, events, group, send, ws


async def said(person: Person, conversation_id: str, text: str = "hello", **fields: Any) -> Any:
    return (await send(person, conversation_id, text, **fields)).ok(201)


async def state(person: Person, conversation_id: str) -> Any:
    return (await person.get(f"/v1/conversations/{conversation_id}")).ok()["my"]


async def test_m12_replies_and_threads(reg: Register) -> None:
    """A reply shows what it answers; a thread counts its replies, oldest first; threads have no threads."""
    a, b, d = await reg("a", "b", "d")
    g, other = [(await group(a, [b]))["conversation_id"] for _ in range(2)]
    root = await said(a, g, "root " + "x" * 200)
    foreign = await said(a, other)
    async with ws(a) as chat:
        answer = await said(b, g, "answer", reply_to_message_id=root["message_id"])
        told = await chat.frame(type="event", kind="message_created")
    quote = {"message_id": root["message_id"], "sender_id": a.user_id, "preview": root["content"][:100]}
    assert (answer["reply_to"], told["data"]["message"]["reply_to"]) == (quote, quote)
    assert (await a.get(f"/v1/messages/{answer['message_id']}")).ok()["reply_to"] == quote
    for named in (foreign["message_id"], NIL):
        (await send(b, g, "x", reply_to_message_id=named)).is_error(404, "NOT_FOUND")
        (await send(b, g, "x", thread_root_id=named)).is_error(404, "NOT_FOUND")

    first = await said(b, g, "1", thread_root_id=root["message_id"])
    second = await said(a, g, "2", thread_root_id=root["message_id"])
    again = await send(a, g, "x", thread_root_id=first["message_id"])
    again.is_error(400, "VALIDATION_ERROR")
    assert again.fields == ["thread_root_id"]
    path = f"/v1/messages/{root['message_id']}/thread"
    thread = (await b.get(f"{path}?limit=1")).ok()
    rest = (await b.get(f"{path}?limit=1&cursor={thread['next_cursor']}")).ok()
    assert (thread["root"]["reply_count"], thread["root"]["message_id"]) == (2, root["message_id"])
    assert [one["message_id"] for one in (*thread["messages"], *rest["messages"])] == [
        first["message_id"],
        second["message_id"],
    ]
    assert (thread["has_more"], rest["has_more"], rest["next_cursor"]) == (True, False, None)
    assert thread["participants"] == [a.user_id, b.user_id]
    assert (await b.get(f"/v1/messages/{second['message_id']}/thread")).ok()["root"] == thread["root"]
    (await d.get(path)).is_error(403, "FORBIDDEN")
    (await d.put(path, {"following": True})).is_error(403, "FORBIDDEN")
    (await a.delete(f"/v1/messages/{root['message_id']}")).ok()
    assert (await a.get(f"/v1/messages/{answer['message_id']}")).ok()["reply_to"]["preview"] == ""


async def test_m14_mentions(reg: Register) -> None:
    """Members are counted, others ignored; everybody is for admins, and here for those who are there."""
    a, b, c, d = await reg("a", "b", "c", "d")
    g = (await group(a, [b, c]))["conversation_id"]
    message = await said(a, g, mentions=[b.user_id, d.user_id])
    assert message["mentions"] == [b.user_id]
    assert [(await state(one, g))["mention_count"] for one in (a, b, c)] == [0, 1, 0]
    for fields in ({"mention_all": True}, {"mention_here": True}):
        (await send(b, g, "x", None, **fields)).is_error(403, "FORBIDDEN")
    async with ws(b):
        await said(a, g, "who is here?", mention_here=True)
        assert [(await state(one, g))["mention_count"] for one in (a, b, c)] == [0, 2, 0]
    everybody = await said(a, g, "all of you", mention_all=True)
    assert [(await state(one, g))["mention_count"] for one in (a, b, c)] == [0, 3, 1]
    synced = {one["conversation_id"]: one for one in (await b.get("/v1/sync")).ok()["conversations"]}
    assert synced[g]["mention_count"] == 3
    (await a.delete(f"/v1/messages/{everybody['message_id']}")).ok()
    assert [(await state(one, g))["mention_count"] for one in (b, c)] == [2, 0]
    (await b.post(f"/v1/conversations/{g}/read", {"seq": 10_000})).ok()
    assert (await state(b, g))["mention_count"] == 0


async def test_m16_forwarding(reg: Register) -> None:
    """The text goes along, once per key, marked as forwarded; not where the caller is no member."""
    a, b, d = await reg("a", "b", "d")
    g = (await group(a, [b]))["conversation_id"]
    target, closed = (await group(a, [d]))["conversation_id"], (await group(b, [d]))["conversation_id"]
    source = await said(b, g, "spread this", metadata={"n": 1}, mentions=[a.user_id])
    body = {"message_id": source["message_id"], "conversation_id": target, "client_message_id": "f"}
    carried = (await a.post("/v1/messages/forward", body)).ok(201)
    assert (carried["content"], carried["forwarded"], carried["sender_id"]) == (
        "spread this",
        True,
        a.user_id,
    )
    assert (carried["metadata"], carried["mentions"]) == ({"n": "1"}, [])
    assert (await a.post("/v1/messages/forward", body)).ok(200) == carried
    (await a.post("/v1/messages/forward", {**body, "conversation_id": closed})).is_error(403, "FORBIDDEN")
    (await d.post("/v1/messages/forward", {**body, "conversation_id": closed})).is_error(403, "FORBIDDEN")
    unknown = {**body, "message_id": NIL, "client_message_id": "h"}
    (await a.post("/v1/messages/forward", unknown)).is_error(404, "NOT_FOUND")
    (await b.delete(f"/v1/messages/{source['message_id']}")).ok()
    (await a.post("/v1/messages/forward", {**body, "client_message_id": "g"})).is_error(404, "NOT_FOUND")
    repeated = (await a.post("/v1/messages/forward", body)).ok(200)
    assert repeated == carried, "a repeat gets the first result, whatever became of the source (G10)"
    assert (await d.get(f"/v1/messages/{carried['message_id']}")).ok()["content"] == "spread this"


async def test_e3_forwarding_and_encryption(reg: Register) -> None:
    """What is encrypted is not forwarded, and nothing plain goes where encryption is on."""
    a, b = await reg("a", "b")
    g, sealed = (
        (await group(a, [b]))["conversation_id"],
        (await group(a, [b], is_e2ee_enabled=True))["conversation_id"],
    )
    secret = await said(a, sealed, "AA==", is_encrypted=True)
    plain = await said(a, g)
    out = await a.post("/v1/messages/forward", {"message_id": secret["message_id"], "conversation_id": g})
    out.is_error(403, "E2EE_BLOCKED")
    into = await a.post(
        "/v1/messages/forward", {"message_id": plain["message_id"], "conversation_id": sealed}
    )
    into.is_error(409, "E2EE_REQUIRED")


async def test_m23_who_has_read(reg: Register) -> None:
    """The sender and admins see who read a message and when; other members and strangers do not."""
    a, b, c, d = await reg("a", "b", "c", "d")
    g = (await group(a, [b, c]))["conversation_id"]
    message = await said(a, g)
    (await b.post(f"/v1/conversations/{g}/read", {"seq": message["seq"]})).ok()
    path = f"/v1/messages/{message['message_id']}/receipts"
    receipts = {one["user_id"]: one for one in (await a.get(path)).ok()["receipts"]}
    assert set(receipts) == {b.user_id, c.user_id}
    assert (receipts[b.user_id]["read"], receipts[b.user_id]["delivered"]) == (True, True)
    assert receipts[b.user_id]["read_at"] is not None
    assert (receipts[c.user_id]["read"], receipts[c.user_id]["read_at"]) == (False, None)
    (await b.get(path)).is_error(403, "FORBIDDEN")
    (await d.get(path)).is_error(403, "FORBIDDEN")
    (await b.patch("/v1/users/me", {"privacy": {"send_read_receipts": False}})).ok()
    assert [one["user_id"] for one in (await a.get(path)).ok()["receipts"]] == [c.user_id]
    by_b = await said(b, g)
    assert len((await a.get(f"/v1/messages/{by_b['message_id']}/receipts")).ok()["receipts"]) == 2
    pages = [(await a.get(f"{path}?limit=1")).ok()]
    while pages[-1]["has_more"]:
        pages.append((await a.get(f"{path}?limit=1&cursor={pages[-1]['next_cursor']}")).ok())
    assert [one["user_id"] for page in pages for one in page["receipts"]] == [c.user_id]


async def test_m24_around_and_following(reg: Register) -> None:
    """A message stands in the middle of its page; a follower's own mark counts the replies of the thread."""
    a, b = await reg("a", "b")
    g = (await group(a, [b]))["conversation_id"]
    messages = [await said(a, g, str(number)) for number in range(11)]
    middle = messages[5]["message_id"]
    page = (await b.get(f"/v1/messages?conversation_id={g}&around={middle}&limit=5")).ok()["messages"]
    assert [one["content"] for one in page] == ["7", "6", "5", "4", "3"]

    root = messages[0]["message_id"]
    path = f"/v1/messages/{root}/thread"
    assert (await a.get(path)).ok()["following"] is False
    for text in ("1", "2"):
        await said(b, g, text, thread_root_id=root)
    mine = (await a.get(path)).ok()
    assert (mine["following"], mine["unread_count"]) == (True, 2), "the author of the root follows"
    assert (await b.get(path)).ok()["unread_count"] == 0
    head = len(await events(a, g))
    async with ws(a) as other:
        read = (await a.put(path, {"last_read_seq": head})).ok()
        told = await other.frame(type="thread_state")
    assert read == {"following": True, "last_read_seq": head, "unread_count": 0}
    assert {name: told[name] for name in read} == read
    assert told["message_id"] == root
    back = (await a.put(path, {"last_read_seq": 1, "following": False})).ok()
    assert back == {"following": False, "last_read_seq": head, "unread_count": 0}
    await said(b, g, "3", thread_root_id=root)
    assert (await a.get(path)).ok()["following"] is False, "who stopped following is not made to again"


async def test_blocked_people_do_not_forward_to_each_other(reg: Register) -> None:
    """A forward is a send: a block in a direct conversation refuses it."""
    a, b = await reg("a", "b")
    d = (await direct(a, b))["conversation_id"]
    g = (await group(a, [b]))["conversation_id"]
    source = await said(a, g)
    (await b.post(f"/v1/users/{a.user_id}/block", {})).ok(201)
    body = {"message_id": source["message_id"], "conversation_id": d}
    (await a.post("/v1/messages/forward", body)).is_error(403, "FORBIDDEN")
