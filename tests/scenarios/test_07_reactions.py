"""Reactions and pins: scenarios M11, M18 and M22."""

from typing import Any

from tests.scenarios.conftest import Register
from tests.scenarios.steps import NIL, Person, direct, events, group, send, ws

THUMB, HEART = "👍", "❤️"


async def said(person: Person, conversation_id: str, text: str = "before", **fields: Any) -> str:
    """The id of a new message."""
    return str((await send(person, conversation_id, text, **fields)).ok(201)["message_id"])


async def kinds(person: Person, conversation_id: str) -> list[str]:
    return [event["kind"] for event in await events(person, conversation_id)]


async def summary(person: Person, message_id: str) -> list[tuple[str, int, bool, list[str]]]:
    """The reactions of a message, in their order."""
    message = (await person.get(f"/v1/messages/{message_id}")).ok()
    return [(one["emoji"], one["count"], one["me"], one["user_ids"]) for one in message["reactions"]]


async def test_m11_reactions(reg: Register) -> None:
    """One emoji each, several per member; counts, owners and order are right, over HTTP and sockets."""
    a, b, c, d = await reg("a", "b", "c", "d")
    g = (await group(a, [b, c]))["conversation_id"]
    m = await said(a, g)
    path = f"/v1/messages/{m}/react"
    async with ws(a) as chat:
        first = (await b.post(path, {"emoji": THUMB})).ok(201)["reactions"]
        assert first == [{"emoji": THUMB, "count": 1, "me": True, "user_ids": [b.user_id]}]
        assert (await b.post(path, {"emoji": THUMB})).ok(200)["reactions"] == first
        (await b.post(path, {"emoji": HEART})).ok(201)
        for bad in ("abc", THUMB * 2, "", "a", "1", "🇩", "\ufe0f", "👍 ", "x" * 65, "🏴" + "\U000e0061" * 20):
            refused = await b.post(path, {"emoji": bad})
            refused.is_error(400, "VALIDATION_ERROR")
            assert refused.fields == ["emoji"]
        (await c.post(path, {"emoji": THUMB})).ok(201)
        frame = await chat.frame(type="event", kind="reaction_added", actor_id=c.user_id)
        assert frame["data"] == {
            "message_id": m,
            "target_seq": 2,
            "user_id": c.user_id,
            "emoji": THUMB,
            "reactions": [
                {"emoji": THUMB, "count": 2, "user_ids": [b.user_id, c.user_id]},
                {"emoji": HEART, "count": 1, "user_ids": [b.user_id]},
            ],
        }
        assert await summary(c, m) == [
            (THUMB, 2, True, [b.user_id, c.user_id]),
            (HEART, 1, False, [b.user_id]),
        ]
        (await b.delete(path, params={"emoji": THUMB})).ok()
        await chat.frame(type="event", kind="reaction_removed", actor_id=b.user_id)
        (await b.delete(path, {"emoji": THUMB})).is_error(404, "NOT_FOUND")
        (await b.delete(path)).is_error(400, "VALIDATION_ERROR")
        assert await summary(b, m) == [(HEART, 1, True, [b.user_id]), (THUMB, 1, False, [c.user_id])]
        for one in ("🇩🇪", "👍🏽", "👨‍👩‍👧‍👦", "1️⃣", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "🧑🏽‍❤️‍💋‍🧑🏿", "❤", "☕"):
            (await a.post(path, {"emoji": one})).ok(201)
        assert (HEART, 2) in [each[:2] for each in await summary(a, m)], "with or without a selector"
        ack = await chat.command("reaction_add", message_id=m, emoji="🎉")
        assert (ack["type"], ack["message_id"]) == ("ack", m)
        await chat.frame(type="event", seq=ack["seq"], kind="reaction_added")
        assert (await chat.command("reaction_add", message_id=m, emoji="🎉"))["seq"] is None
        assert (await chat.command("reaction_remove", message_id=m, emoji="🎉"))["seq"] == ack["seq"] + 1
        assert (await chat.command("reaction_remove", message_id=m, emoji="🎉"))["code"] == "NOT_FOUND"
        assert (await chat.command("reaction_add", message_id=m, emoji="x"))["code"] == "VALIDATION_ERROR"
        assert (await chat.command("reaction_add", message_id=NIL, emoji="🎉"))["code"] == "NOT_FOUND"
    who = (await b.get(f"/v1/messages/{m}/reactions")).ok()["reactions"]
    assert [(one["emoji"], one["user"]["user_id"]) for one in who[:2]] == [
        (HEART, b.user_id),
        (THUMB, c.user_id),
    ]
    assert "email" not in who[0]["user"]
    page = (await b.get(f"/v1/messages/{m}/reactions", params={"emoji": "❤", "limit": 1})).ok()
    assert ([one["user"]["user_id"] for one in page["reactions"]], page["has_more"]) == ([b.user_id], True)
    query = {"emoji": HEART, "cursor": page["next_cursor"]}
    page = (await b.get(f"/v1/messages/{m}/reactions", params=query)).ok()
    assert ([one["user"]["user_id"] for one in page["reactions"]], page["has_more"]) == ([a.user_id], False)
    (await b.get(f"/v1/messages/{m}/reactions", params=query | {"emoji": THUMB})).is_error(
        400, "VALIDATION_ERROR"
    )
    for refused in (
        await d.post(path, {"emoji": THUMB}),
        await d.delete(path, {"emoji": THUMB}),
        await d.get(f"/v1/messages/{m}/reactions"),
    ):
        refused.is_error(403, "FORBIDDEN")


FACES = [chr(code) for code in range(0x1F600, 0x1F645)]


async def test_m11_limits_of_reactions(reg: Register) -> None:
    """20 of one user and 50 different ones per message; more are refused, what is there goes on."""
    a, b, c, d = await reg("a", "b", "c", "d")
    g = (await group(a, [b, c, d]))["conversation_id"]
    m = await said(a, g)

    async def react(person: Person, chat: Any, faces: list[str]) -> list[str | None]:
        acks = [await chat.command("reaction_add", message_id=m, emoji=face) for face in faces]
        return [ack.get("code") for ack in acks]

    async with ws(a) as one, ws(b) as two, ws(c) as three, ws(d) as four:
        assert await react(a, one, FACES[:21]) == [None] * 20 + ["LIMIT_REACHED"]
        assert await react(b, two, FACES[20:40]) == [None] * 20
        assert await react(c, three, FACES[40:50]) == [None] * 10
        assert await react(c, three, [FACES[50], FACES[0]]) == ["LIMIT_REACHED", None]
        assert await react(d, four, [FACES[50]]) == ["LIMIT_REACHED"]
        assert (await one.command("reaction_remove", message_id=m, emoji=FACES[1]))["type"] == "ack"
        assert await react(d, four, [FACES[50]]) == [None]
    (await a.post(f"/v1/messages/{m}/react", {"emoji": FACES[51]})).is_error(409, "LIMIT_REACHED")
    counts = [one[:2] for one in await summary(a, m)]
    assert (len(counts), counts[0]) == (50, (FACES[0], 2))


async def test_m18_pins(reg: Register) -> None:
    """Newest pin first; again changes nothing; the edit permission decides; deleted ones cannot be pinned."""
    a, b, d = await reg("a", "b", "d")
    g, other = (await group(a, [b]))["conversation_id"], (await direct(a, b))["conversation_id"]
    pins = f"/v1/conversations/{g}/pins"
    ids = [await said(a, g, str(number)) for number in range(3)]
    elsewhere = await said(a, other)
    async with ws(b) as chat:
        for message_id in (ids[1], ids[0], ids[2]):
            (await b.post(pins, {"message_id": message_id})).ok(201)
        (await a.post(pins, {"message_id": ids[0]})).ok(200)
        frame = await chat.frame(type="event", kind="message_pinned")
        assert frame["data"] == {"message_id": ids[1], "target_seq": 3, "by": b.user_id}
        assert (await kinds(b, g)).count("message_pinned") == 3
        page = (await a.get(f"{pins}?limit=2")).ok()
        assert [one["content"] for one in page["messages"]] == ["2", "0"]
        assert all(one["pinned"] for one in page["messages"])
        page = (await a.get(f"{pins}?limit=2&cursor={page['next_cursor']}")).ok()
        assert ([one["content"] for one in page["messages"]], page["has_more"]) == (["1"], False)
        (await b.delete(f"{pins}/{ids[0]}")).ok()
        (await b.delete(f"{pins}/{ids[0]}")).is_error(404, "NOT_FOUND")
        frame = await chat.frame(type="event", kind="message_unpinned")
        assert frame["data"] == {"message_id": ids[0], "target_seq": 2, "by": b.user_id}
    assert not (await a.get(f"/v1/messages/{ids[0]}")).ok()["pinned"]
    for unknown in (NIL, elsewhere):
        (await a.post(pins, {"message_id": unknown})).is_error(404, "NOT_FOUND")
        (await a.delete(f"{pins}/{unknown}")).is_error(404, "NOT_FOUND")
    (await a.post(pins, {})).is_error(400, "VALIDATION_ERROR")
    for refused in (
        await d.get(pins),
        await d.post(pins, {"message_id": ids[0]}),
        await d.delete(f"{pins}/{ids[1]}"),
    ):
        refused.is_error(403, "FORBIDDEN")
    (await a.put(f"/v1/conversations/{g}/settings", {"edit_permission": "admins"})).ok()
    (await b.post(pins, {"message_id": ids[0]})).is_error(403, "FORBIDDEN")
    (await b.delete(f"{pins}/{ids[1]}")).is_error(403, "FORBIDDEN")
    (await a.delete(f"{pins}/{ids[1]}")).ok()
    (await b.post(f"/v1/conversations/{other}/pins", {"message_id": elsewhere})).ok(201)


async def test_m22_who_may_not_post_reacts(reg: Register) -> None:
    """With post_permission admins a member neither sends nor edits, but reacts, and deletes its own."""
    a, b = await reg("a", "b")
    g = (await group(a, [b]))["conversation_id"]
    m, own = await said(a, g), await said(b, g)
    (await a.put(f"/v1/conversations/{g}/settings", {"post_permission": "admins"})).ok()
    (await send(b, g, "x")).is_error(403, "FORBIDDEN")
    (await b.patch(f"/v1/messages/{own}", {"content": "x"})).is_error(403, "FORBIDDEN")
    (await b.post(f"/v1/messages/{m}/react", {"emoji": THUMB})).ok(201)
    (await b.delete(f"/v1/messages/{own}")).ok()


async def test_m22_across_a_block_nothing_new_is_said(reg: Register) -> None:
    """In a blocked direct conversation: no edit, reaction, pin or deletion of the other's; one's own goes."""
    a, b = await reg("a", "b")
    g = (await direct(a, b))["conversation_id"]
    m, theirs = await said(a, g), await said(b, g)
    (await a.post(f"/v1/messages/{theirs}/react", {"emoji": THUMB})).ok(201)
    (await b.post(f"/v1/users/{a.user_id}/block")).ok(201)
    for refused in (
        await a.patch(f"/v1/messages/{m}", {"content": "x"}),
        await a.post(f"/v1/messages/{theirs}/react", {"emoji": HEART}),
        await a.post(f"/v1/conversations/{g}/pins", {"message_id": m}),
        await a.delete(f"/v1/messages/{theirs}"),
    ):
        refused.is_error(403, "FORBIDDEN")
    (await a.delete(f"/v1/messages/{theirs}/react", params={"emoji": THUMB})).ok()
    (await a.delete(f"/v1/messages/{m}")).ok()
    assert (await kinds(b, g))[-2:] == ["reaction_removed", "message_deleted"]
