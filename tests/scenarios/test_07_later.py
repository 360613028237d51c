"""What waits and what goes away: scenarios M17 and M19, drafts of M24."""

from datetime import UTC, datetime, timedelta
from typing import Any

from tests.scenarios.conftest import Register, Serve
from tests.scenarios.indexed import indexed
from tests.scenarios.patience import eventually
from tests.scenarios.steps import NIL, Person, direct, events, group, send, ws


def ahead(seconds: float) -> str:
    """A time `seconds` from now."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat(timespec="milliseconds")


async def schedule(person: Person, conversation_id: str, text: str, seconds: float, **fields: Any) -> Any:
    body = {"conversation_id": conversation_id, "content": text, "send_at": ahead(seconds), **fields}
    return (await person.post("/v1/messages/scheduled", body)).ok(201)


async def test_m17_scheduled_messages(reg: Register) -> None:
    """Sent once, in time, with the newest text; not for a removed author, and not when cancelled."""
    a, b, c, d = await reg("a", "b", "c", "d")
    g = (await group(a, [b, c]))["conversation_id"]
    body = {"conversation_id": g, "content": "x", "send_at": ahead(-5)}
    past = await a.post("/v1/messages/scheduled", body)
    past.is_error(400, "VALIDATION_ERROR")
    assert past.fields == ["send_at"]
    for person, conversation_id, status in ((d, g, 403), (a, NIL, 404)):
        refused = await person.post(
            "/v1/messages/scheduled", {**body, "conversation_id": conversation_id, "send_at": ahead(60)}
        )
        assert refused.status == status

    first = await schedule(a, g, "old", 11, mentions=[b.user_id], metadata={"n": 1})
    path = f"/v1/messages/scheduled/{first['scheduled_id']}"
    assert (first["status"], first["content"], first["metadata"]) == ("pending", "old", {"n": 1})
    changed = (await a.patch(path, {"content": "new"})).ok()
    assert (changed["content"], changed["send_at"]) == ("new", first["send_at"])
    for method in (b.patch, b.delete):
        (await method(path)).is_error(404, "NOT_FOUND")
    lost = await schedule(c, g, "from outside", 11)
    dropped = await schedule(a, g, "never", 12)
    assert (await a.delete(f"/v1/messages/scheduled/{dropped['scheduled_id']}")).ok()["status"] == "cancelled"
    (await a.delete(f"/v1/messages/scheduled/{dropped['scheduled_id']}")).is_error(409, "CONFLICT")
    waiting = (await a.get(f"/v1/messages/scheduled?conversation_id={g}")).ok()["scheduled"]
    assert [one["scheduled_id"] for one in waiting] == [first["scheduled_id"]]
    (await a.delete(f"/v1/conversations/{g}/participants/{c.user_id}")).ok()

    async with ws(b) as receiver, ws(c) as outside:
        told = await receiver.frame(type="event", kind="message_created", timeout=20)
        failed = await outside.frame(type="scheduled_failed", timeout=20)
    message = told["data"]["message"]
    assert (message["content"], message["mentions"], message["sender_id"]) == ("new", [b.user_id], a.user_id)
    late = datetime.fromisoformat(message["sent_at"]) - datetime.fromisoformat(first["send_at"])
    assert timedelta(0) <= late <= timedelta(seconds=5)
    assert (failed["scheduled_id"], failed["code"]) == (lost["scheduled_id"], "FORBIDDEN")
    failures = (await c.get("/v1/messages/scheduled?status=failed")).ok()["scheduled"]
    assert [(one["scheduled_id"], one["failure_code"]) for one in failures] == [
        (lost["scheduled_id"], "FORBIDDEN")
    ]

    async def noted() -> bool:
        sent = (await a.get("/v1/messages/scheduled?status=sent")).ok()["scheduled"]
        return [one["message_id"] for one in sent] == [message["message_id"]]

    await eventually(noted)
    (await a.patch(path, {"content": "later"})).is_error(409, "CONFLICT")
    said = [
        one["data"]["message"]["content"] for one in await events(b, g) if one["kind"] == "message_created"
    ]
    assert said == ["new"]


async def test_m17_survives_a_crash(serve: Serve, reg: Register) -> None:
    """A message that waits is sent once after a kill -9 and a new start."""
    async with serve() as server:
        a, b = await reg("a", "b", url=server.url)
        g = (await group(a, [b]))["conversation_id"]
        await schedule(a, g, "still here", 10.2)
        server.kill()
        await server.start()

        async def arrived() -> bool:
            log = await events(b, g)
            return any(one["kind"] == "message_created" for one in log)

        await eventually(arrived, 30)
        server.kill()
        await server.start()
        said = [one for one in await events(b, g) if one["kind"] == "message_created"]
        assert len(said) == 1


async def test_m17_only_so_many_may_wait(serve: Serve, reg: Register) -> None:
    """One more than `messaging.max_scheduled` is refused."""
    async with serve(messaging={"max_scheduled": 2}) as server:
        a, b = await reg("a", "b", url=server.url)
        d = (await direct(a, b))["conversation_id"]
        for _ in range(2):
            await schedule(a, d, "x", 60)
        body = {"conversation_id": d, "content": "x", "send_at": ahead(60)}
        (await a.post("/v1/messages/scheduled", body)).is_error(409, "LIMIT_REACHED")


async def test_m19_messages_that_go_away(reg: Register) -> None:
    """After their time they are empty rows with their reason, told to everybody and found no more."""
    a, b = await reg("a", "b")
    g = (await group(a, [b]))["conversation_id"]
    kept = (await send(a, g, "kept")).ok(201)
    settings = {"message_ttl_seconds": 5}
    (await a.put(f"/v1/conversations/{g}/settings", settings)).ok()
    async with ws(b) as chat:
        message = (await send(a, g, "short-lived")).ok(201)
        life = datetime.fromisoformat(message["expires_at"]) - datetime.fromisoformat(message["sent_at"])
        assert life == timedelta(seconds=5)
        await indexed(a)
        search = f"/v1/messages/search?query=lived&conversation_id={g}"
        assert len((await b.get(search)).ok()["messages"]) == 1
        told = await chat.frame(type="event", kind="message_deleted", timeout=66)
    assert told["data"] == {
        "message_id": message["message_id"],
        "target_seq": message["seq"],
        "deleted_by": None,
        "reason": "expired",
    }
    gone = (await b.get(f"/v1/messages/{message['message_id']}")).ok()
    assert (gone["content"], gone["delete_reason"]) == ("", "expired")
    assert (await b.get(f"/v1/messages/{kept['message_id']}")).ok()["content"] == "kept"
    assert "short-lived" not in str(await events(b, g))
    assert (await b.get(search)).ok()["messages"] == []


async def test_m24_drafts(reg: Register) -> None:
    """One per conversation and thread, on all devices of its author and seen by nobody else."""
    a, b, d = await reg("a", "b", "d")
    g = (await group(a, [b]))["conversation_id"]
    root = (await send(a, g, "root")).ok(201)["message_id"]
    path = f"/v1/conversations/{g}/draft"
    async with ws(a) as other:
        saved = (await a.put(path, {"content": "half", "reply_to_message_id": root})).ok()["draft"]
        told = await other.frame(type="draft")
        assert (told["conversation_id"], told["thread_root_id"], told["draft"]) == (g, None, saved)
        (await a.put(path, {"content": "in the thread", "thread_root_id": root})).ok()
        assert (await a.get(path)).ok()["draft"] == saved
        assert (saved["content"], saved["reply_to_message_id"]) == ("half", root)
        threaded = (await a.get(f"{path}?thread_root_id={root}")).ok()["draft"]
        assert (threaded["content"], threaded["thread_root_id"]) == ("in the thread", root)
        assert (await b.get(path)).ok() == {"draft": None}
        (await send(a, g, "sent meanwhile")).ok(201)
        assert (await a.get(path)).ok()["draft"] == saved
        after = len(other.seen)
        assert (await a.delete(path)).ok() == {"draft": None}
        assert (await other.frame(type="draft", after=after))["draft"] is None
    assert (await a.get(path)).ok() == {"draft": None}
    assert (await a.put(f"{path}", {"content": "", "thread_root_id": root})).ok() == {"draft": None}
    assert (await a.get(f"{path}?thread_root_id={root}")).ok() == {"draft": None}
    for answer in (await d.get(path), await d.put(path, {"content": "x"}), await d.delete(path)):
        answer.is_error(403, "FORBIDDEN")
    (await a.put(path, {"content": "x", "reply_to_message_id": NIL})).is_error(404, "NOT_FOUND")
    (await a.put(path, {"content": "x", "attachments": [NIL]})).is_error(404, "NOT_FOUND")
    (await a.put(path, {"content": "x" * 10_001})).is_error(400, "VALIDATION_ERROR")
    sealed = (await group(a, [b], is_e2ee_enabled=True))["conversation_id"]
    (await a.put(f"/v1/conversations/{sealed}/draft", {"content": "x"})).is_error(409, "E2EE_REQUIRED")
    kept = await a.put(f"/v1/conversations/{sealed}/draft", {"content": "AA==", "is_encrypted": True})
    assert kept.ok()["draft"]["is_encrypted"] is True
