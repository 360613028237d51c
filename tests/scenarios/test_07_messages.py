"""Messages and timeline: scenarios M1 to M7, M13, M20 to M22 and M26."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from tests.scenarios.conftest import Register
from tests.scenarios.steps import NIL, Answer, Person, direct, events, group, send, ws

SENT = {"message_id", "seq", "sender_id", "sender_name", "sent_at"}


@contextlib.asynccontextmanager
async def line(person: Person) -> AsyncIterator[httpx.AsyncClient]:
    """One client with kept connections, for scenarios of many requests."""
    headers = {"authorization": f"Bearer {person.access}"}
    async with httpx.AsyncClient(base_url=person.url, headers=headers, timeout=60) as client:
        yield client


def texts(messages: list[Any]) -> list[str]:
    return [message["content"] for message in messages]


async def listed(person: Person, conversation_id: str, query: str = "") -> Any:
    return (await person.get(f"/v1/messages?conversation_id={conversation_id}{query}")).ok()


async def synced(person: Person, conversation_id: str) -> Any:
    page = (await person.get("/v1/sync")).ok()
    return next(one for one in page["conversations"] if one["conversation_id"] == conversation_id)


async def test_m1_a_conversation_must_be_named(reg: Register) -> None:
    """A send and a list without a conversation are refused, naming the field."""
    (a,) = await reg("a")
    for answer in (
        await a.post("/v1/messages", {"content": "x", "message_type": "text"}),
        await a.get("/v1/messages"),
    ):
        answer.is_error(400, "VALIDATION_ERROR")
        assert answer.fields == ["conversation_id"]


async def test_m2_what_a_sends_b_reads(reg: Register) -> None:
    """The same content at the same seq, as message and as event; strangers get nothing."""
    a, b, d = await reg("a", "b", "d")
    g = (await group(a, [b]))["conversation_id"]
    sent = (await send(a, g, "hello")).ok(201)
    assert sent.keys() >= SENT
    assert (sent["sender_id"], sent["sender_name"], sent["seq"]) == (a.user_id, "User a", 2)
    (message,) = (await listed(b, g))["messages"]
    assert message == sent
    event = (await events(b, g))[-1]
    assert (event["kind"], event["seq"], event["data"]["message"]) == ("message_created", 2, sent)
    assert (await b.get(f"/v1/messages/{sent['message_id']}")).ok() == sent
    for answer in (
        await send(d, g, "x"),
        await d.get(f"/v1/messages?conversation_id={g}"),
        await d.get(f"/v1/messages/{sent['message_id']}"),
        await d.get(f"/v1/conversations/{g}/events"),
        await d.post(f"/v1/conversations/{g}/read", {"seq": 1}),
        await d.post("/v1/messages/read", {"conversation_id": g, "last_message_id": sent["message_id"]}),
    ):
        answer.is_error(403, "FORBIDDEN")
    for answer in (
        await send(a, NIL, "x"),
        await a.get(f"/v1/messages?conversation_id={NIL}"),
        await a.get(f"/v1/messages/{NIL}"),
        await a.get(f"/v1/conversations/{NIL}/events"),
        await a.post(f"/v1/conversations/{NIL}/read", {"seq": 1}),
        await a.post("/v1/messages/read", {"conversation_id": g, "last_message_id": NIL}),
    ):
        answer.is_error(404, "NOT_FOUND")
    assert len(await events(b, g)) == 2, "nothing of it was stored"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"content": ""}, "content"),
        ({"content": " \n\t\u00a0"}, "content"),
        ({"content": "x" * 10_001}, "content"),
        ({"message_type": "x"}, "message_type"),
        ({"metadata": {f"k{n}": 1 for n in range(33)}}, "metadata"),
        ({"metadata": {"k": "x" * 1001}}, "metadata"),
        ({"metadata": {"k": "x" * 1000} | {f"k{n}": "x" * 999 for n in range(17)}}, "metadata"),
        ({"metadata": {"k": None}}, "metadata"),
        ({"client_message_id": "a b"}, "client_message_id"),
        ({"client_message_id": "k\n"}, "client_message_id"),
        ({"client_message_id": "k" * 65}, "client_message_id"),
        ({"content": 5}, "content"),
        ({"is_encrypted": "yes"}, "is_encrypted"),
        ({"e2ee": {"alg": "x" * 16_384}}, "e2ee"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
async def test_m3_bad_content_is_refused(reg: Register, fields: dict[str, Any], field: str) -> None:
    """Empty, blank, too long, of a wrong type, or with too much metadata: 400 naming the field."""
    a, b = await reg("a", "b")
    g = (await group(a, [b]))["conversation_id"]
    answer = await a.post("/v1/messages", {"conversation_id": g, "content": "x", **fields})
    answer.is_error(400, "VALIDATION_ERROR")
    assert [name.split(".")[0].split("[")[0] for name in answer.fields] == [field]
    assert len(await events(a, g)) == 1


async def test_m3_good_content_is_stored(reg: Register) -> None:
    """The longest text; metadata values become text."""
    a, b = await reg("a", "b")
    g = (await group(a, [b]))["conversation_id"]
    assert (await send(a, g, "x" * 10_000)).ok(201)["content"] == "x" * 10_000
    metadata = {"n": 5, "f": 0.5, "t": True, "s": "x" * 1000}
    stored = {"n": "5", "f": "0.5", "t": "true", "s": "x" * 1000}
    sent = (await send(a, g, "x", metadata=metadata, unknown={"field": 1})).ok(201)
    assert sent["metadata"] == stored
    assert (await listed(b, g))["messages"][0]["metadata"] == stored


async def test_m4_a_repeat_is_the_first_message(reg: Register) -> None:
    """201, 200, 200 with one id; 20 at once make one message; other content changes nothing."""
    a, b = await reg("a", "b")
    g = (await group(a, [b]))["conversation_id"]
    first = (await send(a, g, "x", "k1")).ok(201)
    assert first["client_message_id"] == "k1"
    assert (await send(a, g, "x", "k1")).ok(200) == first
    assert (await send(a, g, "other", "k1")).ok(200) == first
    answers = await asyncio.gather(*(send(a, g, "y", "k2") for _ in range(20)))
    assert sorted(answer.status for answer in answers) == [200] * 19 + [201]
    assert len({answer.data["message_id"] for answer in answers}) == 1
    assert texts((await listed(b, g))["messages"]) == ["y", "x"]
    assert [one["client_message_id"] for one in (await listed(b, g))["messages"]] == [None, None]
    assert [one["client_message_id"] for one in (await listed(a, g))["messages"]] == ["k2", "k1"]


async def test_m5_a_key_belongs_to_sender_and_conversation(reg: Register) -> None:
    """The same key by somebody else, or elsewhere, is a new message."""
    a, b = await reg("a", "b")
    g, other = (await group(a, [b]))["conversation_id"], (await direct(a, b))["conversation_id"]
    answers = [await send(a, g, "1", "k1"), await send(b, g, "2", "k1"), await send(a, other, "3", "k1")]
    assert len({answer.ok(201)["message_id"] for answer in answers}) == 3


async def test_m6_pages_of_messages(reg: Register) -> None:
    """45 messages by 20: strictly falling, no repeats, has_more right; foreign cursors are refused."""
    a, b = await reg("a", "b")
    g = (await group(a, [b]))["conversation_id"]
    for number in range(45):
        (await send(a, g, str(number))).ok(201)
    sizes, seqs, more = [], [], []
    query = "&limit=20"
    while query:
        page = await listed(b, g, query)
        sizes.append(len(page["messages"]))
        seqs += [message["seq"] for message in page["messages"]]
        more.append(page["has_more"])
        query = f"&limit=20&cursor={page['next_cursor']}" if page["next_cursor"] else ""
    assert (sizes, more) == ([20, 20, 5], [True, True, False])
    assert seqs == list(range(46, 1, -1))
    cursor = (await listed(b, g, "&limit=5"))["next_cursor"]
    for who, tail in ((a, f"&cursor={cursor}"), (b, f"&cursor={cursor}x"), (b, "&cursor=x")):
        answer = await who.get(f"/v1/messages?conversation_id={g}{tail}")
        answer.is_error(400, "VALIDATION_ERROR")
        assert answer.fields == ["cursor"]
    for limit in (0, 101, "x"):
        (await b.get(f"/v1/messages?conversation_id={g}&limit={limit}")).is_error(400, "VALIDATION_ERROR")


async def test_m6_around_a_message(reg: Register) -> None:
    """`around` puts a message into the middle, and not together with a cursor."""
    a, b = await reg("a", "b")
    g = (await group(a, [b]))["conversation_id"]
    ids = [(await send(a, g, str(number))).ok(201)["message_id"] for number in range(9)]
    page = await listed(b, g, f"&around={ids[4]}&limit=5")
    assert texts(page["messages"]) == ["6", "5", "4", "3", "2"]
    page = await listed(b, g, f"&cursor={page['next_cursor']}")
    assert texts(page["messages"]) == ["1", "0"]
    (await b.get(f"/v1/messages?conversation_id={g}&around={ids[0]}&cursor=x")).is_error(
        400, "VALIDATION_ERROR"
    )


async def test_m7_events_by_seq(reg: Register) -> None:
    """Intervals are open, pages ascend, and the head is told."""
    a, b = await reg("a", "b")
    g = (await group(a, [b]))["conversation_id"]
    for number in range(20):
        (await send(a, g, str(number))).ok(201)

    async def page(query: str) -> tuple[list[int], bool, int, int]:
        data = (await b.get(f"/v1/conversations/{g}/events?{query}")).ok()
        seqs = [event["seq"] for event in data["events"]]
        return seqs, data["has_more"], data["first_seq"], data["last_seq"]

    log = await events(a, g)
    assert log[0]["kind"] == "conversation_created"
    assert [event["seq"] for event in log] == list(range(1, 22))
    assert await page("after_seq=10&before_seq=15") == ([11, 12, 13, 14], False, 1, 21)
    assert await page("before_seq=20&limit=5") == ([15, 16, 17, 18, 19], True, 1, 21)
    assert await page("after_seq=1000") == ([], False, 1, 21)
    assert await page("after_seq=21") == ([], False, 1, 21)
    assert await page("limit=3") == ([19, 20, 21], True, 1, 21)
    assert await page("after_seq=0&limit=3") == ([1, 2, 3], True, 1, 21)
    for bad in ("after_seq=-1", "before_seq=0", "limit=501", "after_seq=x"):
        (await b.get(f"/v1/conversations/{g}/events?{bad}")).is_error(400, "VALIDATION_ERROR")


async def test_m13_read_marks_and_unread_counts(reg: Register) -> None:
    """Reading sets the count to 0, others' messages raise it, a lower mark changes nothing; receipts."""
    a, b = await reg("a", "b")
    g = (await group(a, [b]))["conversation_id"]
    last = (await send(a, g, "0")).ok(201)["seq"]
    async with ws(a) as chat, ws(b) as own:
        state = (await b.post(f"/v1/conversations/{g}/read", {"seq": last})).ok()
        assert (state["last_read_seq"], state["unread_count"]) == (last, 0)
        receipt = await chat.frame(type="receipt")
        assert receipt["at"].endswith("Z")
        told = (receipt["kind"], receipt["conversation_id"], receipt["user_id"], receipt["seq"])
        assert told == ("read", g, b.user_id, last)
        mine = await own.frame(type="my_state")
        assert (mine["conversation_id"], mine["my"]) == (g, state)
        assert (await synced(a, g))["unread_count"] == 0
        sent = [(await send(a, g, str(number))).ok(201) for number in range(1, 4)]
        assert (await synced(b, g))["unread_count"] == 3
        state = (await b.post(f"/v1/conversations/{g}/read", {"seq": 1})).ok()
        assert (state["last_read_seq"], state["unread_count"]) == (last, 3)
        body = {"conversation_id": g, "last_message_id": sent[1]["message_id"]}
        assert (await b.post("/v1/messages/read", body)).ok()["unread_count"] == 1
        await chat.frame(type="receipt", seq=sent[1]["seq"])
        state = (await b.post(f"/v1/conversations/{g}/read", {"seq": 10_000})).ok()
        assert (state["last_read_seq"], state["unread_count"]) == (sent[-1]["seq"], 0)
        assert (await synced(b, g))["unread_count"] == 0
        ack = await own.command("read", conversation_id=g, seq=1)
        assert (ack["last_read_seq"], ack["unread_count"]) == (sent[-1]["seq"], 0)
        assert (await own.command("delivered", conversation_id=g, seq=1))["last_delivered_seq"] == sent[-1][
            "seq"
        ]
    for bad in ({"seq": -1}, {"seq": "1"}, {}):
        (await b.post(f"/v1/conversations/{g}/read", bad)).is_error(400, "VALIDATION_ERROR")


async def test_m13_a_message_elsewhere_marks_nothing(reg: Register) -> None:
    """A message of another conversation is unknown here."""
    a, b = await reg("a", "b")
    g, other = (await group(a, [b]))["conversation_id"], (await direct(a, b))["conversation_id"]
    message_id = (await send(a, other, "x")).ok(201)["message_id"]
    body = {"conversation_id": g, "last_message_id": message_id}
    (await b.post("/v1/messages/read", body)).is_error(404, "NOT_FOUND")


async def test_m20_eight_senders_one_order(reg: Register) -> None:
    """8 users send 50 messages each, half of them over sockets: consecutive seqs, one list for all."""
    people = await reg(*"abcdefgh")
    g = (await group(people[0], people[1:]))["conversation_id"]

    async def over_http(person: Person) -> None:
        async with line(person) as client:

            async def one(number: int) -> None:
                body = {"conversation_id": g, "content": f"{person.name}{number}"}
                assert (await client.post("/v1/messages", json=body)).status_code == 201

            await asyncio.gather(*map(one, range(50)))

    async def over_socket(person: Person) -> None:
        async with ws(person) as chat:
            acks = await asyncio.gather(
                *(
                    chat.command("message_send", conversation_id=g, content=f"{person.name}{number}")
                    for number in range(50)
                )
            )
            assert {(ack["type"], ack.get("status")) for ack in acks} == {("ack", 201)}
            seqs = [ack["seq"] for ack in acks]
            assert seqs == sorted(seqs), "commands of one socket keep their order"
            await chat.frame(type="event", seq=401, timeout=20)
            assert [frame["seq"] for frame in chat.events(g)] == list(range(chat.events(g)[0]["seq"], 402))

    await asyncio.gather(*map(over_http, people[:4]), *map(over_socket, people[4:]))
    lists = [await events(person, g) for person in people]
    assert [event["seq"] for event in lists[0]] == list(range(1, 402))
    assert len({event["data"]["message"]["content"] for event in lists[0][1:]}) == 400
    assert all(each == lists[0] for each in lists)


async def test_m21_sync_of_many_conversations(reg: Register) -> None:
    """250 conversations by 200: each once, with the counts that events and reads give."""
    a, b = await reg("a", "b")
    made: dict[str, int] = {}
    async with line(a) as client:

        async def one(number: int) -> None:
            body = {"type": "group", "title": str(number), "participant_ids": [b.user_id]}
            answer = await client.post("/v1/conversations", json=body)
            g = answer.json()["data"]["conversation_id"]
            made[g] = number % 4
            for _ in range(made[g]):
                sent = {"conversation_id": g, "content": "x"}
                assert (await client.post("/v1/messages", json=sent)).status_code == 201

        for start in range(0, 250, 10):
            await asyncio.gather(*(one(number) for number in range(start, start + 10)))
    first = (await b.get("/v1/sync?limit=200")).ok()
    assert (len(first["conversations"]), first["has_more"]) == (200, True)
    second = (await b.get(f"/v1/sync?limit=200&cursor={first['next_cursor']}")).ok()
    assert (len(second["conversations"]), second["has_more"], second["next_cursor"]) == (50, False, None)
    assert second["server_time"].endswith("Z")
    found = {one["conversation_id"]: one for one in first["conversations"] + second["conversations"]}
    assert found.keys() == made.keys()
    for g, messages in made.items():
        assert (found[g]["unread_count"], found[g]["last_seq"]) == (messages, 1 + messages)
    for g in list(made)[:4]:
        log = await events(b, g)
        assert found[g]["last_seq"] == log[-1]["seq"]
        assert found[g]["unread_count"] == sum(event["kind"] == "message_created" for event in log)
        state = (await b.post(f"/v1/conversations/{g}/read", {"seq": log[-1]["seq"]})).ok()
        assert state["unread_count"] == 0
        assert found[g]["first_seq"] == state["first_visible_seq"] == 1


async def test_m22_only_admins_post(reg: Register) -> None:
    """With post_permission admins a member is refused, over HTTP and socket, and an admin is not."""
    a, b = await reg("a", "b")
    g = (await group(a, [b]))["conversation_id"]
    (await a.put(f"/v1/conversations/{g}/settings", {"post_permission": "admins"})).ok()
    (await send(b, g, "x")).is_error(403, "FORBIDDEN")
    async with ws(b) as chat:
        assert (await chat.command("message_send", conversation_id=g, content="x"))["code"] == "FORBIDDEN"
    (await send(a, g, "x")).ok(201)


async def test_m26_text_comes_back_byte_for_byte(reg: Register) -> None:
    """Markup, direction marks, emoji and 4-byte characters survive; NUL is refused."""
    a, b = await reg("a", "b")
    g = (await group(a, [b]))["conversation_id"]
    for bad in ("a\x00b", "\x00", "\x1b[31m"):
        answer = await send(a, g, bad)
        answer.is_error(400, "VALIDATION_ERROR")
        assert answer.fields == ["content"]
    kept = [
        "<script>alert('x')</script> & <b>",
        "\u202eabc\u202c \u200fשלום\u200e",
        "👩‍👩‍👧‍👦 🏳️‍🌈 👍🏽 😀",
        "𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𠜎 \U0010ffff",
        "  spaces kept \n\tlines too  ",
        "'; DROP TABLE messages; --",
    ]
    for text in kept:
        assert (await send(a, g, text)).ok(201)["content"] == text
    assert texts((await listed(b, g))["messages"]) == kept[::-1]
    assert [event["data"]["message"]["content"] for event in (await events(b, g))[1:]] == kept


async def refused(*answers: Answer) -> None:
    for answer in answers:
        answer.is_error(403, "FORBIDDEN")


async def test_m2_a_block_closes_the_direct_conversation_only(reg: Register) -> None:
    """Across a block nobody sends into the direct conversation; its history stays, groups go on."""
    a, b = await reg("a", "b")
    d, g = (await direct(a, b))["conversation_id"], (await group(a, [b]))["conversation_id"]
    (await send(a, d, "before")).ok(201)
    (await b.post(f"/v1/users/{a.user_id}/block")).ok(201)
    await refused(await send(a, d, "x"), await send(b, d, "x"))
    async with ws(b) as chat:
        assert (await chat.command("typing", conversation_id=d, is_typing=True))["code"] == "FORBIDDEN"
        (await send(a, g, "still here")).ok(201)
        await chat.frame(type="event", conversation_id=g)
    assert texts((await listed(a, d))["messages"]) == ["before"]
