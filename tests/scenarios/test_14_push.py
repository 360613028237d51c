"""Pushes: scenarios N4 to N8, N10, E5, Z6."""

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.push_service import Browser, PushService
from tests.scenarios.conftest import Register, Serve
from tests.scenarios.logs import log_lines
from tests.scenarios.metrics import metric
from tests.scenarios.pushes import delivery, device, entry, lines, pushed, register_device
from tests.scenarios.server import Server
from tests.scenarios.signaling import call
from tests.scenarios.steps import NIL, Person, direct, group, send, ws

TOKENS = "/v1/push/tokens"
PUBLIC = "https://93.184.216.34/subscription/1"


async def tokens(person: Person) -> list[Any]:
    found = (await person.get(TOKENS)).ok()
    assert found["count"] == len(found["tokens"])
    return list(found["tokens"])


async def told_of(b: Person, sent: Any) -> dict[str, Any]:
    """The inbox entry of a message."""
    return await entry(b, "message", message_id=sent["message_id"])


async def test_n4_devices_are_registered_moved_and_forgotten(server: Server, reg: Register) -> None:
    """Tokens of three kinds, one that moves to C, masked, deleted, and not more than twenty."""
    b, c = await reg("b", "c")
    fcm, apns = device(), device("apns")
    for body in ({**fcm, "device_id": "d1", "platform": "android"}, {**apns, "platform": "ios"}):
        (await b.post(TOKENS, body)).ok()
    browser = Browser()
    subscription = {"token": PUBLIC, "type": "webpush", "platform": "web"}
    answer = await b.post(TOKENS, subscription)
    answer.is_error(400, "VALIDATION_ERROR")
    assert answer.fields == ["keys"]
    (await b.post(TOKENS, {**subscription, "keys": browser.keys})).ok()
    again = (await b.post(TOKENS, {**subscription, "type": "web", "keys": browser.keys})).ok()
    found = await tokens(b)
    assert [one["type"] for one in found] == ["fcm", "apns", "webpush"]
    assert found[2]["token_id"] == again["token_id"]
    assert (found[0]["token"], found[0]["device_id"], found[0]["active"]) == (
        f"{fcm['token'][:8]}…{fcm['token'][-8:]}",
        "d1",
        True,
    )
    for wrong, field in (
        ({"token": "", "type": "fcm"}, "token"),
        ({"token": "x" * 4097, "type": "fcm"}, "token"),
        ({"token": "x", "type": "sms"}, "type"),
        ({**fcm, "platform": "toaster"}, "platform"),
        ({**subscription, "keys": {**browser.keys, "p256dh": "AAAA"}}, "keys.p256dh"),
        ({**subscription, "keys": {**browser.keys, "auth": "AAAA"}}, "keys.auth"),
        ({**subscription, "keys": {"auth": "AAAA"}}, "keys.p256dh"),
    ):
        answer = await b.post(TOKENS, wrong)
        answer.is_error(400, "VALIDATION_ERROR")
        assert answer.fields == [field]

    (await c.post(TOKENS, fcm)).ok()
    assert [one["type"] for one in await tokens(c)] == ["fcm"]
    assert [one["type"] for one in await tokens(b)] == ["apns", "webpush"]
    (await b.delete(TOKENS, {"token": fcm["token"]})).is_error(404, "NOT_FOUND")
    (await c.delete(TOKENS, {"token": fcm["token"]})).ok()
    (await c.delete(TOKENS, {"token": fcm["token"]})).is_error(404, "NOT_FOUND")

    for _ in range(18):
        (await b.post(TOKENS, device())).ok()
    (await b.post(TOKENS, device())).is_error(409, "LIMIT_REACHED")
    (await b.post(TOKENS, apns)).ok()
    assert (await b.get(f"{TOKENS}/count")).ok() == {"active_tokens_count": 20}
    assert (await b.delete(f"{TOKENS}/all")).ok() == {"deleted": 20}
    assert await tokens(b) == []


async def test_n4_nothing_is_pretended_to_be_sent(serve: Serve, reg: Register) -> None:
    """With APNs configured nothing goes to the file: devices of FCM are refused, and those from before are
    named at the start and fail."""
    async with serve() as server:
        (b,) = await reg("b", url=server.url)
        await register_device(b)
        assert await server.stop() == 0
        key = ec.generate_private_key(ec.SECP256R1())
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
        apns = {"key": pem, "key_id": "ABC123DEFG", "team_id": "DEF123GHIJ", "bundle_id": "test.chat"}
        server.environment |= {f"SECURECONNECT__PUSH__APNS_{name.upper()}": apns[name] for name in apns}
        await server.start()
        said = [line for line in log_lines(server) if line.get("provider") == "fcm"]
        assert {(line["level"], line["devices"]) for line in said} == {("error", 1)}
        assert len(said) <= len(server.pieces), "each process says so at its start, once"
        (await b.post(TOKENS, device())).is_error(403, "FEATURE_DISABLED")
        (await b.post(TOKENS, device("apns"))).ok()
        (await b.delete(f"{TOKENS}/all")).ok()
        assert lines(server, b) == []


@pytest.fixture
def service() -> Iterator[PushService]:
    made = PushService()
    yield made
    made.close()
    assert made.faults == []


async def test_n5_web_push_is_tried_again_delivered_once_and_ends(
    serve: Serve, reg: Register, service: PushService
) -> None:
    """503 three times, then 201: back-off, one delivery that only the browser reads; 410: dead."""
    async with serve(push={"allow_private_endpoints": True}) as server:
        a, b = await reg("a", "b", url=server.url)
        key = (await b.get("/v1/push/webpush-key")).ok()["public_key"]
        browser = Browser()
        body = {"token": f"{service.url}/s/1", "type": "webpush", "keys": browser.keys}
        (await b.post(TOKENS, body)).ok()
        g = (await group(a, [b], title="Secret club"))["conversation_id"]
        await delivery(b, "conversation", "sent")
        service.requests.clear()
        service.answer(503, 503, 503)
        began = time.monotonic()
        sent = (await send(a, g, "the words")).ok(201)
        done = await delivery(b, "message", "sent")
        assert 6 < time.monotonic() - began < 20, "after 1, 2 and 4 seconds, more or less"
        assert (done["kind"], done["attempts"], done["last_error"]) == ("message", 4, None)
        assert [one.status for one in service.requests] == [503, 503, 503, 201]
        assert f"k={key}" in service.requests[-1].headers["authorization"]
        shown = browser.open(service.requests[-1].body)
        assert shown == {
            "delivery_id": done["delivery_id"],
            "kind": "message",
            "title": "New message",
            "body": "New message from User a",
            "badge": 1,
            "data": {
                "conversation_id": g,
                "message_id": sent["message_id"],
                "seq": str(sent["seq"]),
                "sender_id": a.user_id,
                "notification_id": (await told_of(b, sent))["notification_id"],
            },
        }
        assert (await tokens(b))[0]["last_success_at"] is not None

        service.answer(410)
        again = (await send(a, g, "more")).ok(201)
        failed = await delivery(b, "message", "failed")
        assert failed["last_error"] == "the push service answered 410"
        assert (await told_of(b, again))["is_pushed"] is True
        (token,) = await tokens(b)
        assert (token["active"], token["last_error"]) == (False, "the push service answered 410")
        assert (await told_of(b, (await send(a, g, "and more")).ok(201)))["is_pushed"] is True
        assert len((await b.get("/v1/push/deliveries")).ok()["deliveries"]) == 3
        assert len(service.requests) == 5
        stored = server.tables.dump()
        for secret in (f"{service.url}/s/1", browser.keys["auth"]):
            assert secret.encode() not in stored
        for kind, result in (("conversation", "sent"), ("message", "sent"), ("message", "gone")):
            labels = {"kind": kind, "provider": "webpush", "result": result}
            assert await metric(server, "push_notifications_total", **labels) > 0


async def test_n6_nobody_is_pushed_what_they_see(server: Server, reg: Register) -> None:
    """Online on a socket: no push of messages, but of a friend request and a call; away again: pushed."""
    a, b = await reg("a", "b")
    d = (await direct(a, b))["conversation_id"]
    await register_device(b)
    async with ws(b) as chat:
        sent = (await send(a, d, "one")).ok(201)
        assert (await told_of(b, sent))["is_pushed"] is False
        (await a.post(f"/v1/users/{b.user_id}/friend")).ok(201)
        await pushed(server, b, kind="friend_request", body="User a wants to be your friend")
        call_id = await call(a, d, [b])
        (ring,) = await pushed(server, b, kind="call")
        assert (ring["data"]["call_id"], ring["data"]["event"], ring["urgent"]) == (call_id, "ringing", True)
        (await a.post(f"/v1/calls/{call_id}/end")).ok()
        hushed = (await pushed(server, b, 2, kind="call"))[-1]
        assert (hushed["data"]["call_id"], hushed["data"]["event"]) == (call_id, "cancelled")
        (missed,) = await pushed(server, b, kind="missed_call")
        assert missed["body"] == "User a called"
        await chat.command("presence_set", status="away")
        sent = (await send(a, d, "two")).ok(201)
        assert (await told_of(b, sent))["is_pushed"] is True
    (only,) = await pushed(server, b, kind="message")
    assert only["data"]["message_id"] == sent["message_id"]


async def test_n7_quiet_hours(server: Server, reg: Register) -> None:
    """A message is held back, a security notice and a call are not; without quiet hours the next message goes
    out. Who wants no calls, or muted the conversation, is not rung."""
    a, b = await reg("a", "b")
    d = (await direct(a, b))["conversation_id"]
    await register_device(b)
    now = datetime.now(UTC)
    around = [(now + timedelta(hours=hours)).strftime("%H:%M") for hours in (-1, 1)]
    quiet = {"from": around[0], "to": around[1], "timezone": "UTC"}
    (await b.patch("/v1/notifications/preferences", {"quiet_hours": quiet})).ok()
    assert (await told_of(b, (await send(a, d, "psst")).ok(201)))["is_pushed"] is False
    body = {"old_password": b.password, "new_password": "New-Violet-77-Lamp"}
    (await b.post("/v1/users/me/password", body)).ok()
    (security,) = await pushed(server, b, kind="security")
    assert security["urgent"] is True
    call_id = await call(a, d, [b])
    (ring,) = await pushed(server, b, kind="call")
    assert ring["data"]["call_id"] == call_id
    (await a.post(f"/v1/calls/{call_id}/end")).ok()
    await pushed(server, b, 2, kind="call")
    (await b.patch("/v1/notifications/preferences", {"call_enabled": False})).ok()
    (await a.post(f"/v1/calls/{await call(a, d, [b])}/end")).ok()
    (await b.patch("/v1/notifications/preferences", {"call_enabled": True})).ok()
    (await b.post(f"/v1/conversations/{d}/mute", {})).ok()
    (await a.post(f"/v1/calls/{await call(a, d, [b])}/end")).ok()
    (await b.post(f"/v1/conversations/{d}/unmute")).ok()
    (await b.patch("/v1/notifications/preferences", {"quiet_hours": None})).ok()
    sent = (await send(a, d, "hello")).ok(201)
    (message,) = await pushed(server, b, kind="message")
    assert message["data"]["message_id"] == sent["message_id"]


async def test_n8_a_session_takes_its_devices_with_it(server: Server, reg: Register) -> None:
    """Logout and revocation end what the session registered; other devices go on."""
    a, b = await reg("a", "b")
    d = (await direct(a, b))["conversation_id"]
    phone, tablet = await b.login(), await b.login()
    ids = [await register_device(person) for person in (b, phone, tablet)]
    (await phone.post("/v1/auth/logout")).ok()
    (await b.delete(f"/v1/auth/sessions/{tablet.session_id}")).ok()
    found = await tokens(b)
    assert [(one["token_id"], one["active"]) for one in found] == [
        (ids[0], True),
        (ids[1], False),
        (ids[2], False),
    ]
    (await send(a, d, "hello")).ok(201)
    (only,) = await pushed(server, b, kind="message")
    assert only["token_id"] == ids[0]
    (await b.post("/v1/auth/logout")).ok()
    last = await b.login()
    assert (await told_of(last, (await send(a, d, "again")).ok(201)))["is_pushed"] is True
    assert len(lines(server, b)) == 1
    assert len((await last.get("/v1/push/deliveries")).ok()["deliveries"]) == 1


async def test_n10_a_test_push_and_what_became_of_it(server: Server, reg: Register) -> None:
    """To every device of one's own; the device acknowledges it; without one there is nobody to push to."""
    b, c = await reg("b", "c")
    body = {"title": "Does it ring?", "body": "It does."}
    (await b.post("/v1/push/test", body)).is_error(404, "NOT_FOUND")
    for _ in range(2):
        await register_device(b)
    assert (await b.post("/v1/push/test", body)).ok(202) == {"queued": 2}
    found = await pushed(server, b, 2, kind="test")
    assert [(one["title"], one["body"]) for one in found] == [("Does it ring?", "It does.")] * 2
    await delivery(b, "test", "sent")
    path, walked = "/v1/push/deliveries?limit=1", []
    while True:
        page = (await b.get(path)).ok()
        walked += [one["delivery_id"] for one in page["deliveries"]]
        if not page["has_more"]:
            break
        path = f"/v1/push/deliveries?limit=1&cursor={page['next_cursor']}"
    assert sorted(walked) == sorted(one["delivery_id"] for one in found)
    cursor = (await b.get("/v1/push/deliveries?limit=1")).ok()["next_cursor"]
    (await c.get(f"/v1/push/deliveries?cursor={cursor}")).is_error(400, "VALIDATION_ERROR")
    async with ws(c) as stranger:
        for delivery_id in (walked[0], NIL):
            assert (await stranger.command("push_ack", delivery_id=delivery_id))["code"] == "NOT_FOUND"
    async with ws(b) as chat:
        for _ in range(2):
            assert (await chat.command("push_ack", delivery_id=walked[0]))["type"] == "ack"
        assert (await chat.command("push_ack", delivery_id="x"))["code"] == "VALIDATION_ERROR"
    assert (await delivery(b, "test", "acked"))["delivery_id"] == walked[0]


async def test_e5_encrypted_words_are_nowhere(server: Server, reg: Register) -> None:
    """With previews on, a push shows what a message says, but never what an encrypted one does."""
    a, b = await reg("a", "b")
    g = (await group(a, [b], title="Secret club"))["conversation_id"]
    await register_device(b)
    (await send(a, g, "plain words")).ok(201)
    (generic,) = await pushed(server, b, kind="message")
    assert (generic["title"], generic["body"]) == ("New message", "New message from User a")
    assert not {"plain", "club"} & set(str(generic).split())
    (await b.post(f"/v1/conversations/{g}/read", {"seq": 10_000})).ok()
    (await b.patch("/v1/notifications/preferences", {"message_preview": True})).ok()
    (await send(a, g, "plain words")).ok(201)
    _, shown = await pushed(server, b, 2, kind="message")
    assert (shown["title"], shown["body"]) == ("Secret club", "User a: plain words")
    assert shown["badge"] == (await b.get(f"/v1/conversations/{g}")).ok()["my"]["unread_count"] == 1
    (await a.put(f"/v1/conversations/{g}/settings", {"is_e2ee_enabled": True})).ok()
    sent = (await send(a, g, "bm90IGZvciB5b3U=", is_encrypted=True)).ok(201)
    *_, hidden = await pushed(server, b, 3, kind="message")
    assert hidden["data"]["message_id"] == sent["message_id"]
    assert "bm90" not in str(lines(server, b)) + str((await b.get("/v1/notifications")).ok())


async def test_z6_no_request_into_our_networks(server: Server, reg: Register) -> None:
    """Endpoints at private addresses, under any name or notation, are refused, and nothing is sent there."""
    (b,) = await reg("b")
    asked: list[bytes] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.read(100))
        writer.close()

    trap = await asyncio.start_server(listen, "127.0.0.1", 0)
    port = trap.sockets[0].getsockname()[1]
    for host in (
        "127.0.0.1",
        "localhost",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "2130706433",
        "0x7f000001",
        "10.0.0.1",
        "192.168.1.1",
        "172.16.0.1",
        "169.254.169.254",
        "[fe80::1]",
        "0.0.0.0",
    ):
        body = {"token": f"https://{host}:{port}/x", "type": "webpush", "keys": Browser().keys}
        answer = await b.post(TOKENS, body)
        answer.is_error(400, "VALIDATION_ERROR")
        assert answer.fields == ["token"], host
    assert await tokens(b) == []
    assert asked == []
    trap.close()
