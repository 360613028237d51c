"""Users, friends and blocks: scenarios U1 to U13. Calls are not in this version, nor are stored avatars."""

import asyncio
import json
from typing import Any
from urllib.parse import quote

import pytest

from tests.scenarios.conftest import Register
from tests.scenarios.signaling import initiate
from tests.scenarios.steps import NIL, Answer, Person, direct, events, group, request, send, ws


async def ask(a: Person, b: Person) -> Answer:
    return await a.post(f"/v1/users/{b.user_id}/friend")


async def befriend(a: Person, b: Person) -> None:
    (await ask(a, b)).ok(201)
    (await b.post(f"/v1/users/me/friends/{a.user_id}/accept")).ok()


async def friends(a: Person) -> list[str]:
    data = (await a.get("/v1/users/me/friends")).ok()
    return [user["user_id"] for user in data["friends"]]


async def requests(a: Person, direction: str) -> list[Any]:
    data = (await a.get(f"/v1/users/me/friend-requests?direction={direction}")).ok()
    assert all(one["direction"] == direction and one["status"] == "pending" for one in data["requests"])
    return [one["user"]["user_id"] for one in data["requests"]]


async def seen(viewer: Person, other: Person) -> Any:
    return (await viewer.get(f"/v1/users/{other.user_id}")).ok()


async def found(viewer: Person, text: str) -> list[str]:
    data = (await viewer.get(f"/v1/users/search?q={quote(text)}")).ok()
    return [user["user_id"] for user in data["users"]]


def refused_quietly(answer: Answer) -> None:
    """A 403 that does not say why."""
    answer.is_error(403, "FORBIDDEN")
    assert "block" not in json.dumps(answer.error).lower()


async def test_u1_own_profile(reg: Register) -> None:
    """A changes the display name; empty, too long and script URLs are refused."""
    (a,) = await reg("a")
    (await a.patch("/v1/users/me", {"display_name": "Ann"})).ok()
    assert (await a.get("/v1/users/me")).ok()["display_name"] == "Ann"
    for bad in ({"display_name": ""}, {"display_name": "x" * 101}, {"avatar_url": "javascript:x"}):
        answer = await a.patch("/v1/users/me", bad)
        answer.is_error(400, "VALIDATION_ERROR")
        assert answer.fields == list(bad)
    assert (await a.get("/v1/users/me")).ok()["display_name"] == "Ann"


async def test_u2_others_see_no_email(reg: Register) -> None:
    """B sees A without any e-mail; unknown ids are 404."""
    a, b = await reg("a", "b")
    answer = await b.get(f"/v1/users/{a.user_id}")
    data = answer.ok()
    assert (data["user"]["username"], data["friendship"], data["blocked_by_me"]) == (
        a.username,
        "none",
        False,
    )
    assert b"email" not in answer.raw
    assert a.email.encode() not in answer.raw
    assert not {"role", "privacy"} & set(data["user"])
    (await b.get(f"/v1/users/{NIL}")).is_error(404, "NOT_FOUND")
    (await b.get(f"/v1/users/{NIL}/mutual-friends")).is_error(404, "NOT_FOUND")
    (await b.get("/v1/users/xyz")).is_error(400, "VALIDATION_ERROR")
    (await request(b.url, "GET", f"/v1/users/{a.user_id}")).is_error(401, "UNAUTHORIZED")


async def test_u3_search(reg: Register) -> None:
    """Search finds usernames by prefix; e-mail addresses only of those who allow it."""
    a, b = await reg("a", "b")
    assert a.user_id in await found(b, a.username)
    assert a.user_id in await found(b, a.username.upper())
    (await b.get("/v1/users/search?q=a")).is_error(400, "VALIDATION_ERROR")
    (await b.get("/v1/users/search")).is_error(400, "VALIDATION_ERROR")
    assert await found(b, a.email) == []
    (await a.patch("/v1/users/me", {"privacy": {"discoverable_by_email": True}})).ok()
    assert await found(b, a.email) == [a.user_id]
    assert await found(b, a.email[:-1]) == []
    assert await found(b, "%%") == []


async def test_u3_names_beyond_ascii_are_found_in_either_case(reg: Register) -> None:
    """A display name with capital letters beyond ASCII is found by small ones, word by word."""
    a, b = await reg("a", "b")
    (await a.patch("/v1/users/me", {"display_name": f"Émile Ärger{a.username}"})).ok()
    for typed in ("Ärger", "ärger", "ÄRGER"):
        assert a.user_id in await found(b, typed)
    assert a.user_id in await found(b, "émile")


async def test_u4_asking_and_accepting(reg: Register) -> None:
    """A asks B, who sees it and accepts; A can neither repeat it nor accept it."""
    a, b = await reg("a", "b")
    asked = (await ask(a, b)).ok(201)["friendship"]
    assert (asked["user"]["user_id"], asked["status"], asked["direction"]) == (
        b.user_id,
        "pending",
        "outgoing",
    )
    (await ask(a, b)).is_error(409, "CONFLICT")
    (await a.post(f"/v1/users/me/friends/{b.user_id}/accept")).is_error(404, "NOT_FOUND")
    assert (await requests(b, "incoming"), await requests(a, "outgoing")) == ([a.user_id], [b.user_id])
    assert (await requests(a, "incoming"), await requests(b, "outgoing")) == ([], [])
    assert [(await seen(a, b))["friendship"], (await seen(b, a))["friendship"]] == ["outgoing", "incoming"]
    accepted = (await b.post(f"/v1/users/me/friends/{a.user_id}/accept")).ok()["friendship"]
    assert (accepted["status"], accepted["direction"]) == ("accepted", "mutual")
    assert (await friends(a), await friends(b)) == ([b.user_id], [a.user_id])
    assert (await requests(b, "incoming"), await requests(a, "outgoing")) == ([], [])
    (await b.post(f"/v1/users/me/friends/{a.user_id}/accept")).is_error(404, "NOT_FOUND")
    (await ask(b, a)).is_error(409, "CONFLICT")


async def test_u5_rejecting_and_withdrawing(reg: Register) -> None:
    """A rejected request may be made again; the asker takes it back once."""
    a, b = await reg("a", "b")
    (await ask(a, b)).ok(201)
    (await a.delete(f"/v1/users/me/friends/{b.user_id}/reject")).is_error(404, "NOT_FOUND")
    (await b.delete(f"/v1/users/me/friends/{a.user_id}/reject")).ok()
    (await ask(a, b)).ok(201)
    (await b.delete(f"/v1/users/{a.user_id}/friend")).is_error(404, "NOT_FOUND")
    (await a.delete(f"/v1/users/{b.user_id}/friend")).ok()
    (await a.delete(f"/v1/users/{b.user_id}/friend")).is_error(404, "NOT_FOUND")
    assert await requests(b, "incoming") == []


async def test_u6_asking_back_accepts(reg: Register) -> None:
    """A asks B and B asks A: they are friends."""
    a, b = await reg("a", "b")
    (await ask(a, b)).ok(201)
    assert (await ask(b, a)).ok(200)["friendship"]["status"] == "accepted"
    assert (await friends(a), await friends(b)) == ([b.user_id], [a.user_id])


async def test_u7_nobody_to_ask(reg: Register) -> None:
    """A asks itself, an unknown user, and something that is no id."""
    (a,) = await reg("a")
    (await ask(a, a)).is_error(400, "VALIDATION_ERROR")
    (await a.post(f"/v1/users/{NIL}/friend")).is_error(404, "NOT_FOUND")
    (await a.post("/v1/users/xyz/friend")).is_error(400, "VALIDATION_ERROR")


async def test_u8_ending_a_friendship(reg: Register) -> None:
    """A ends the friendship with B, on both sides and once."""
    a, b = await reg("a", "b")
    await befriend(a, b)
    (await a.delete(f"/v1/users/me/friends/{b.user_id}")).ok()
    (await a.delete(f"/v1/users/me/friends/{b.user_id}")).is_error(404, "NOT_FOUND")
    (await b.delete(f"/v1/users/me/friends/{a.user_id}")).is_error(404, "NOT_FOUND")
    assert (await friends(a), await friends(b)) == ([], [])


async def test_u9_a_block_ends_contact_and_is_not_disclosed(reg: Register) -> None:
    """A blocks B: no friendship, message, group or presence either way, and no word of it."""
    a, b = await reg("a", "b")
    await befriend(a, b)
    d = (await direct(a, b))["conversation_id"]
    (await send(a, d, "before")).ok(201)
    async with ws(a):
        assert (await seen(b, a))["user"]["status"] == "online"
        (await a.post(f"/v1/users/{b.user_id}/block", {"reason": "spam spam"})).ok(201)
        after = await seen(b, a)
        assert (after["user"]["status"], after["user"]["status_text"]) == (None, None)
    assert (after["friendship"], after["blocked_by_me"]) == ("none", False)
    assert (await seen(a, b))["blocked_by_me"] is True
    (await a.post(f"/v1/users/{b.user_id}/block", {"reason": "still spam"})).ok(200)
    (await a.post(f"/v1/users/{a.user_id}/block")).is_error(400, "VALIDATION_ERROR")
    (await a.post(f"/v1/users/{NIL}/block")).is_error(404, "NOT_FOUND")
    (await a.post(f"/v1/users/{b.user_id}/block", {"reason": "no"})).is_error(400, "VALIDATION_ERROR")
    (blocked,) = (await a.get("/v1/users/me/blocked")).ok()["blocked_users"]
    assert (blocked["user"]["user_id"], blocked["reason"]) == (b.user_id, "still spam")
    assert (await b.get("/v1/users/me/blocked")).ok()["blocked_users"] == []
    assert (await friends(a), await friends(b)) == ([], [])
    assert a.user_id not in await found(b, a.username)
    assert b.user_id not in await found(a, b.username)
    refused_quietly(await ask(b, a))
    refused_quietly(await ask(a, b))
    refused_quietly(await send(b, d, "hello?"))
    refused_quietly(await send(a, d, "no"))
    refused_quietly(await initiate(b, d, [a]))
    refused_quietly(await initiate(a, d, [b]))
    members = {"type": "group", "title": "G", "participant_ids": [b.user_id, a.user_id]}
    refused_quietly(await b.post("/v1/conversations", members))
    # What was said stays readable for both, and the direct chat is still found.
    for person in (a, b):
        said = [event["kind"] for event in await events(person, d)]
        assert said[-1] == "message_created"
        assert (await direct(person, b if person is a else a))["conversation_id"] == d


async def test_u10_lifting_a_block_restores_nothing(reg: Register) -> None:
    """A lifts the block: B can write again, and they are still not friends."""
    a, b = await reg("a", "b")
    await befriend(a, b)
    d = (await direct(a, b))["conversation_id"]
    (await a.post(f"/v1/users/{b.user_id}/block")).ok(201)
    (await b.delete(f"/v1/users/{a.user_id}/block")).is_error(404, "NOT_FOUND")
    refused_quietly(await send(b, d, "hello?"))
    (await a.delete(f"/v1/users/{b.user_id}/block")).ok()
    (await a.delete(f"/v1/users/{b.user_id}/block")).is_error(404, "NOT_FOUND")
    (await send(b, d, "hello")).ok(201)
    assert (await friends(a), await friends(b)) == ([], [])
    assert [(await seen(one, two))["friendship"] for one, two in ((a, b), (b, a))] == ["none", "none"]
    (await ask(b, a)).ok(201)


async def test_u11_shared_groups_go_on(reg: Register) -> None:
    """A is in a group with the blocked B: both write, both read."""
    a, b, c = await reg("a", "b", "c")
    g = (await group(c, [a, b]))["conversation_id"]
    (await a.post(f"/v1/users/{b.user_id}/block")).ok(201)
    (await send(a, g, "from a")).ok(201)
    (await send(b, g, "from b")).ok(201)
    for person in (a, b):
        texts = [
            event["data"]["message"]["content"]
            for event in await events(person, g)
            if event["kind"] == "message_created"
        ]
        assert texts == ["from a", "from b"]


async def test_u12_friends_in_common(reg: Register) -> None:
    """A and B have the friend C in common, and only C."""
    a, b, c, d = await reg("a", "b", "c", "d")
    for one, other in ((a, c), (c, b), (a, d)):
        await befriend(one, other)
    data = (await a.get(f"/v1/users/{b.user_id}/mutual-friends")).ok()
    assert [user["user_id"] for user in data["users"]] == [c.user_id]
    assert (data["next_cursor"], data["has_more"]) == (None, False)


async def test_u13_asking_each_other_at_once(reg: Register) -> None:
    """A and B ask each other in parallel, 50 times: always friends, once."""
    a, b = await reg("a", "b")
    for _ in range(50):
        answers = await asyncio.gather(ask(a, b), ask(b, a))
        assert sorted(answer.status for answer in answers) == [200, 201]
        data, other = await asyncio.gather(a.get("/v1/users/me/friends"), requests(b, "incoming"))
        assert [user["user_id"] for user in data.ok()["friends"]] == [b.user_id]
        assert other == []
        (await a.delete(f"/v1/users/me/friends/{b.user_id}")).ok()
    assert await friends(b) == []


@pytest.mark.parametrize("path", ["friends", "blocked"])
async def test_lists_go_on_by_cursor_or_by_offset(reg: Register, path: str) -> None:
    """Pages of friends and blocks; two ways at once, foreign cursors and limits out of range are refused."""
    a, *others = await reg("a", "b", "c", "d")
    for other in others:
        if path == "friends":
            await befriend(a, other)
        else:
            (await a.post(f"/v1/users/{other.user_id}/block")).ok(201)
    items = {"friends": "friends", "blocked": "blocked_users"}[path]
    first = (await a.get(f"/v1/users/me/{path}?limit=2")).ok()
    assert first["has_more"] is True
    assert not {"limit", "offset"} & set(first)
    cursor = first["next_cursor"]
    second = (await a.get(f"/v1/users/me/{path}?limit=2&cursor={cursor}")).ok()
    assert (len(first[items]), len(second[items])) == (2, 1)
    assert (second["next_cursor"], second["has_more"]) == (None, False)
    by_offset = (await a.get(f"/v1/users/me/{path}?limit=2&offset=2")).ok()
    assert (by_offset[items], by_offset["limit"], by_offset["offset"]) == (second[items], 2, 2)
    for query, field in (
        (f"cursor={cursor}&offset=0", "offset"),
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("offset=-1", "offset"),
        ("offset=100001", "offset"),
        ("cursor=", "cursor"),
        (f"cursor={cursor[:-2]}", "cursor"),
    ):
        answer = await a.get(f"/v1/users/me/{path}?{query}")
        answer.is_error(400, "VALIDATION_ERROR")
        assert answer.fields == [field]
    for person, foreign in ((others[0], path), (a, "friend-requests")):
        (await person.get(f"/v1/users/me/{foreign}?cursor={cursor}")).is_error(400, "VALIDATION_ERROR")
