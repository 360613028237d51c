"""Sockets: scenarios S1 to S9 and S20. Every frame that they meet is held against the published document."""

import asyncio
import json
from typing import Any

import pytest
import websockets

from tests.scenarios.conftest import Register, Serve
from tests.scenarios.server import Server
from tests.scenarios.sockets import bearer, chat_url, refused
from tests.scenarios.steps import NIL, Chat, Person, direct, events, group, request, send, ws

VERSION = "secureconnect.v1"


async def ticket(person: Person, **fields: Any) -> str:
    data = (await person.post("/v1/ws/tickets", fields)).ok(201)
    assert data["expires_in"] == 30
    return str(data["ticket"])


async def welcome(person: Person, query: str = "", **options: Any) -> Any:
    """The selected subprotocol after an upgrade with other credentials than those of `ws`."""
    async with websockets.connect(chat_url(person.url, query), compression=None, **options) as connection:
        first = json.loads(await connection.recv())
        assert (first["type"], first["user_id"]) == ("welcome", person.user_id)
        assert (first["session_id"], first["protocol"]) == (person.session_id, VERSION)
        assert (first["ping_interval"], first["idle_timeout"]) == (25, 60)
        assert first["max_frame_bytes"] == 262_144
        return connection.subprotocol


async def test_s1_three_credentials_and_no_other(server: Server, reg: Register) -> None:
    """Header, subprotocol and ticket open a socket; a used or old ticket, a token in the URL and nothing do
    not."""
    a, b = await reg("a", "b")
    assert await welcome(a, **bearer(a)) is None
    assert await welcome(a, subprotocols=[VERSION, f"bearer.{a.access}"]) == VERSION
    once = await ticket(a)
    assert await welcome(a, f"?ticket={once}") is None
    (await refused(a.url, f"?ticket={once}")).is_error(401, "UNAUTHORIZED")

    old = await ticket(b)
    later = "UPDATE one_time_tokens SET expires_at = expires_at - 31000 WHERE user_id = ? AND purpose = ?"
    assert server.tables.change(later, b.user_id, "ws_ticket") == 1, "31 s later"
    (await refused(b.url, f"?ticket={old}")).is_error(401, "UNAUTHORIZED")
    (await refused(a.url, f"?token={a.access}")).is_error(401, "UNAUTHORIZED")
    (await refused(a.url)).is_error(401, "UNAUTHORIZED")


async def test_s1_hostile_credentials(reg: Register) -> None:
    """Two credentials, a forged one, one for another conversation, a bearer without our subprotocol: 401."""
    a, b = await reg("a", "b")
    g, other = [(await group(a, [b]))["conversation_id"] for _ in range(2)]
    for query, options in (
        (f"?ticket={await ticket(a)}", bearer(a)),
        ("", {"additional_headers": {"authorization": f"Bearer {a.access}x"}}),
        ("", {"additional_headers": {"authorization": f"Basic {a.access}"}}),
        ("", {"subprotocols": [f"bearer.{a.access}"]}),
        ("", {"subprotocols": [VERSION]}),
        (f"?ticket={'x' * 43}", {}),
        (f"?ticket={await ticket(a, conversation_id=g)}", {}),
        (f"?ticket={await ticket(a, conversation_id=g)}&conversation_id={other}", {}),
        (f"?ticket={await ticket(a)}&conversation_id={g}", {}),
    ):
        (await refused(a.url, query, **options)).is_error(401, "UNAUTHORIZED")
    bound = await ticket(a, conversation_id=g)
    await welcome(a, f"?ticket={bound}&conversation_id={g}")


async def test_s2_where_and_from_where(reg: Register) -> None:
    """Without an upgrade 426; filters need an id, a conversation and a membership; foreign pages stay out."""
    a, b, c = await reg("a", "b", "c")
    g = (await group(a, [b]))["conversation_id"]
    (await request(a.url, "GET", "/v1/ws/chat")).is_error(426, "UPGRADE_REQUIRED")
    (await refused(a.url, "?conversation_id=x", **bearer(a))).is_error(400, "VALIDATION_ERROR")
    (await refused(a.url, f"?conversation_id={NIL}", **bearer(a))).is_error(404, "NOT_FOUND")
    (await refused(a.url, f"?conversation_id={g}", **bearer(c))).is_error(403, "FORBIDDEN")
    answer = await refused(a.url, origin="https://evil.test", **bearer(a))
    answer.is_error(403, "ORIGIN_NOT_ALLOWED")
    await welcome(a, **bearer(a))
    await welcome(a, origin=a.url, **bearer(a))


async def test_s3_one_event_each(reg: Register) -> None:
    """A message by HTTP and one by socket: everybody gets exactly one event for each, with the same seq."""
    a, b = await reg("a", "b")
    g = (await direct(a, b))["conversation_id"]
    async with ws(a) as mine, ws(b) as theirs:
        message = (await send(a, g, "by HTTP")).ok(201)
        ack = await mine.command("message_send", conversation_id=g, content="by socket")
        assert (ack["type"], ack["status"], ack["duplicate"]) == ("ack", 201, False)
        assert (ack["conversation_id"], ack["seq"]) == (g, message["seq"] + 1)
        for chat in (mine, theirs):
            await chat.frame(type="event", seq=ack["seq"])
            shown = [(f["seq"], f["kind"], f["data"]["message"]["message_id"]) for f in chat.events(g)]
            assert shown == [
                (message["seq"], "message_created", message["message_id"]),
                (ack["seq"], "message_created", ack["message_id"]),
            ]
            for frame in chat.events(g):
                assert (frame["conversation_id"], frame["actor_id"]) == (g, a.user_id)
                assert frame["sent_at"] == frame["data"]["message"]["sent_at"]
        assert theirs.events(g)[0]["data"]["message"]["content"] == "by HTTP"
    assert len(theirs.events(g)) == len(mine.events(g)) == 2


async def test_s4_a_repeat_is_the_first_result(reg: Register) -> None:
    """The same client_message_id: status 200, duplicate, and nothing new for anybody."""
    a, b = await reg("a", "b")
    g = (await direct(a, b))["conversation_id"]
    async with ws(a) as mine, ws(b) as theirs:
        once = {"conversation_id": g, "content": "hi", "client_message_id": "k"}
        first = await mine.command("message_send", **once)
        again = await mine.command("message_send", **once)
        same = ("message_id", "conversation_id", "seq", "sent_at")
        assert [again[name] for name in same] == [first[name] for name in same]
        assert (first["status"], first["duplicate"]) == (201, False)
        assert (again["status"], again["duplicate"]) == (200, True)
        last = await mine.command("message_send", conversation_id=g, content="marker")
        assert last["seq"] == first["seq"] + 1
        for chat in (mine, theirs):
            await chat.frame(type="event", seq=last["seq"])
            assert [frame["seq"] for frame in chat.events(g)] == [first["seq"], last["seq"]]


async def test_s5_wrong_commands_change_nothing(reg: Register) -> None:
    """Unknown, unreadable, incomplete, foreign and forged ones; the socket stays open."""
    a, b, c = await reg("a", "b", "c")
    g, foreign = (await direct(a, b))["conversation_id"], (await group(b, [c]))["conversation_id"]
    async with ws(a) as mine, ws(b) as theirs:

        async def error(type_: str, **fields: Any) -> Any:
            answer = await mine.command(type_, **fields)
            assert answer["type"] == "error", answer
            return answer

        assert (await error("no_such_command"))["code"] == "UNKNOWN_COMMAND"
        await mine.raw("{not json")
        assert (await mine.frame(type="error", code="VALIDATION_ERROR")).get("ref") is None
        incomplete = await error("message_send", conversation_id=g)
        assert (incomplete["code"], incomplete["details"][0]["field"]) == ("VALIDATION_ERROR", "content")
        for type_, fields in (
            ("message_send", {"content": "let me in"}),
            ("typing", {"is_typing": True}),
            ("read", {"seq": 1}),
            ("delivered", {"seq": 1}),
        ):
            assert (await error(type_, conversation_id=foreign, **fields))["code"] == "FORBIDDEN"
            assert (await error(type_, conversation_id=NIL, **fields))["code"] == "NOT_FOUND"
        forged = await mine.command(
            "message_send",
            conversation_id=g,
            content="forged",
            sender_id=b.user_id,
            seq=99,
            sent_at="2001-01-01T00:00:00.000Z",
            message_id=NIL,
        )
        assert forged["type"] == "ack"
        event = await theirs.frame(type="event", conversation_id=g, seq=forged["seq"])
        message = event["data"]["message"]
        assert (message["sender_id"], event["actor_id"]) == (a.user_id, a.user_id)
        assert message["seq"] == forged["seq"] == (await events(b, g))[-1]["seq"] < 99
        assert message["message_id"] == forged["message_id"] != NIL
        assert message["sent_at"] == forged["sent_at"] > "2026"
        assert (await mine.command("ping"))["type"] == "pong"
    assert [event["kind"] for event in await events(b, foreign)] == ["conversation_created"]


async def test_s6_every_command(reg: Register) -> None:
    """Each command of this version once, with valid fields: one ack each, and what others are told."""
    a, b = await reg("a", "b")
    g = (await direct(a, b))["conversation_id"]
    async with ws(a, hello=False) as mine, ws(b) as theirs:

        async def ack(type_: str, **fields: Any) -> Any:
            answer = await mine.command(type_, **fields)
            assert answer["type"] == "ack", answer
            return {name: value for name, value in answer.items() if name not in {"type", "ref"}}

        assert await ack("hello", device_id=NIL) == {"resume": {}}
        assert (await theirs.command("subscribe_presence", user_ids=[a.user_id]))["denied"] == []
        seq = (await send(b, g, "hello")).ok(201)["seq"]
        sent = await ack("message_send", conversation_id=g, content="hi", client_message_id="k")
        assert sent["status"] == 201
        await theirs.frame(type="event", conversation_id=g, seq=sent["seq"], kind="message_created")
        await change(ack, theirs, sent["message_id"], sent["seq"])
        body = {"conversation_id": g, "question": "?", "poll_type": "single", "options": ["1", "2"]}
        poll = (await b.post("/v1/polls", body)).ok(201)
        option_ids = [poll["options"][0]["option_id"]]
        voted = await ack("poll_vote", poll_id=poll["poll_id"], option_ids=option_ids)
        await theirs.frame(type="event", kind="poll_voted", seq=voted["seq"])

        assert (await ack("delivered", conversation_id=g, seq=sent["seq"]))["last_delivered_seq"] >= sent[
            "seq"
        ]
        seq = (await send(b, g, "more")).ok(201)["seq"]
        assert await ack("delivered", conversation_id=g, seq=seq) == {"last_delivered_seq": seq}
        told = await theirs.frame(type="receipt", kind="delivered", seq=seq)
        assert (told["conversation_id"], told["user_id"]) == (g, a.user_id)
        assert await ack("read", conversation_id=g, seq=seq) == {"last_read_seq": seq, "unread_count": 0}
        await theirs.frame(type="receipt", kind="read", seq=seq, user_id=a.user_id)
        assert await ack("typing", conversation_id=g, is_typing=True) == {}
        await theirs.frame(type="typing", conversation_id=g, user_id=a.user_id, is_typing=True)

        assert await ack("presence_set", status="busy", status_text="in a call") == {"status": "busy"}
        told = await theirs.frame(type="presence", user_id=a.user_id, status="busy", timeout=10)
        assert told["status_text"] == "in a call"
        seen = await ack("subscribe_presence", user_ids=[b.user_id])
        assert [one["user_id"] for one in seen["presence"]] == [b.user_id]
        assert await ack("unsubscribe_presence", user_ids=[b.user_id]) == {"presence": [], "denied": []}

        fresh = (await request(a.url, "POST", "/v1/auth/refresh", {"refresh_token": a.refresh})).ok()
        renewed = await ack("token_refresh", access_token=fresh["access_token"])
        assert renewed["token_expires_at"] >= mine.seen[0]["token_expires_at"]
        pong = await mine.command("ping", ts=5)
        assert (pong["type"], pong["ts"]) == ("pong", 5)
        refs = [frame["ref"] for frame in mine.seen if "ref" in frame]
        assert len(refs) == len(set(refs)) == len(mine.commands), "one answer each"


async def change(ack: Any, theirs: Chat, message_id: str, seq: int) -> None:
    """The commands that change a message, and the event of each."""
    edited = await ack("message_edit", message_id=message_id, content="hi there", base_edit_count=0)
    assert (edited["message_id"], edited["seq"], edited["edit_count"]) == (message_id, seq + 1, 1)
    for place, (command, fields, kind) in enumerate(
        (
            ("reaction_add", {"emoji": "👍"}, "reaction_added"),
            ("reaction_remove", {"emoji": "👍"}, "reaction_removed"),
            ("message_delete", {}, "message_deleted"),
        ),
        start=seq + 2,
    ):
        assert await ack(command, message_id=message_id, **fields) == {"message_id": message_id, "seq": place}
        told = await theirs.frame(type="event", kind=kind, seq=place)
        assert told["data"]["message_id"] == message_id


async def test_s6_the_document_knows_every_command(server: Server, reg: Register) -> None:
    """The scenario above is complete, but for `push_ack` (N5) these are all commands that are published."""
    document = (await request(server.url, "GET", "/asyncapi.json")).body
    operations = {
        name for name in document["operations"] if not name.startswith("signaling_") and name != "deliver"
    }
    told = {"hello", "message_send", "read", "delivered", "typing", "token_refresh", "ping"}
    told |= {"presence_set", "subscribe_presence", "unsubscribe_presence", "poll_vote", "push_ack"}
    told |= {"call_ringing"}  # V2
    assert operations == told | {"message_edit", "message_delete", "reaction_add", "reaction_remove"}


async def returns(a: Person, b: Person, g: str, count: int) -> tuple[int, list[int]]:
    """B saw everything up to the first number; meanwhile A sent the messages with the other seqs."""
    async with ws(b) as chat:
        last = (await send(a, g, "seen")).ok(201)["seq"]
        await chat.frame(type="event", seq=last)
    return last, [(await send(a, g, f"missed {n}")).ok(201)["seq"] for n in range(count)]


async def live(a: Person, g: str, chat: Chat) -> int:
    """The seq of a new message that the socket got."""
    seq = (await send(a, g, "live")).ok(201)["seq"]
    await chat.frame(type="event", conversation_id=g, seq=seq)
    return int(seq)


async def test_s7_resume_brings_what_was_missed(reg: Register) -> None:
    """30 messages while B was away: exactly those, ascending, once, then live ones."""
    a, b = await reg("a", "b")
    g = (await direct(a, b))["conversation_id"]
    last, missed = await returns(a, b, g, 30)
    async with ws(b, resume={g: last}) as chat:
        answer = await chat.frame(type="ack")
        assert answer["resume"] == {g: {"recovered": True, "last_seq": missed[-1]}}
        seq = await live(a, g, chat)
        assert [frame["seq"] for frame in chat.events(g)] == [*missed, seq] == [*range(last + 1, last + 32)]


async def test_s8_too_much_to_resume(serve: Serve, reg: Register) -> None:
    """[realtime.resume_max_events=10] 30 missed: nothing is replayed; HTTP has the rest; live goes on."""
    async with serve(realtime={"resume_max_events": 10}) as server:
        a, b = await reg("a", "b", url=server.url)
        g = (await direct(a, b))["conversation_id"]
        last, missed = await returns(a, b, g, 30)
        async with ws(b, resume={g: last}) as chat:
            answer = await chat.frame(type="ack")
            assert answer["resume"] == {g: {"recovered": False, "reason": "too_many", "last_seq": missed[-1]}}
            seq = await live(a, g, chat)
            assert [frame["seq"] for frame in chat.events(g)] == [seq] == [missed[-1] + 1]
            assert [event["seq"] for event in await events(b, g, last)] == [*missed, seq]
        async with ws(b, resume={g: seq - 10}) as chat:
            assert (await chat.frame(type="ack"))["resume"] == {g: {"recovered": True, "last_seq": seq}}
            await chat.frame(type="event", seq=seq)
            assert [frame["seq"] for frame in chat.events(g)] == [*range(seq - 9, seq + 1)]


async def test_s9_ahead_of_the_server(reg: Register) -> None:
    """A seq above the head comes from a lost future: not recovered, and live events still come."""
    a, b, c = await reg("a", "b", "c")
    g, foreign = (await direct(a, b))["conversation_id"], (await group(a, [c]))["conversation_id"]
    head = (await send(a, g, "head")).ok(201)["seq"]
    async with ws(b, resume={g: head + 5, foreign: 1, NIL: 0}) as chat:
        removed = {"recovered": False, "reason": "removed", "last_seq": 0}
        assert (await chat.frame(type="ack"))["resume"] == {
            g: {"recovered": False, "reason": "ahead", "last_seq": head},
            foreign: removed,
            NIL: removed,
        }
        assert await live(a, g, chat) == head + 1
        assert [frame["seq"] for frame in chat.events()] == [head + 1]


@pytest.mark.parametrize("first", ["silence", "another command"])
async def test_s20_without_hello(reg: Register, first: str) -> None:
    """A second of silence counts as hello, as does any other command; nothing is lost, hello is too late."""
    a, b = await reg("a", "b")
    g = (await direct(a, b))["conversation_id"]
    async with ws(b, hello=False) as chat:
        started = asyncio.get_running_loop().time()
        seq = (await send(a, g, "early")).ok(201)["seq"]
        if first == "another command":
            assert [frame["type"] for frame in chat.seen] == ["welcome"]
            assert (await chat.command("ping"))["type"] == "pong"
        await chat.frame(type="event", seq=seq)
        if first == "silence":
            assert 0.9 <= asyncio.get_running_loop().time() - started < 3
        late = await chat.command("hello", resume={g: 0})
        assert (late["type"], late["code"]) == ("error", "CONFLICT")
        assert [frame["seq"] for frame in chat.events()] == [seq]
