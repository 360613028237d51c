"""Everything that the published document says of the chat socket happens, and nothing else does.

`ws` holds every frame against the document; here the other half: each described message is met.
"""

import contextlib
from datetime import UTC, datetime, timedelta

from tests.scenarios.conftest import Register, Serve
from tests.scenarios.published import published
from tests.scenarios.signaling import call, join
from tests.scenarios.steps import Chat, Person, direct, group, request, send, ws


async def every_kind(a: Person, b: Person, c: Person) -> str:
    """Cause an event of each kind in a group of A and B."""
    g = (await group(a, [b, c]))["conversation_id"]
    path = f"/v1/conversations/{g}"
    (await send(b, g, "hello")).ok(201)
    (await send(a, g, "\x00", is_encrypted=True, e2ee={"alg": "x"})).ok(201)
    (await a.patch(path, {"title": "New title", "description": "New"})).ok()
    (await a.patch(f"{path}/participants/{b.user_id}", {"role": "admin"})).ok()
    (await a.delete(f"{path}/participants/{c.user_id}")).ok()
    (await a.post(f"{path}/participants", {"user_ids": [c.user_id]})).ok()
    await every_change(a, b, g)
    (await a.put(f"{path}/settings", {"is_e2ee_enabled": True})).ok()
    return str(g)


async def every_change(a: Person, b: Person, g: str) -> None:
    """Edit, react, pin, ask, and take it all back."""
    pins = f"/v1/conversations/{g}/pins"
    message = (await send(a, g, "x")).ok(201)["message_id"]
    path = f"/v1/messages/{message}"
    (await a.patch(path, {"content": "y"})).ok()
    (await b.post(f"{path}/react", {"emoji": "👍"})).ok(201)
    (await b.delete(f"{path}/react", {"emoji": "👍"})).ok()
    (await a.post(pins, {"message_id": message})).ok(201)
    (await a.delete(f"{pins}/{message}")).ok()
    (await a.delete(path)).ok()
    body = {"conversation_id": g, "question": "?", "poll_type": "single", "options": ["1", "2"]}
    poll = (await a.post("/v1/polls", body)).ok(201)
    choice = {"poll_id": poll["poll_id"], "option_ids": [poll["options"][0]["option_id"]]}
    (await b.post("/v1/polls/vote", choice)).ok()
    (await a.post("/v1/polls/close", {"poll_id": poll["poll_id"]})).ok()


async def every_notice(a: Person, b: Person) -> None:
    """Cause what A's other sockets are told: a draft, a thread, a message that could not be sent."""
    g = (await group(b, [a]))["conversation_id"]
    path = f"/v1/conversations/{g}"
    later = (datetime.now(UTC) + timedelta(seconds=10.3)).isoformat()
    body = {"conversation_id": g, "content": "too late", "send_at": later}
    (await a.post("/v1/messages/scheduled", body)).ok(201)
    root = (await send(a, g, "root")).ok(201)["message_id"]
    (await b.put(f"{path}/draft", {"content": "half"})).ok()
    (await a.put(f"{path}/draft", {"content": "half"})).ok()
    (await a.put(f"/v1/messages/{root}/thread", {"following": True})).ok()
    (await b.delete(f"{path}/participants/{a.user_id}")).ok()


async def every_call(theirs: Chat, a: Person, b: Person) -> None:
    """Ring B, who answers on another device and is recorded, and ring once more for nothing."""
    g = (await group(a, [b]))["conversation_id"]
    (await a.put(f"/v1/conversations/{g}/settings", {"recording_enabled": True})).ok()
    call_id = await call(a, g, [b])
    await theirs.frame(type="call_incoming")
    await theirs.command("call_ringing", call_id=call_id)
    (await join(await b.login(), call_id)).ok()
    await theirs.frame(type="call_answered_elsewhere")
    (await a.post(f"/v1/calls/{call_id}/recording/start")).ok()
    (await a.post(f"/v1/calls/{call_id}/recording/stop")).ok()
    (await a.post(f"/v1/calls/{call_id}/end")).ok()
    missed = await call(a, g, [b])
    (await a.post(f"/v1/calls/{missed}/end")).ok()
    await theirs.frame(type="call_cancelled")


async def every_command(chat: Chat, a: Person, b: Person, g: str) -> None:
    """`hello` is sent already."""
    head = (await chat.command("message_send", conversation_id=g, content="hi"))["seq"]
    await chat.command("delivered", conversation_id=g, seq=head)
    await chat.command("read", conversation_id=g, seq=head)
    await chat.command("typing", conversation_id=g, is_typing=True)
    mine = (await chat.command("message_send", conversation_id=g, content="x"))["message_id"]
    await chat.command("message_edit", message_id=mine, content="y")
    await chat.command("reaction_add", message_id=mine, emoji="👍")
    await chat.command("reaction_remove", message_id=mine, emoji="👍")
    await chat.command("message_delete", message_id=mine)
    body = {"conversation_id": g, "question": "?", "poll_type": "single", "options": ["1", "2"]}
    poll = (await a.post("/v1/polls", body)).ok(201)
    option_ids = [poll["options"][0]["option_id"]]
    await chat.command("poll_vote", poll_id=poll["poll_id"], option_ids=option_ids)
    (await a.post("/v1/push/tokens", {"token": "t" * 40, "type": "fcm"})).ok()
    (await a.post("/v1/push/test", {"title": "t", "body": "b"})).ok(202)
    (delivery,) = (await a.get("/v1/push/deliveries?limit=1")).ok()["deliveries"]
    await chat.command("push_ack", delivery_id=delivery["delivery_id"])
    await chat.command("presence_set", status="away", status_text="lunch")
    await chat.command("subscribe_presence", user_ids=[b.user_id])
    await chat.command("unsubscribe_presence", user_ids=[b.user_id])
    fresh = (await request(a.url, "POST", "/v1/auth/refresh", {"refresh_token": a.refresh})).ok()
    await chat.command("token_refresh", access_token=fresh["access_token"])
    await chat.command("ping", ts={"any": ["value"]})
    await chat.command("no_such_command")
    await chat.command("typing", conversation_id=g)


async def test_every_published_message_is_met(serve: Serve, reg: Register) -> None:
    """[auth.access_ttl=61] Three people, two sockets each for A and B, every command, every kind, then a
    planned stop."""
    async with serve(auth={"access_ttl": 61}) as server, contextlib.AsyncExitStack() as stack:
        a, b, c = await reg("a", "b", "c", url=server.url)
        sockets = [await stack.enter_async_context(ws(person)) for person in (a, a, b, b, c)]
        mine, _, theirs, *_ = sockets
        g = await every_kind(a, b, c)
        await every_notice(a, b)
        await every_call(theirs, a, b)
        d = (await direct(a, b))["conversation_id"]
        await theirs.command("subscribe_presence", user_ids=[a.user_id])
        seq = (await send(b, d, "read this")).ok(201)["seq"]
        # Receipts are not kept for a process that has yet to hear of the conversation.
        await theirs.frame(type="event", conversation_id=d, seq=seq)
        await mine.command("read", conversation_id=d, seq=seq)
        await theirs.frame(type="receipt", kind="read")
        await every_command(mine, a, b, d)
        await theirs.frame(type="presence", status="away")
        await theirs.frame(type="token_expiring", timeout=10)
        async with ws(b, resume={g: 1, d: 1}) as again:
            await again.frame(type="event", conversation_id=g, kind="e2ee_mode_changed")
        sockets.append(again)
        await mine.frame(type="scheduled_failed", timeout=20)
        assert await server.stop() == 0
        for chat in sockets[:-1]:
            assert await chat.close_code() == 4501

    document = await published(server.url)
    seen = [frame for chat in sockets for frame in chat.seen]
    assert {frame["type"] for frame in seen} == document.names("frame_") | {"ack"}
    assert {frame["kind"] for frame in seen if frame["type"] == "event"} == document.names("event_")
    answered = {chat.commands[f["ref"]] for chat in sockets for f in chat.seen if f["type"] == "ack"}
    assert answered == document.names("ack_")
    assert answered | {"ping"} == document.names("command_")
