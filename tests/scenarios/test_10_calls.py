"""The life of calls: scenarios V1 to V8, V12 to V18 and V25."""

import asyncio
from typing import Any

from tests.scenarios.audit import audited
from tests.scenarios.conftest import Register, Serve
from tests.scenarios.patience import eventually
from tests.scenarios.pushes import entry, pushed, register_device
from tests.scenarios.server import Server
from tests.scenarios.signaling import call, initiate, join, leave, shown, signal, state
from tests.scenarios.steps import NIL, Person, direct, events, group, ws

_INITIATE = "call capacity limit reached (max 4 participants)"
_JOIN = "call is at full capacity (max 4 participants)"


async def kinds(a: Person, conversation_id: str) -> list[str]:
    """What happened to calls there."""
    found = [event["kind"] for event in await events(a, conversation_id)]
    return [kind for kind in found if kind.startswith("call_")]


async def ended(a: Person, conversation_id: str) -> Any:
    """The data of the one `call_ended`."""
    (event,) = (each for each in await events(a, conversation_id) if each["kind"] == "call_ended")
    return event["data"]


async def joined(a: Person, call_id: str) -> int:
    found = await shown(a, call_id)
    return sum(each["state"] == "joined" for each in found["participants"])


async def test_v1_what_a_call_needs(reg: Register) -> None:
    """Every missing field is named at once."""
    (a,) = await reg("a")
    answer = await a.post("/v1/calls/initiate", {"call_type": "video"})
    answer.is_error(400, "VALIDATION_ERROR")
    assert sorted(answer.fields) == ["callee_ids", "conversation_id"]


async def test_v2_all_devices_ring(server: Server, reg: Register) -> None:
    """Both devices of B ring, with a push and an event."""
    a, b = await reg("a", "b")
    await register_device(b)
    other = await b.login()
    d = (await direct(a, b))["conversation_id"]
    async with ws(a) as mine, ws(b) as first, ws(other) as second:
        begun = (await initiate(a, d, [b])).ok(201)
        call_id = begun["call_id"]
        assert (begun["status"], begun["topology"], begun["max_participants"]) == ("ringing", "mesh", 4)
        assert begun["signaling_path"] == f"/v1/ws/signaling?call_id={call_id}"
        assert begun["ice_servers"] == []
        assert begun["sfu"] is None
        assert state(begun, a)["state"] == "joined"
        assert state(begun, b)["state"] == "invited"
        for chat in (first, second):
            rings = await chat.frame(type="call_incoming")
            assert rings["call"]["call_id"] == call_id
            assert rings["caller"]["user_id"] == a.user_id
            assert rings["ring_expires_at"] == begun["ring_expires_at"]
        assert (await second.command("call_ringing", call_id=call_id))["type"] == "ack"
        assert await mine.frame(type="call_ringing") == {
            "type": "call_ringing",
            "call_id": call_id,
            "user_id": b.user_id,
        }
        assert state(await shown(a, call_id), b)["state"] == "ringing"
    (push,) = await pushed(server, b, kind="call")
    assert push["data"]["call_id"] == call_id
    (started,) = (event for event in await events(b, d) if event["kind"] == "call_started")
    assert started["data"] == {
        "call_id": call_id,
        "call_type": "audio",
        "topology": "mesh",
        "caller_id": a.user_id,
        "invited": [b.user_id],
    }


async def test_v3_the_first_answer_wins(reg: Register) -> None:
    """B answers on one device; the other one takes the call over."""
    a, b = await reg("a", "b")
    other = await b.login()
    d = (await direct(a, b))["conversation_id"]
    async with ws(b) as first, ws(other) as second:
        call_id = await call(a, d, [b])
        answer = (await join(b, call_id)).ok()
        assert answer["call"]["status"] == "active"
        assert answer["call"]["started_at"] is not None
        told = await second.frame(type="call_answered_elsewhere")
        assert told["session_id"] == b.session_id
        async with signal(b, call_id) as old:
            (await join(other, call_id)).is_error(409, "CALL_ANSWERED_ELSEWHERE")
            (await join(b, call_id)).ok()
            (await join(other, call_id, takeover=True)).ok()
            assert await old.close_code() == 4010
        assert [frame["type"] for frame in first.seen].count("call_answered_elsewhere") == 0
        async with signal(other, call_id) as new:
            assert new.seen[0]["reconnected"] is False


async def test_v4_capacity_comes_first(server: Server, reg: Register) -> None:
    """Five in a mesh are refused before anything exists; four ring."""
    a, *others = await reg("a", "b", "c", "d", "e", "f")
    for each in others:
        await register_device(each)
    g = (await group(a, others))["conversation_id"]
    async with ws(others[0]) as chat:
        refused = await initiate(a, g, others[:4])
        refused.is_error(400, "CALL_CAPACITY_REACHED")
        assert refused.error["message"] == _INITIATE
        (await initiate(a, NIL, others[:4])).is_error(400, "CALL_CAPACITY_REACHED")
        assert (await a.get("/v1/calls")).ok()["calls"] == []
        assert await kinds(a, g) == []
        call_id = await call(a, g, others[:3])
        await chat.frame(type="call_incoming")
        assert [f["call"]["call_id"] for f in chat.seen if f["type"] == "call_incoming"] == [call_id]
    for each in others[:3]:
        await pushed(server, each, kind="call")
    await pushed(server, others[3], count=0, kind="call")


async def test_v5_a_full_call(reg: Register) -> None:
    """The fifth waits until somebody leaves."""
    a, b, c, d, e = await reg("a", "b", "c", "d", "e")
    g = (await group(a, [b, c, d, e]))["conversation_id"]
    call_id = await call(a, g, [b, c, d])
    rung = (await a.post(f"/v1/calls/{call_id}/invite", {"user_ids": [e.user_id, b.user_id]})).ok()
    assert rung == {"invited": [e.user_id]}
    for each in (b, c, d):
        (await join(each, call_id)).ok()
    refused = await join(e, call_id)
    refused.is_error(400, "CALL_CAPACITY_REACHED")
    assert refused.error["message"] == _JOIN
    (await leave(d, call_id)).ok()
    (await join(e, call_id)).ok()
    assert await joined(a, call_id) == 4
    (await d.post(f"/v1/calls/{call_id}/invite", {"user_ids": [c.user_id]})).is_error(403, "FORBIDDEN")


async def test_v6_fifty_at_once_never_more_than_four(reg: Register) -> None:
    """Fifty joins of five people in parallel, and ten rounds of coming and going."""
    a, *others = await reg("a", "b", "c", "d", "e", "f")
    g = (await group(a, others))["conversation_id"]
    call_id = await call(a, g, others[:3])
    (await a.post(f"/v1/calls/{call_id}/invite", {"user_ids": [each.user_id for each in others]})).ok()
    answers = await asyncio.gather(*(join(each, call_id) for each in others * 10))
    assert {answer.status for answer in answers} == {200, 400}
    inside = {each.user_id for each, answer in zip(others * 10, answers, strict=True) if answer.status == 200}
    assert len(inside) == 3
    assert await joined(a, call_id) == 4
    for _ in range(5):
        await asyncio.gather(*(leave(each, call_id) for each in others[:2]))
        await asyncio.gather(*(join(each, call_id) for each in others))
        assert await joined(a, call_id) == 4


async def test_v7_strangers(reg: Register, admin: Person) -> None:
    """Who was not called stays out; who is no member sees nothing; both leave a record."""
    a, b, c, d = await reg("a", "b", "c", "d")
    g = (await group(a, [b, c]))["conversation_id"]
    call_id = await call(a, g, [b])
    (await join(c, call_id)).is_error(403, "FORBIDDEN")
    (await c.get(f"/v1/calls/{call_id}")).ok()
    (await d.get(f"/v1/calls/{call_id}")).is_error(403, "FORBIDDEN")
    for action in ("join", "end", "leave", "decline"):
        (await d.post(f"/v1/calls/{call_id}/{action}", {})).is_error(403, "FORBIDDEN")
    (await c.post(f"/v1/calls/{call_id}/end")).is_error(403, "FORBIDDEN")
    await audited(admin, "permission_denied", actor_id=d.user_id)


async def test_v8_unknown_calls(reg: Register) -> None:
    """404 for all that names one."""
    (a,) = await reg("a")
    for action in ("end", "join", "leave", "decline"):
        (await a.post(f"/v1/calls/{NIL}/{action}", {})).is_error(404, "NOT_FOUND")
    (await a.get(f"/v1/calls/{NIL}")).is_error(404, "NOT_FOUND")


async def test_v12_nobody_answers(serve: Serve, reg: Register) -> None:
    """The call is missed, B is told everywhere, and it stands in the history of both."""
    async with serve(calls={"ring_timeout": 3, "reaper_interval": 1}) as server:
        a, b = await reg("a", "b", url=server.url)
        await register_device(b)
        d = (await direct(a, b))["conversation_id"]
        async with ws(b) as chat:
            call_id = await call(a, d, [b])
            cancelled = await chat.frame(type="call_cancelled", timeout=9)
            assert (cancelled["status"], cancelled["end_reason"]) == ("missed", "ring_timeout")
        found = await shown(b, call_id)
        assert (found["status"], found["end_reason"], found["duration"]) == ("missed", "ring_timeout", 0)
        assert state(found, b)["state"] == "missed"
        data = await ended(a, d)
        assert (data["status"], data["participants"]) == ("missed", [a.user_id])
        notice = await entry(b, "call", call_id=call_id)
        assert notice["data"]["conversation_id"] == d
        await pushed(server, b, kind="missed_call")
        (incoming,) = (await b.get("/v1/calls")).ok()["calls"]
        assert (incoming["direction"], incoming["my_state"]) == ("incoming", "missed")


async def test_v13_declining(reg: Register) -> None:
    """The last one who declines ends it; one of two does not."""
    a, b, c = await reg("a", "b", "c")
    g = (await group(a, [b, c]))["conversation_id"]
    async with ws(b) as chat, ws(await b.login()) as other:
        call_id = await call(a, g, [b, c])
        (await b.post(f"/v1/calls/{call_id}/decline", {"reason": "busy"})).ok()
        assert (await shown(a, call_id))["status"] == "ringing"
        told = await other.frame(type="call_answered_elsewhere")
        assert told["session_id"] == b.session_id
        (await a.post(f"/v1/calls/{call_id}/decline", {})).is_error(409, "CONFLICT")
        (await c.post(f"/v1/calls/{call_id}/decline", {})).ok()
        over = await shown(a, call_id)
        assert (over["status"], over["end_reason"]) == ("declined", "declined")
        (await b.post(f"/v1/calls/{call_id}/decline", {})).is_error(409, "CALL_ENDED")
        assert not any(frame["type"] == "call_cancelled" for frame in chat.seen)


async def test_v14_the_caller_gives_up(reg: Register) -> None:
    """Missed, cancelled; too late to join."""
    a, b = await reg("a", "b")
    d = (await direct(a, b))["conversation_id"]
    async with ws(b) as chat:
        call_id = await call(a, d, [b])
        answer = (await a.post(f"/v1/calls/{call_id}/end")).ok()
        assert (answer["status"], answer["duration"]) == ("missed", 0)
        cancelled = await chat.frame(type="call_cancelled")
        assert cancelled["end_reason"] == "cancelled"
    (await join(b, call_id)).is_error(409, "CALL_ENDED")
    (await b.post(f"/v1/calls/{call_id}/end")).is_error(403, "FORBIDDEN")


async def test_v15_ending_twice(reg: Register) -> None:
    """Ten at once: one end, one event, one duration."""
    a, b = await reg("a", "b")
    d = (await direct(a, b))["conversation_id"]
    call_id = await call(a, d, [b])
    (await join(b, call_id)).ok()
    answers = await asyncio.gather(*(each.post(f"/v1/calls/{call_id}/end") for each in [a, b] * 5))
    assert {(answer.ok()["status"], answer.data["duration"]) for answer in answers} == {
        ("ended", answers[0].data["duration"])
    }
    first = await shown(a, call_id)
    (await b.post(f"/v1/calls/{call_id}/end")).ok()
    assert await shown(a, call_id) == first
    assert await kinds(a, d) == ["call_started", "call_ended"]


async def test_v16_leaving(reg: Register) -> None:
    """A direct call ends with either side, a group call with the last."""
    a, b, c = await reg("a", "b", "c")
    d = (await direct(a, b))["conversation_id"]
    call_id = await call(a, d, [b])
    (await join(b, call_id)).ok()
    (await leave(b, call_id)).ok()
    over = await shown(a, call_id)
    assert (over["status"], over["end_reason"]) == ("ended", "hangup")
    (await leave(b, call_id)).ok()
    g = (await group(a, [b, c]))["conversation_id"]
    call_id = await call(a, g, [b, c])
    (await join(b, call_id)).ok()
    (await join(c, call_id)).ok()
    for each, status in ((a, "active"), (b, "active"), (c, "ended")):
        (await leave(each, call_id)).ok()
        assert (await shown(a, call_id))["status"] == status
    assert sorted((await ended(a, g))["participants"]) == sorted(each.user_id for each in (a, b, c))


async def test_v17_one_call_at_a_time(reg: Register) -> None:
    """Ten initiates at once: one call, and its id for the others."""
    a, b = await reg("a", "b")
    d = (await direct(a, b))["conversation_id"]
    answers = await asyncio.gather(*(initiate(*who) for who in [(a, d, [b]), (b, d, [a])] * 5))
    (won,) = (answer for answer in answers if answer.status == 201)
    for answer in answers:
        if answer is not won:
            answer.is_error(409, "CALL_ALREADY_ACTIVE")
            assert answer.error["details"] == [{"field": "call_id", "message": won.data["call_id"]}]
    assert await kinds(a, d) == ["call_started"]


async def test_v18_who_cannot_be_called(reg: Register) -> None:
    """Blocks and privacy look the same; strangers and oneself are no callees."""
    a, b, c, d = await reg("a", "b", "c", "d")
    g = (await group(a, [b, c]))["conversation_id"]
    (await a.post(f"/v1/users/{b.user_id}/block", {})).ok(201)
    blocked = await initiate(a, g, [b])
    blocked.is_error(403, "FORBIDDEN")
    (await initiate(b, g, [a, c])).is_error(403, "FORBIDDEN")
    (await c.patch("/v1/users/me", {"privacy": {"allow_calls_from": "friends"}})).ok()
    private = await initiate(a, g, [c])
    private.is_error(403, "FORBIDDEN")
    assert private.error["message"] == blocked.error["message"]
    assert "block" not in blocked.raw.decode()
    outside = await initiate(a, g, [d])
    outside.is_error(400, "VALIDATION_ERROR")
    assert outside.fields == ["callee_ids"]
    (await initiate(a, g, [a])).is_error(400, "VALIDATION_ERROR")
    (await initiate(a, NIL, [b])).is_error(404, "NOT_FOUND")
    (await initiate(d, g, [a])).is_error(403, "FORBIDDEN")
    assert await kinds(a, g) == []


async def test_v18_who_is_put_out_is_out_of_the_call(reg: Register) -> None:
    """With the membership the invitation ends, and the socket closes."""
    a, b, c = await reg("a", "b", "c")
    g = (await group(a, [b, c]))["conversation_id"]
    call_id = await call(a, g, [b, c])
    async with signal(a, call_id) as mine, signal(b, call_id) as theirs:
        (await a.delete(f"/v1/conversations/{g}/participants/{b.user_id}")).ok()
        assert await theirs.close_code() == 4005
        gone = await mine.frame(type="leave")
        assert (gone["sender_id"], gone["reason"]) == (b.user_id, "removed")
    (await join(b, call_id)).is_error(403, "FORBIDDEN")
    (await b.get(f"/v1/calls/{call_id}")).is_error(403, "FORBIDDEN")


async def test_v18_a_block_ends_the_call_of_the_two(reg: Register) -> None:
    """As hanging up would, and without saying so; a call in a group goes on."""
    a, b, c = await reg("a", "b", "c")
    d = (await direct(a, b))["conversation_id"]
    g = (await group(a, [b, c]))["conversation_id"]
    both, all_three = await call(a, d, [b]), await call(a, g, [b, c])
    (await join(b, all_three)).ok()
    async with signal(a, both) as mine, signal(b, both) as theirs:
        (await b.post(f"/v1/users/{a.user_id}/block", {})).ok(201)
        for socket in (mine, theirs):
            over = await socket.frame(type="call_ended")
            assert (over["status"], over["end_reason"]) == ("ended", "hangup")
            assert await socket.close_code() == 4006
    (await join(b, both)).is_error(409, "CALL_ENDED")
    assert (await shown(a, all_three))["status"] == "active"
    (await a.post(f"/v1/calls/{all_three}/end")).ok()


async def test_v23_the_longest_call(serve: Serve, reg: Register) -> None:
    """`calls.max_duration` ends it."""
    async with serve(calls={"max_duration": 2, "reaper_interval": 0.5}) as server:
        a, b = await reg("a", "b", url=server.url)
        d = (await direct(a, b))["conversation_id"]
        call_id = await call(a, d, [b])
        (await join(b, call_id)).ok()

        async def over() -> bool:
            return bool((await shown(a, call_id))["status"] == "ended")

        await eventually(over)
        found = await shown(a, call_id)
        assert found["end_reason"] == "max_duration"
        assert found["duration"] >= 2


async def test_v25_history_and_rating(reg: Register) -> None:
    """Directions, filters, pages; a rating once the call is over."""
    a, b = await reg("a", "b")
    d = (await direct(a, b))["conversation_id"]
    first = await call(a, d, [b])
    (await join(b, first)).ok()
    (await b.post(f"/v1/calls/{first}/rating", {"rating": 4})).is_error(409, "CONFLICT")
    (await leave(b, first)).ok()
    second = await call(b, d, [a])
    (await b.post(f"/v1/calls/{second}/end")).ok()
    mine = (await a.get("/v1/calls")).ok()["calls"]
    assert [(each["call_id"], each["direction"]) for each in mine] == [
        (second, "incoming"),
        (first, "outgoing"),
    ]
    page = (await a.get("/v1/calls?limit=1")).ok()
    assert page["has_more"] is True
    rest = (await a.get(f"/v1/calls?limit=1&cursor={page['next_cursor']}")).ok()
    assert ([each["call_id"] for each in rest["calls"]], rest["has_more"]) == ([first], False)
    assert len((await a.get("/v1/calls?status=missed&direction=incoming")).ok()["calls"]) == 1
    (await b.post(f"/v1/calls/{first}/rating", {"rating": 6})).is_error(400, "VALIDATION_ERROR")
    (await b.post(f"/v1/calls/{first}/rating", {"rating": 4, "comment": "clear"})).ok()
    (await a.post(f"/v1/calls/{second}/rating", {"rating": 1})).is_error(403, "FORBIDDEN")
