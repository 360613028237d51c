"""What lies before a member's time stays there, whatever is said about it later (G7)."""

import json
from collections.abc import Sequence
from typing import Any

from tests.scenarios.conftest import Register
from tests.scenarios.indexed import indexed
from tests.scenarios.steps import Person, direct, events, group, send, ws

_SECRET = "secret-before-your-time"
_JOINED = {"history_visibility": "joined"}


async def _reads(person: Person, g: str, reply: str, word: str) -> Sequence[Any]:
    """Every way in which a member comes across a message that answers an older one."""
    await indexed(person)
    return [
        (await person.get(f"/v1/messages?conversation_id={g}")).ok(),
        (await person.get(f"/v1/messages?conversation_id={g}&around={reply}")).ok(),
        (await person.get(f"/v1/messages/{reply}")).ok(),
        (await person.get(f"/v1/messages/{reply}/thread")).ok(),
        (await person.get(f"/v1/messages/search?conversation_id={g}&query={word}")).ok(),
        (await person.get(f"/v1/conversations/{g}/pins")).ok(),
        (await person.get("/v1/conversations")).ok(),
        await events(person, g),
    ]


async def test_m8_nothing_from_before_joining_shows_through(reg: Register) -> None:
    """Quotes and edits of messages from before `joined` history say nothing, live, resumed or read."""
    a, b, c = await reg("a", "b", "c")
    g = (await group(a, [b], settings=_JOINED))["conversation_id"]
    old = (await send(a, g, _SECRET)).ok(201)["message_id"]
    (await a.post(f"/v1/conversations/{g}/participants", {"user_ids": [c.user_id]})).ok()
    async with ws(b) as before, ws(c) as after:
        reply = (await send(b, g, "indeed", reply_to_message_id=old)).ok(201)
        assert reply["reply_to"]["preview"] == _SECRET
        (await a.patch(f"/v1/messages/{old}", {"content": f"{_SECRET}!"})).ok()
        (await a.post(f"/v1/conversations/{g}/pins", {"message_id": reply["message_id"]})).ok(201)
        (await send(a, g, "over")).ok(201)
        for chat in (before, after):
            await chat.frame(type="event", seq=reply["seq"] + 3)
        quotes = [
            (await chat.frame(type="event", seq=reply["seq"]))["data"]["message"]["reply_to"]
            for chat in (before, after)
        ]
        assert [quote["preview"] for quote in quotes] == [_SECRET, ""]
        assert quotes[1]["message_id"] == old
        seen = [frame["seq"] for frame in after.events(g)]
        assert seen == sorted(set(seen))
        assert _SECRET not in json.dumps(after.seen)
        edits = [(await chat.frame(type="event", kind="message_edited"))["data"] for chat in (before, after)]
        assert [edit["message_id"] for edit in edits] == [old, old]
        assert [edit["message"]["content"] for edit in edits] == [f"{_SECRET}!", ""]
    found = await _reads(c, g, reply["message_id"], "indeed")
    assert _SECRET not in json.dumps(found)
    assert all(reply["message_id"] in json.dumps(answer) for answer in found[:6])
    read = {event["seq"]: event["data"] for event in await events(c, g)}
    assert read[reply["seq"]]["message"]["reply_to"] == quotes[1]
    assert read[reply["seq"] + 1] == edits[1]
    async with ws(c, resume={g: reply["seq"] - 1}) as again:
        await again.frame(type="event", seq=reply["seq"] + 3)
        assert _SECRET not in json.dumps(again.seen)
    assert _SECRET in json.dumps(await _reads(b, g, reply["message_id"], "indeed"))


async def test_c16_cleared_history_is_not_quoted(reg: Register) -> None:
    """Whoever cleared a direct conversation meets nothing of it in a later answer."""
    a, b = await reg("a", "b")
    d = (await direct(a, b))["conversation_id"]
    old = (await send(a, d, _SECRET)).ok(201)["message_id"]
    (await a.delete(f"/v1/conversations/{d}")).ok()
    async with ws(a) as chat:
        reply = (await send(b, d, "indeed", reply_to_message_id=old)).ok(201)
        assert reply["reply_to"]["preview"] == _SECRET
        frame = await chat.frame(type="event", kind="message_created")
        assert frame["data"]["message"]["reply_to"]["preview"] == ""
    assert _SECRET not in json.dumps(await _reads(a, d, reply["message_id"], "indeed"))
