"""Members, roles and invites: scenarios C8 to C11, C14, C15 and C19."""

import asyncio

import pytest

from tests.scenarios.conftest import Register, Serve
from tests.scenarios.conversation_steps import add, listed, log, participants, path, say
from tests.scenarios.steps import NIL, Answer, Person, direct, group, ws


async def test_c8_adding(reg: Register) -> None:
    """Admins add; what is there stays; unknown users, members without permission and pairs are refused."""
    a, b, c, d, e = await reg("a", "b", "c", "d", "e")
    g = await group(a, [b, c])
    first = (await add(a, g, d.user_id)).ok()
    assert (first["added"], first["already_members"]) == ([d.user_id], [])
    again = (await add(a, g, d.user_id)).ok()
    assert (again["added"], again["already_members"]) == ([], [d.user_id])
    (await add(a, g, e.user_id, NIL)).is_error(404, "NOT_FOUND")
    (await add(b, g, e.user_id)).is_error(403, "FORBIDDEN")
    kinds = [event["kind"] for event in await log(d, g)]
    assert kinds == ["conversation_created", "member_added"]
    (await add(a, await direct(a, b), c.user_id)).is_error(409, "CONFLICT")


async def test_c9_removing(reg: Register) -> None:
    """Members remove nobody; who is removed is out on every path, its own removal being the last event."""
    a, b, c = await reg("a", "b", "c")
    g = await group(a, [b, c])
    key = g["conversation_id"]
    (await b.delete(path(g, f"/participants/{c.user_id}"))).is_error(403, "FORBIDDEN")
    async with ws(c) as live:
        (await a.delete(path(g, f"/participants/{c.user_id}"))).ok()
        last = await live.frame(type="event", kind="member_removed", conversation_id=key)
        await live.frame(type="conversation_removed", conversation_id=key, reason="removed")
        await say(a, g, "not for c")
        assert (await live.command("ping"))["type"] == "pong"
        assert live.events(key)[-1] == last
    (await c.get(path(g))).is_error(403, "FORBIDDEN")
    async with ws(c, resume={key: 1}) as again:
        answer = (await again.frame(type="ack"))["resume"][key]
        assert answer == {"recovered": False, "last_seq": 0, "reason": "removed"}
    assert await listed(c) == []


async def test_c10_roles(reg: Register) -> None:
    """Admins make admins; the owner stays one and alone unmakes them."""
    a, b, c = await reg("a", "b", "c")
    g = await group(a, [b, c])

    async def give(one: Person, other: Person, role: str) -> Answer:
        return await one.patch(path(g, f"/participants/{other.user_id}"), {"role": role})

    assert (await give(a, b, "admin")).ok()["role"] == "admin"
    (await b.delete(path(g, f"/participants/{a.user_id}"))).is_error(403, "FORBIDDEN")
    (await give(c, b, "member")).is_error(403, "FORBIDDEN")
    (await give(b, a, "member")).is_error(403, "FORBIDDEN")
    (await give(a, b, "owner")).is_error(400, "VALIDATION_ERROR")
    assert (await give(a, b, "member")).ok()["role"] == "member"
    told = [event["data"] for event in await log(c, g) if event["kind"] == "member_role_changed"]
    assert [(data["user_id"], data["role"], data["by"]) for data in told] == [
        (b.user_id, "admin", a.user_id),
        (b.user_id, "member", a.user_id),
    ]


async def test_c11_leaving(reg: Register) -> None:
    """An owner hands over before leaving; the last one to leave ends the group."""
    a, b, c = await reg("a", "b", "c")
    g = await group(a, [b, c])

    async def leave(one: Person) -> Answer:
        return await one.post(path(g, "/leave"))

    (await leave(a)).is_error(409, "OWNERSHIP_TRANSFER_REQUIRED")
    (await b.post(path(g, "/transfer"), {"user_id": b.user_id})).is_error(403, "FORBIDDEN")
    (await a.post(path(g, "/transfer"), {"user_id": NIL})).is_error(404, "NOT_FOUND")
    assert (await a.post(path(g, "/transfer"), {"user_id": b.user_id})).ok()["owner_id"] == b.user_id
    assert {key: one["role"] for key, one in (await participants(c, g)).items()} == {
        a.user_id: "admin",
        b.user_id: "admin",
        c.user_id: "member",
    }
    for one in (a, c, b):
        (await leave(one)).ok()
    (await b.get(path(g))).is_error(404, "NOT_FOUND")
    pair = await direct(a, b)
    (await a.post(path(pair, "/leave"))).is_error(409, "CONFLICT")


async def test_c14_invites(reg: Register) -> None:
    """A link for one: preview, join, used up; ended; unknown codes."""
    a, b, d, e = await reg("a", "b", "d", "e")
    g = await group(a, [b])
    invite = (await a.post(path(g, "/invites"), {"max_uses": 1})).ok(201)
    code = invite["code"]
    assert (len(code), invite["uses"], invite["max_uses"]) == (22, 0, 1)
    assert invite["url"].endswith(code)
    (await b.post(path(g, "/invites"), {})).is_error(403, "FORBIDDEN")
    preview = await d.get(f"/v1/invites/{code}")
    assert preview.ok() == {
        "conversation_id": g["conversation_id"],
        "title": "G",
        "avatar_url": None,
        "member_count": 2,
        "is_e2ee_enabled": False,
        "already_member": False,
    }
    assert a.user_id.encode() not in preview.raw
    async with ws(d) as device:
        assert (await d.post(f"/v1/invites/{code}/join")).ok()["member_count"] == 3
        await device.frame(type="conversation_added")
        event = await device.frame(type="event", kind="member_added")
        types = [frame["type"] for frame in device.seen if "conversation" in frame or "kind" in frame]
        assert types == ["conversation_added", "event"]
    assert event["data"] == {"user_id": d.user_id, "by": a.user_id, "via": "invite", "role": "member"}
    assert (await d.post(f"/v1/invites/{code}/join")).ok()["last_seq"] == event["seq"]
    (await e.post(f"/v1/invites/{code}/join")).is_error(404, "NOT_FOUND")
    assert (await a.get(path(g, "/invites"))).ok()["invites"] == []
    (await a.delete(path(g, f"/invites/{invite['invite_id']}"))).ok()
    for unknown in ("x" * 22, "x", "x" * 2000):
        (await e.get(f"/v1/invites/{unknown}")).is_error(404, "NOT_FOUND")
        (await e.post(f"/v1/invites/{unknown}/join")).is_error(404, "NOT_FOUND")


async def test_c15_a_removed_member_and_links(reg: Register) -> None:
    """Who was removed does not come back by a link, only through an admin."""
    a, b, d = await reg("a", "b", "d")
    g = await group(a, [b, d])
    code = (await a.post(path(g, "/invites"), {})).ok(201)["code"]
    (await a.delete(path(g, f"/participants/{d.user_id}"))).ok()
    (await d.post(f"/v1/invites/{code}/join")).is_error(403, "FORBIDDEN")
    assert (await add(a, g, d.user_id)).ok()["added"] == [d.user_id]
    assert (await d.post(f"/v1/invites/{code}/join")).ok()["member_count"] == 3


@pytest.mark.parametrize("way", ["add", "join"])
async def test_c19_a_full_group(serve: Serve, reg: Register, way: str) -> None:
    """At the limit nobody comes in; of two who want the last place one gets it."""
    async with serve(conversations={"max_members": 5}) as server:
        a, b, c, d, e, f = await reg("a", "b", "c", "d", "e", "f", url=server.url)
        too_many = [person.user_id for person in (b, c, d, e, f)]
        refused = await a.post("/v1/conversations", {"type": "group", "participant_ids": too_many})
        refused.is_error(409, "LIMIT_REACHED")
        g = await group(a, [b, c, d])
        if way == "add":
            answers = list(await asyncio.gather(add(a, g, e.user_id), add(a, g, f.user_id)))
        else:
            code = (await a.post(path(g, "/invites"), {})).ok(201)["code"]
            joins = (one.post(f"/v1/invites/{code}/join") for one in (e, f))
            answers = list(await asyncio.gather(*joins))
        assert sorted(answer.status for answer in answers) == [200, 409]
        next(answer for answer in answers if answer.status == 409).is_error(409, "LIMIT_REACHED")
        assert len(await participants(b, g)) == 5
        inside = await participants(a, g)
        for one in (e, f):
            if one.user_id not in inside:
                (await add(a, g, one.user_id)).is_error(409, "LIMIT_REACHED")
