"""Conversations: scenarios C1 to C7, C12 and C16 to C18; those about members stand in test_06_members.

C13 is about notifications, and the last part of C16 about files; neither is in this version.
"""

import asyncio
from collections.abc import Awaitable

from tests.scenarios.commands import make_admin
from tests.scenarios.conftest import Register
from tests.scenarios.conversation_steps import add, listed, log, participants, path, say
from tests.scenarios.patience import eventually
from tests.scenarios.server import Server
from tests.scenarios.steps import NIL, Answer, Person, direct, group, send, ws


async def test_c1_a_new_group(reg: Register) -> None:
    """A makes a group with B and C: roles, defaults, and all three see it."""
    a, b, c = await reg("a", "b", "c")
    g = await group(a, [b, c])
    assert (g["type"], g["title"], g["name"], g["owner_id"]) == ("group", "G", "G", a.user_id)
    assert (g["settings"]["is_e2ee_enabled"], g["member_count"]) == (False, 3)
    assert g["last_seq"] >= 1
    assert g["last_message"] is None
    assert (g["my"]["role"], g["my"]["unread_count"], g["my"]["muted_until"]) == ("admin", 0, None)
    answer = await b.get(path(g, "/participants"))
    people = {one["user_id"]: one for one in answer.ok()["participants"]}
    assert {key: (one["role"], one["is_owner"]) for key, one in people.items()} == {
        a.user_id: ("admin", True),
        b.user_id: ("member", False),
        c.user_id: ("member", False),
    }
    assert people[a.user_id]["display_name"] == "User a"
    assert b"@" not in answer.raw
    for person in (a, b, c):
        assert await listed(person) == [g["conversation_id"]]
    (first,) = await log(c, g)
    assert (first["kind"], first["seq"], sorted(first["data"]["members"])) == (
        "conversation_created",
        1,
        sorted((a.user_id, b.user_id, c.user_id)),
    )


async def test_c2_one_direct_conversation_per_pair(reg: Register) -> None:
    """A and B make theirs again and again, at the same time: one conversation, made once."""
    a, b = await reg("a", "b")

    async def make(one: Person, other: Person) -> Answer:
        ids = [one.user_id, other.user_id]
        return await one.post("/v1/conversations", {"type": "direct", "participant_ids": ids})

    answers = [await make(a, b), await make(a, b)]
    answers += await asyncio.gather(*(make(b, a) for _ in range(10)))
    assert [answer.status for answer in answers] == [201] + [200] * 11
    assert len({answer.data["conversation_id"] for answer in answers}) == 1
    d = answers[-1].data
    assert (d["type"], d["owner_id"], d["title"], d["name"]) == ("direct", None, None, "User a")
    assert {one["role"] for one in (await participants(a, d)).values()} == {"admin"}
    c, e = await reg("c", "e")
    fresh = await asyncio.gather(*(make(c, e) if number % 2 else make(e, c) for number in range(10)))
    assert sorted(answer.status for answer in fresh) == [200] * 9 + [201]
    assert len({answer.data["conversation_id"] for answer in fresh}) == 1


async def test_c3_what_cannot_be_made(reg: Register) -> None:
    """Bad types, counts and ids are refused, and nothing is created."""
    a, b, c = await reg("a", "b", "c")
    everybody = [a.user_id, b.user_id, c.user_id]
    for body in (
        {"type": "x", "participant_ids": everybody},
        {"participant_ids": everybody},
        {"type": "direct", "participant_ids": everybody},
        {"type": "direct", "participant_ids": [a.user_id]},
        {"type": "group", "participant_ids": [a.user_id, a.user_id]},
        {"type": "group", "participant_ids": [b.user_id, "zz"]},
        {"type": "group", "participant_ids": []},
        {"type": "group", "participant_ids": everybody, "title": "x" * 201},
        {"type": "group", "participant_ids": everybody, "settings": {"message_ttl_seconds": 3}},
    ):
        answer = await a.post("/v1/conversations", body)
        answer.is_error(400, "VALIDATION_ERROR")
        assert answer.fields
    for type_, ids in (("group", [b.user_id, NIL]), ("direct", [NIL])):
        answer = await a.post("/v1/conversations", {"type": type_, "participant_ids": ids})
        answer.is_error(404, "NOT_FOUND")
    assert await listed(a) == await listed(b) == []


async def test_c4_the_creator_is_included(reg: Register) -> None:
    """participant_ids need not name the creator."""
    a, b = await reg("a", "b")
    body = {"type": "group", "participant_ids": [b.user_id], "settings": {"history_visibility": "joined"}}
    g = (await a.post("/v1/conversations", body)).ok(201)
    assert (g["member_count"], g["owner_id"], g["name"]) == (2, a.user_id, "User b")
    assert g["settings"]["history_visibility"] == "joined"
    assert a.user_id in await participants(b, g)


async def test_c5_strangers_are_refused(reg: Register, server: Server) -> None:
    """D reaches nothing of A's group, and every attempt is recorded."""
    a, b, d = await reg("a", "b", "d")
    g = await group(a, [b])
    await say(a, g, "for members")
    key = g["conversation_id"]
    invite = (await a.post(path(g, "/invites"), {})).ok(201)
    attempts: list[Awaitable[Answer]] = [
        d.get(path(g)),
        d.patch(path(g), {"title": "x"}),
        d.put(path(g, "/settings"), {"post_permission": "admins"}),
        d.get(path(g, "/participants")),
        add(d, g, d.user_id),
        add(d, g, NIL),  # whatever else the request names
        d.delete(path(g)),
        d.get(path(g, "/events")),
        d.get(f"/v1/messages?conversation_id={key}"),
        send(d, key, "x"),
        d.post(path(g, "/archive")),
        d.post(path(g, "/unarchive")),
        d.post(path(g, "/mute"), {}),
        d.post(path(g, "/unmute")),
        d.post(path(g, "/read"), {"seq": 1}),
        d.post(path(g, "/leave")),
        d.post(path(g, "/transfer"), {"user_id": d.user_id}),
        d.patch(path(g, f"/participants/{b.user_id}"), {"role": "admin"}),
        d.delete(path(g, f"/participants/{b.user_id}")),
        d.get(path(g, "/invites")),
        d.post(path(g, "/invites"), {}),
        d.delete(path(g, f"/invites/{invite['invite_id']}")),
    ]
    for attempt in attempts:
        answer = await attempt
        answer.is_error(403, "FORBIDDEN")
        assert b"for members" not in answer.raw
    assert [event["kind"] for event in await log(a, g)] == ["conversation_created", "message_created"]
    admin = await make_admin(server)

    async def recorded() -> bool:
        query = f"?action=permission_denied&actor_id={d.user_id}&limit=100"
        records = (await admin.get(f"/v1/admin/audit-logs{query}")).ok()
        return bool(records["total_count"] == len(attempts))

    await eventually(recorded, 2)


async def test_c6_who_edits(reg: Register) -> None:
    """Members edit while they may; nobody edits a direct conversation; one event per change."""
    a, b = await reg("a", "b")
    g = await group(a, [b])
    assert (await b.patch(path(g), {"title": "  By B  "})).ok()["title"] == "By B"
    changed = (await log(a, g))[1:]
    assert [(event["kind"], event["data"]) for event in changed] == [
        ("conversation_updated", {"changed": {"title": "By B"}, "by": b.user_id})
    ]
    (await a.put(path(g, "/settings"), {"edit_permission": "admins"})).ok()
    (await b.patch(path(g), {"title": "x"})).is_error(403, "FORBIDDEN")
    (await a.patch(path(g), {"title": "x\ny"})).is_error(400, "VALIDATION_ERROR")
    assert (await a.patch(path(g), {"title": None, "description": "D"})).ok()["name"] == "User b"
    d = await direct(a, b)
    (await a.patch(path(d), {"title": "x"})).is_error(403, "FORBIDDEN")


async def test_c7_who_sets(reg: Register) -> None:
    """Admins change settings, within bounds."""
    a, b = await reg("a", "b")
    g = await group(a, [b])
    (await b.put(path(g, "/settings"), {"message_retention_days": 7})).is_error(403, "FORBIDDEN")
    settings = (await a.put(path(g, "/settings"), {"message_retention_days": 7})).ok()
    assert settings["message_retention_days"] == 7
    assert (await b.get(path(g))).ok()["settings"] == settings
    for bad in ({"message_retention_days": -1}, {"message_ttl_seconds": 4}, {"post_permission": "x"}):
        answer = await a.put(path(g, "/settings"), bad)
        answer.is_error(400, "VALIDATION_ERROR")
        assert answer.fields == list(bad)
    assert (await a.put(path(g, "/settings"), {"is_e2ee_enabled": True})).ok()["is_e2ee_enabled"] is True
    (await a.put(path(g, "/settings"), {"is_e2ee_enabled": True})).ok()
    kinds = [event["kind"] for event in await log(b, g)]
    assert kinds == ["conversation_created", "conversation_updated", "e2ee_mode_changed"]


async def test_c12_archive(reg: Register) -> None:
    """An archived conversation is out of the list until somebody writes, unless it is muted."""
    a, b = await reg("a", "b")
    g = await group(a, [b])
    key = g["conversation_id"]
    async with ws(a) as device:
        assert (await a.post(path(g, "/archive"))).ok()["archived"] is True
        told = await device.frame(type="my_state", conversation_id=key)
        assert told["my"]["archived"] is True
    assert (await listed(a), await listed(a, "&archived=true")) == ([], [key])
    await say(b, g, "hello")
    assert (await listed(a), await listed(a, "&archived=true")) == ([key], [])
    assert (await a.post(path(g, "/mute"), {})).ok()["muted_until"] == "9999-12-31T00:00:00.000Z"
    (await a.post(path(g, "/archive"))).ok()
    await say(b, g, "anybody there?")
    assert await listed(a) == []
    assert (await a.post(path(g, "/unmute"))).ok()["muted_until"] is None
    await say(b, g, "hello again")
    assert await listed(a) == [key]
    assert (await a.get(path(g))).ok()["my"]["unread_count"] == 3


async def test_c16_deleting_a_group(reg: Register) -> None:
    """Only the owner deletes; then the group is gone for everybody, on open sockets too."""
    a, b, c = await reg("a", "b", "c")
    g = await group(a, [b, c])
    key = g["conversation_id"]
    message = (await send(a, key, "soon gone")).ok(201)
    (await b.delete(path(g))).is_error(403, "FORBIDDEN")
    async with ws(a) as one, ws(b) as other:
        (await a.delete(path(g))).ok()
        for device in (one, other):
            await device.frame(type="conversation_removed", conversation_id=key, reason="deleted")
    for person in (a, b, c):
        (await person.get(path(g))).is_error(404, "NOT_FOUND")
        (await person.get(path(g, "/events"))).is_error(404, "NOT_FOUND")
        (await send(person, key, "x")).is_error(404, "NOT_FOUND")
        assert await listed(person) == []
    (await a.get(f"/v1/messages?conversation_id={key}")).is_error(404, "NOT_FOUND")
    answer = await a.get(f"/v1/messages/{message['message_id']}")
    assert b"soon gone" not in answer.raw
    answer.is_error(404, "NOT_FOUND")
    (await a.delete(path(g))).is_error(404, "NOT_FOUND")


async def test_c17_clearing_a_direct_conversation(reg: Register) -> None:
    """A deletes it for itself: B notices nothing, and the next message brings it back without its past."""
    a, b = await reg("a", "b")
    d = await direct(a, b)
    key = d["conversation_id"]
    old = (await send(b, key, "old")).ok(201)
    (await a.delete(path(d))).ok()
    assert (await listed(a), await listed(b)) == ([], [key])
    assert [event["kind"] for event in await log(b, d)] == ["conversation_created", "message_created"]
    new = await say(b, d, "new")
    assert await listed(a) == [key]
    mine = (await a.get(path(d))).ok()
    assert (mine["last_message"]["content"], mine["my"]["unread_count"]) == ("new", 1)
    assert [event["seq"] for event in await log(a, d)] == [new]
    messages = (await a.get(f"/v1/messages?conversation_id={key}")).ok()["messages"]
    assert [message["content"] for message in messages] == ["new"]
    (await a.get(f"/v1/messages/{old['message_id']}")).is_error(403, "FORBIDDEN")
    theirs = (await b.get(f"/v1/messages?conversation_id={key}")).ok()["messages"]
    assert [message["content"] for message in theirs] == ["new", "old"]


async def test_c18_history_begins_with_joining(reg: Register) -> None:
    """With history_visibility joined a new member reads from its own member_added on."""
    a, b, d = await reg("a", "b", "d")
    g = await group(a, [b], settings={"history_visibility": "joined"})
    for number in range(5):
        await say(a, g, f"before {number}")
    (await add(a, g, d.user_id)).ok()
    seen = await log(d, g)
    assert [(event["kind"], event["data"].get("user_id")) for event in seen] == [("member_added", d.user_id)]
    assert (await d.get(f"/v1/messages?conversation_id={g['conversation_id']}")).ok()["messages"] == []
    mine = (await d.get(path(g))).ok()
    assert (mine["last_message"], mine["my"]["unread_count"]) == (None, 0)
    assert mine["my"]["first_visible_seq"] == mine["my"]["last_read_seq"] == seen[0]["seq"]
    (await d.post(path(g, "/leave"))).ok()
    await say(a, g, "in the gap")
    (await add(a, g, d.user_id)).ok()
    await say(a, g, "after it")
    messages = (await d.get(f"/v1/messages?conversation_id={g['conversation_id']}")).ok()["messages"]
    assert [message["content"] for message in messages] == ["after it"]


async def test_pages_of_the_list(reg: Register) -> None:
    """Cursors and offsets walk the same list; cursors belong to one list, one filter and one caller."""
    a, b = await reg("a", "b")
    made = [(await group(a, [b], title=f"Title {number}"))["conversation_id"] for number in range(5)]
    base = "/v1/conversations?limit=2"
    first = (await a.get(base)).ok()
    assert (first["has_more"], {"limit", "offset"} & set(first)) == (True, set())
    seen, page = [one["conversation_id"] for one in first["conversations"]], first
    while page["next_cursor"]:
        page = (await a.get(f"{base}&cursor={page['next_cursor']}")).ok()
        seen += [one["conversation_id"] for one in page["conversations"]]
    assert seen == made[::-1]
    by_offset = (await a.get(f"{base}&offset=3")).ok()
    assert [one["conversation_id"] for one in by_offset["conversations"]] == seen[3:5]
    assert (by_offset["limit"], by_offset["offset"], by_offset["has_more"]) == (2, 3, False)
    cursor = first["next_cursor"]
    for answer in (
        await b.get(f"{base}&cursor={cursor}"),
        await a.get(f"{base}&cursor={cursor}&type=group"),
        await a.get(f"{base}&cursor={cursor}&q=x"),
        await a.get(f"{base}&cursor=A{cursor}"),
        await a.get(f"/v1/conversations/{made[0]}/participants?cursor={cursor}"),
    ):
        answer.is_error(400, "VALIDATION_ERROR")
        assert answer.fields == ["cursor"]
    for query in ("offset=1&cursor=" + cursor, "limit=0", "limit=101", "archived=x", "type=x", "q="):
        (await a.get(f"/v1/conversations?{query}")).is_error(400, "VALIDATION_ERROR")
    assert await listed(a, "&q=tITLE%203") == [made[3]]
    assert await listed(a, "&q=nothing") == []
    assert await listed(a, "&type=direct") == []
