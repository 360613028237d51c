"""Presence, typing, receipts: scenarios R1 to R7."""

import time

from tests.scenarios.conftest import Register, Serve
from tests.scenarios.patience import eventually
from tests.scenarios.steps import Chat, Person, direct, events, group, send, ws


async def befriend(a: Person, b: Person) -> None:
    (await a.post(f"/v1/users/{b.user_id}/friend")).ok(201)
    (await b.post(f"/v1/users/me/friends/{a.user_id}/accept")).ok()


async def status(viewer: Person, other: Person) -> str | None:
    """What `viewer` sees; None when it is left out."""
    shown = (await viewer.get(f"/v1/presence?user_ids={other.user_id}")).ok()["presence"]
    assert [one["user_id"] for one in shown] in ([], [other.user_id])
    return str(shown[0]["status"]) if shown else None


def receipts(chat: Chat, user: Person) -> list[int]:
    return [f["seq"] for f in chat.seen if f["type"] == "receipt" and f["user_id"] == user.user_id]


async def test_r1_a_friend_comes_and_goes(reg: Register) -> None:
    """Online within 6 s of the socket; offline 10 to 16 s after it closed, with the last visit."""
    a, b = await reg("a", "b")
    await befriend(a, b)
    async with ws(b) as watcher:
        answer = await watcher.command("subscribe_presence", user_ids=[a.user_id])
        assert (answer["denied"], [one["status"] for one in answer["presence"]]) == ([], ["offline"])
        async with ws(a):
            frame = await watcher.frame(type="presence", user_id=a.user_id, timeout=6)
            assert (frame["status"], frame["last_seen_at"]) == ("online", None)
        closed = time.monotonic()
        frame = await watcher.frame(type="presence", user_id=a.user_id, status="offline", timeout=16)
        assert 9.9 <= time.monotonic() - closed <= 16
        assert frame["last_seen_at"].endswith(":00.000Z")
        shown = (await b.get(f"/v1/presence?user_ids={a.user_id}")).ok()["presence"]
        assert shown == [
            {
                "user_id": a.user_id,
                "status": "offline",
                "status_text": None,
                "last_seen_at": frame["last_seen_at"],
            }
        ]


async def test_r2_devices_count_together(serve: Serve, reg: Register) -> None:
    """[presence.offline_grace=0.5] Away and busy are busy; when the busy device is gone, away is left."""
    async with serve(presence={"offline_grace": 0.5}) as server:
        a, b = await reg("a", "b", url=server.url)
        await befriend(a, b)
        other = await a.login()
        async with ws(a) as phone:
            assert (await phone.command("presence_set", status="away"))["status"] == "away"
            async with ws(other) as laptop:
                assert (await laptop.command("presence_set", status="busy", status_text="call"))[
                    "status"
                ] == "busy"
                assert await status(b, a) == "busy"

            async def away() -> bool:
                return await status(b, a) == "away"

            await eventually(away)
            assert (await phone.command("presence_set", status="offline"))["status"] == "offline"
            assert await status(b, a) == "offline", "invisible looks like being offline"


async def test_r3_who_may_see_it(reg: Register) -> None:
    """Strangers are denied; with show_presence off, or across a block, there is nothing to see."""
    a, b, c, d = await reg("a", "b", "c", "d")
    await befriend(a, b)
    await group(a, [c])
    async with ws(d) as stranger, ws(b) as friend, ws(a) as own:
        answer = await stranger.command("subscribe_presence", user_ids=[a.user_id])
        assert (answer["denied"], answer["presence"]) == ([a.user_id], [])
        assert await status(d, a) is None
        assert (await d.get(f"/v1/users/{a.user_id}")).ok()["user"]["status"] is None
        answer = await friend.command("subscribe_presence", user_ids=[a.user_id, d.user_id])
        assert (answer["denied"], [one["status"] for one in answer["presence"]]) == ([d.user_id], ["online"])
        assert await status(c, a) == "online", "co-members may see it"
        assert (await b.get(f"/v1/users/{a.user_id}")).ok()["user"]["status"] == "online"

        (await a.patch("/v1/users/me", {"privacy": {"show_presence": False}})).ok()
        assert await status(b, a) is None
        assert (await b.get(f"/v1/users/{a.user_id}")).ok()["user"]["status"] is None
        assert (await a.get("/v1/users/me")).ok()["status"] == "online"
        (await a.patch("/v1/users/me", {"privacy": {"show_presence": True}})).ok()
        assert await status(b, a) == "online"

        (await a.post(f"/v1/users/{b.user_id}/block")).ok(201)
        assert await status(b, a) is None
        assert await status(a, b) is None
        assert (await own.command("presence_set", status="busy"))["status"] == "busy"
        assert (await friend.command("subscribe_presence", user_ids=[a.user_id]))["denied"] == [a.user_id]
        g = (await group(b, [d]))["conversation_id"]
        (await send(d, g, "later")).ok(201)
        await friend.frame(type="event", conversation_id=g, kind="message_created")
        assert [frame for frame in friend.seen + stranger.seen if frame["type"] == "presence"] == []


async def test_r4_many_changes_are_few_frames(reg: Register) -> None:
    """50 changes within 5 s: at most two frames, the last with the final status."""
    a, b = await reg("a", "b")
    await befriend(a, b)
    async with ws(a) as own, ws(b) as watcher:
        await watcher.command("subscribe_presence", user_ids=[a.user_id])
        started = time.monotonic()
        for number in range(49):
            await own.command("presence_set", status=("busy", "away")[number % 2])
        await own.command("presence_set", status="online", status_text="at last")
        assert time.monotonic() - started < 5
        frame = await watcher.frame(type="presence", status="online", status_text="at last", timeout=11)
        frames = [one for one in watcher.seen if one["type"] == "presence"]
        assert len(frames) <= 2
        assert frames[-1] == frame
        await watcher.command("unsubscribe_presence", user_ids=[a.user_id])


async def test_r5_typing_is_told_once(reg: Register) -> None:
    """Ten times in 3 s is one frame; strangers are refused; nothing of it is stored."""
    a, b, d = await reg("a", "b", "d")
    g = (await group(a, [b]))["conversation_id"]
    async with ws(a) as writer, ws(b) as reader, ws(d) as stranger:
        for _ in range(10):
            assert (await writer.command("typing", conversation_id=g, is_typing=True))["type"] == "ack"
        frame = await reader.frame(type="typing")
        assert frame == {"type": "typing", "conversation_id": g, "user_id": a.user_id, "is_typing": True}
        refused = await stranger.command("typing", conversation_id=g, is_typing=True)
        assert (refused["type"], refused["code"]) == ("error", "FORBIDDEN")
        (await send(a, g, "done")).ok(201)
        await reader.frame(type="event", kind="message_created")
        await writer.frame(type="event", kind="message_created")
        assert sum(frame["type"] == "typing" for frame in reader.seen) == 1
        assert [frame for frame in writer.seen if frame["type"] == "typing"] == []
    assert [event["kind"] for event in await events(a, g)] == ["conversation_created", "message_created"]


async def test_r6_receipts_can_be_switched_off(reg: Register) -> None:
    """With send_read_receipts off others hear nothing, the own other device still does."""
    a, b = await reg("a", "b")
    g = (await direct(a, b))["conversation_id"]
    other = await b.login()
    async with ws(a) as writer, ws(b) as reader, ws(other) as second:
        first = (await send(a, g, "1")).ok(201)["seq"]
        await reader.command("read", conversation_id=g, seq=first)
        assert (await writer.frame(type="receipt", kind="read"))["user_id"] == b.user_id
        assert (await second.frame(type="my_state"))["my"]["last_read_seq"] == first

        (await b.patch("/v1/users/me", {"privacy": {"send_read_receipts": False}})).ok()
        hidden = (await send(a, g, "2")).ok(201)["seq"]
        await reader.command("delivered", conversation_id=g, seq=hidden)
        await reader.command("read", conversation_id=g, seq=hidden)
        await second.frame(type="my_state", after=len(second.seen) - 1)
        assert [f["my"]["last_read_seq"] for f in second.seen if f["type"] == "my_state"] == [first, hidden]

        (await b.patch("/v1/users/me", {"privacy": {"send_read_receipts": True}})).ok()
        last = (await send(a, g, "3")).ok(201)["seq"]
        await reader.command("read", conversation_id=g, seq=last)
        await writer.frame(type="receipt", seq=last)
        assert receipts(writer, b) == [first, last]
        assert [frame for frame in reader.seen if frame["type"] in {"my_state", "receipt"}] == []


async def test_r6_a_delivery_is_told_as_such(reg: Register) -> None:
    """`delivered` moves its own mark and sends a receipt of its kind."""
    a, b = await reg("a", "b")
    g = (await direct(a, b))["conversation_id"]
    async with ws(a) as writer, ws(b) as reader:
        seq = (await send(a, g, "1")).ok(201)["seq"]
        assert (await reader.command("delivered", conversation_id=g, seq=seq))["last_delivered_seq"] == seq
        receipt = await writer.frame(type="receipt")
        assert (receipt["kind"], receipt["seq"]) == ("delivered", seq)
    state = (await b.get(f"/v1/conversations/{g}")).ok()["my"]
    assert (state["last_read_seq"], state["last_delivered_seq"], state["unread_count"]) == (1, seq, 1)


async def test_r7_presence_without_a_socket(reg: Register) -> None:
    """POST /v1/presence makes online and offline; a wrong type is refused."""
    a, b = await reg("a", "b")
    await befriend(a, b)
    assert (await a.post("/v1/presence", {"online": True})).ok() == {"status": "online", "expires_in": 300}
    assert await status(b, a) == "online"
    body = {"online": True, "status": "away", "status_text": "on the train"}
    assert (await a.post("/v1/presence", body)).ok()["status"] == "away"
    (shown,) = (await b.get(f"/v1/presence?user_ids={a.user_id}")).ok()["presence"]
    assert (shown["status"], shown["status_text"]) == ("away", "on the train")
    assert (await a.post("/v1/presence", {"online": False})).ok()["status"] == "offline"
    assert await status(b, a) == "offline"
    for bad, field in (
        ({"online": "yes"}, "online"),
        ({}, "online"),
        ({"online": True, "status": "offline"}, "status"),
        ({"online": True, "status_text": "x" * 141}, "status_text"),
    ):
        answer = await a.post("/v1/presence", bad)
        answer.is_error(400, "VALIDATION_ERROR")
        assert answer.fields == [field]
    for query in ("", "?user_ids=x", "?user_ids=" + ",".join([a.user_id] * 101)):
        (await b.get(f"/v1/presence{query}")).is_error(400, "VALIDATION_ERROR")


async def test_r7_presence_over_http_runs_out(serve: Serve, reg: Register) -> None:
    """[presence.ttl=1] Who does not repeat itself is offline, and watchers are told."""
    async with serve(presence={"ttl": 1, "min_interval": 0.1}) as server:
        a, b = await reg("a", "b", url=server.url)
        await befriend(a, b)
        async with ws(b) as watcher:
            await watcher.command("subscribe_presence", user_ids=[a.user_id])
            (await a.post("/v1/presence", {"online": True})).ok()
            await watcher.frame(type="presence", status="online")
            await watcher.frame(type="presence", status="offline")
            assert await status(b, a) == "offline"
