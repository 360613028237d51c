"""The inbox: scenarios N1 to N3, C13, E4, A10's notice, and what a crash leaves."""

from typing import Any

from tests.scenarios.conftest import Register, Serve
from tests.scenarios.patience import eventually
from tests.scenarios.signaling import call
from tests.scenarios.steps import NIL, Person, group, send, ws


async def inbox(person: Person, query: str = "") -> Any:
    return (await person.get(f"/v1/notifications{query}")).ok()


async def entries(person: Person, type_: str, count: int = 1) -> list[Any]:
    """The entries of a type, once there are so many."""

    async def there() -> bool:
        return len((await inbox(person, f"?type={type_}"))["notifications"]) >= count

    await eventually(there, 10)
    found: list[Any] = (await inbox(person, f"?type={type_}"))["notifications"]
    assert len(found) == count
    return found


async def test_n1_messages_fold_into_one_entry(reg: Register) -> None:
    """Five messages are one entry that counts; reading, deleting; nobody touches another's inbox."""
    a, b, c = await reg("a", "b", "c")
    g = (await group(a, [b, c], title="Walks"))["conversation_id"]
    for number in range(5):
        sent = (await send(a, g, f"secret {number}")).ok(201)

    async def counted() -> bool:
        found = (await inbox(b, "?type=message"))["notifications"]
        return bool(found) and found[0]["count"] == 5

    await eventually(counted, 10)
    (entry,) = (await inbox(b, "?type=message"))["notifications"]
    assert (entry["title"], entry["body"], entry["is_read"]) == ("Walks", "New message from User a", False)
    assert entry["data"] == {
        "conversation_id": g,
        "message_id": sent["message_id"],
        "seq": str(sent["seq"]),
        "sender_id": a.user_id,
    }
    assert "secret" not in str(entry)
    assert (await inbox(a, "?type=message"))["notifications"] == [], "not of one's own"
    unread = (await b.get("/v1/notifications/count")).ok()["unread_count"]
    path = f"/v1/notifications/{entry['notification_id']}"
    for method in (c.delete, c.post):
        (await method(path if method == c.delete else f"{path}/read")).is_error(404, "NOT_FOUND")
    (await c.post(f"/v1/notifications/{NIL}/read")).is_error(404, "NOT_FOUND")
    for _ in range(2):
        (await b.post(f"{path}/read")).ok()
    assert (await b.get("/v1/notifications/count")).ok()["unread_count"] == unread - 1
    (await send(a, g, "again")).ok(201)
    newer, older = await entries(b, "message", 2)
    assert (newer["count"], older["notification_id"]) == (1, entry["notification_id"])
    (await b.post(f"/v1/conversations/{g}/read", {"seq": 10_000})).ok()
    assert (await inbox(b, "?type=message&unread_only=true"))["notifications"] == [], "read with the messages"
    assert (await b.post("/v1/notifications/read-all")).ok()["updated"] >= 1
    assert (await b.get("/v1/notifications/count")).ok() == {"unread_count": 0}
    (await b.delete(path)).ok()
    (await b.delete(path)).is_error(404, "NOT_FOUND")


async def test_n2_one_entry_of_each_type(reg: Register) -> None:
    """A friend request, a mention, a new group, a role, a reaction, an ended poll, encryption, a missed
    call."""
    a, b = await reg("a", "b")
    async with ws(b) as chat:
        (await a.post(f"/v1/users/{b.user_id}/friend")).ok(201)
        told = await chat.frame(type="notification")
    assert (told["notification"]["type"], told["unread_count"]) == ("friend_request", 1)
    (request,) = await entries(b, "friend_request")
    assert (request["body"], request["data"]) == ("User a wants to be your friend", {"user_id": a.user_id})
    assert told["notification"] == request

    g = (await group(a, [b], title="G"))["conversation_id"]
    (added,) = await entries(b, "conversation")
    assert (added["body"], added["data"]["conversation_id"]) == ("User a added you: G", g)
    (await send(a, g, "look", mentions=[b.user_id])).ok(201)
    (mention,) = await entries(b, "mention")
    assert (mention["title"], mention["body"]) == ("User a mentioned you", "In G")
    assert (await inbox(b, "?type=message"))["notifications"] == []
    (await a.patch(f"/v1/conversations/{g}/participants/{b.user_id}", {"role": "admin"})).ok()
    assert (await entries(b, "conversation", 2))[0]["body"] == "User a made you an admin: G"
    (await a.put(f"/v1/conversations/{g}/settings", {"is_e2ee_enabled": True})).ok()
    assert (await entries(b, "conversation", 3))[0]["title"] == "Encryption changed"
    (await a.put(f"/v1/conversations/{g}/settings", {"is_e2ee_enabled": False})).ok()

    call_id = await call(a, g, [b])
    (await a.post(f"/v1/calls/{call_id}/end")).ok()
    (missed,) = await entries(b, "call")
    assert (missed["title"], missed["body"]) == ("Missed call", "User a called")
    assert missed["data"] == {
        "call_id": call_id,
        "conversation_id": g,
        "caller_id": a.user_id,
        "call_type": "audio",
    }

    message = (await send(b, g, "mine")).ok(201)["message_id"]
    for person, emoji in ((a, "👍"), (a, "🎉"), (b, "👍")):
        (await person.post(f"/v1/messages/{message}/react", {"emoji": emoji})).ok(201)

    async def folded() -> bool:
        return [one["count"] for one in (await inbox(b, "?type=reaction"))["notifications"]] == [2]

    await eventually(folded, 10)
    body = {"conversation_id": g, "question": "?", "poll_type": "single", "options": ["1", "2"]}
    poll = (await b.post("/v1/polls", body)).ok(201)["poll_id"]
    (await a.post("/v1/polls/close", {"poll_id": poll})).ok()
    assert (await entries(b, "poll"))[0]["data"]["poll_id"] == poll


async def test_n3_preferences(reg: Register) -> None:
    """What is switched off is not told; wrong values are refused; quiet hours have a time zone."""
    a, b = await reg("a", "b")
    path = "/v1/notifications/preferences"
    assert (await b.get(path)).ok()["message_enabled"] is True
    (await b.patch(path, {"push_enabled": "no"})).is_error(400, "VALIDATION_ERROR")
    quiet = {"from": "22:00", "to": "07:00", "timezone": "Nowhere/Land"}
    (await b.patch(path, {"quiet_hours": quiet})).is_error(400, "VALIDATION_ERROR")
    quiet["timezone"] = "Europe/Berlin"
    changed = (await b.patch(path, {"message_enabled": False, "quiet_hours": quiet})).ok()
    assert (changed["message_enabled"], changed["quiet_hours"]) == (False, quiet)
    assert (await b.get(path)).ok() == changed
    assert (await b.patch(path, {"quiet_hours": None})).ok()["quiet_hours"] is None
    g = (await group(a, [b]))["conversation_id"]
    (await send(a, g, "untold")).ok(201)
    (await send(a, g, "told", mentions=[b.user_id])).ok(201)
    await entries(b, "mention")
    assert (await inbox(b, "?type=message"))["notifications"] == []


async def test_c13_a_muted_conversation(reg: Register) -> None:
    """Nothing of its messages, but of mentions."""
    a, b = await reg("a", "b")
    g = (await group(b, [a]))["conversation_id"]
    (await a.post(f"/v1/conversations/{g}/mute", {})).ok()
    (await send(b, g, "quiet")).ok(201)
    (await send(b, g, "you!", mentions=[a.user_id])).ok(201)
    await entries(a, "mention")
    assert (await inbox(a, "?type=message"))["notifications"] == []


async def test_n1_across_a_block_a_mention_is_a_message(reg: Register) -> None:
    """Whoever blocked a member hears of its mentions like of any message, and so does the blocked one."""
    a, b, c = await reg("a", "b", "c")
    g = (await group(a, [b, c]))["conversation_id"]
    (await b.post(f"/v1/users/{a.user_id}/block", {})).ok(201)
    (await send(a, g, "all of you", mentions=[b.user_id, c.user_id])).ok(201)
    await entries(c, "mention")
    await entries(b, "message")
    (await send(b, g, "you", mentions=[a.user_id])).ok(201)
    await entries(a, "message")
    for person in (a, b):
        assert (await inbox(person, "?type=mention"))["notifications"] == []


async def test_n1_who_was_removed_learns_no_later_title(reg: Register) -> None:
    """What is told of a removal says nothing that was named after it (G7)."""
    a, b = await reg("a", "b")
    g = (await group(a, [b], title="Before"))["conversation_id"]
    (await a.delete(f"/v1/conversations/{g}/participants/{b.user_id}")).ok()
    (await a.patch(f"/v1/conversations/{g}", {"title": "After"})).ok()

    async def told() -> bool:
        return "removed you" in str(await inbox(b))

    await eventually(told, 10)
    assert "After" not in str(await inbox(b))


async def test_a10_reuse_is_told(reg: Register) -> None:
    """Whoever uses a refresh token again finds a security entry after the next login."""
    (a,) = await reg("a")
    first = a.refresh
    (await a.post("/v1/auth/refresh", {"refresh_token": first})).ok()
    (await a.post("/v1/auth/refresh", {"refresh_token": first})).is_error(401, "TOKEN_REUSED")
    again = await a.login()
    found = await entries(again, "security", len((await inbox(again, "?type=security"))["notifications"]))
    assert "refresh_reuse" in {entry["data"]["event"] for entry in found}


async def test_entries_survive_a_crash_once(serve: Serve, reg: Register) -> None:
    """kill -9 right after accepted sends: after the start each is counted, and counted once."""
    async with serve() as server:
        a, b = await reg("a", "b", url=server.url)
        g = (await group(a, [b]))["conversation_id"]
        sent = 0
        for _ in range(3):
            for _ in range(4):
                (await send(a, g, "x")).ok(201)
                sent += 1
            server.kill()
            await server.start()

        async def all_told() -> bool:
            found = (await inbox(b, "?type=message"))["notifications"]
            return bool(found) and found[0]["count"] >= sent

        await eventually(all_told, 20)
        server.kill()
        await server.start()
        (entry,) = (await inbox(b, "?type=message"))["notifications"]
        assert entry["count"] == sent
