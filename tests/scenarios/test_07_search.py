"""Search: scenarios M15, M25, what M9 and G7 say about it, and E3 and E6."""

import base64
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from tests.scenarios.conftest import Register, Serve
from tests.scenarios.indexed import indexed
from tests.scenarios.server import Server
from tests.scenarios.steps import NIL, Answer, Person, direct, group, request, send


async def look(person: Person, query: str, **params: Any) -> Answer:
    await indexed(person)
    return await person.get("/v1/messages/search", params={"query": query, **params})


async def texts(person: Person, query: str, **params: Any) -> list[str]:
    """What is found, newest first."""
    return [message["content"] for message in (await look(person, query, **params)).ok()["messages"]]


async def say(person: Person, conversation_id: str, text: str, **fields: Any) -> str:
    """Send, and let it be indexed: what two processes take within that moment is found in either order."""
    message_id = str((await send(person, conversation_id, text, **fields)).ok(201)["message_id"])
    await indexed(person)
    return message_id


async def upload(person: Person, name: str, content_type: str, content: bytes) -> str:
    """The id of a completed file."""
    wanted = {"file_name": name, "file_size": len(content), "content_type": content_type}
    grant = (await person.post("/v1/storage/upload-url", wanted)).ok()
    async with httpx.AsyncClient(verify=False) as client:
        put = await client.put(grant["upload_url"], content=content, headers=grant["headers"])
    assert put.status_code in {200, 201}, put.text
    return str(
        (await person.post("/v1/storage/upload-complete", {"file_id": grant["file_id"]})).ok()["file_id"]
    )


async def test_m15_words(reg: Register) -> None:
    """Beginnings of words, all of them, without case and diacritics; nothing deleted; members only."""
    a, b, d = await reg("a", "b", "d")
    g = (await group(a, [b]))["conversation_id"]
    for text in ("Hello world", "Help the world", "Shelter", "Un café crème"):
        await say(a, g, text)
    gone = await say(a, g, "hello from the past")
    assert await texts(b, "hel") == ["hello from the past", "Help the world", "Hello world"]
    (await a.delete(f"/v1/messages/{gone}")).ok()
    assert await texts(b, "hel") == ["Help the world", "Hello world"]
    assert await texts(a, "WORLD hello") == ["Hello world"]
    assert await texts(a, "hello shelter") == []
    for spelling in ("cafe", "café", "CAFÉ", "cafe\u0301 crem"):
        assert await texts(b, spelling, conversation_id=g) == ["Un café crème"]
    (found,) = (await look(b, "creme")).ok()["messages"]
    assert found == (await b.get(f"/v1/messages/{found['message_id']}")).ok()
    (await look(d, "hel", conversation_id=g)).is_error(403, "FORBIDDEN")
    assert await texts(d, "hel") == []
    (await look(d, "hel", conversation_id=NIL)).is_error(404, "NOT_FOUND")
    (await look(d, "hel", sender_id=NIL)).is_error(404, "NOT_FOUND")
    for query in ("", "   ", "!?", "has:sound", "before:yesterday", "after:2026-02-30", "in:here", "from:"):
        refused = await look(a, query)
        refused.is_error(400, "VALIDATION_ERROR")
        assert refused.fields == ["query"], query
    (await a.get("/v1/messages/search")).is_error(400, "VALIDATION_ERROR")
    for params in ({"limit": 51}, {"cursor": "zzz"}, {"from": "yesterday"}, {"has": "x"}, {"sender_id": "x"}):
        (await look(a, "hel", **params)).is_error(400, "VALIDATION_ERROR")


async def test_m25_filters(reg: Register) -> None:
    """What it has, who wrote it, when, and where: as parameters and inside the query."""
    a, b = await reg("a", "b")
    g = (await group(a, [b]))["conversation_id"]
    other = (await direct(a, b))["conversation_id"]
    notes = await upload(a, "notes.txt", "text/plain", b"some notes")
    await say(a, g, "report as a file", attachments=[notes], message_type="file")
    await say(b, g, "report at https://example.test/report")
    await say(b, other, "report of b")
    poll = {"conversation_id": g, "question": "Report when?", "poll_type": "single", "options": ["1", "2"]}
    (await a.post("/v1/polls", poll)).ok(201)
    everything = [
        "Report when?",
        "report of b",
        "report at https://example.test/report",
        "report as a file",
    ]
    assert await texts(b, "report") == everything
    assert await texts(b, "has:file") == await texts(b, "report", has="file") == everything[3:]
    assert await texts(b, "report has:image") == []
    assert await texts(a, "has:link") == everything[2:3]
    assert await texts(a, "has:poll repo") == await texts(a, "repo", message_type="poll") == everything[:1]
    by_b = everything[1:3]
    assert await texts(a, f"from:{b.username}") == await texts(a, "report", sender_id=b.user_id) == by_b
    assert await texts(b, "from:me report") == by_b
    assert await texts(a, f"from:@{b.username.upper()} has:link") == by_b[1:]
    assert await texts(a, f"report from:{b.username}", sender_id=a.user_id) == []
    assert await texts(a, "report from:nobody-at-all") == []
    assert await texts(a, f"in:{other}") == await texts(a, "report", conversation_id=other) == ["report of b"]
    (await look(a, f"report in:{g}", conversation_id=other)).is_error(400, "VALIDATION_ERROR")

    today = datetime.now(UTC).date()
    tomorrow, yesterday = today + timedelta(days=1), today - timedelta(days=1)
    assert await texts(a, f"report before:{yesterday}") == []
    assert await texts(a, f"report after:{tomorrow}") == []
    assert await texts(a, f"report after:{yesterday} before:{tomorrow}") == everything
    (first,) = (await look(a, "report", has="file")).ok()["messages"]
    assert await texts(a, "report", to=first["sent_at"], **{"from": first["sent_at"]}) == everything[3:]
    hour_ago = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    assert await texts(a, "report", to=hour_ago) == []

    chinese = await say(b, g, "我们明天在东京见面。")
    assert await texts(a, "东京") == await texts(a, "明天 在东") == ["我们明天在东京见面。"]
    assert await texts(a, "京东") == []
    (await b.patch(f"/v1/messages/{chinese}", {"content": "我们明天在大阪见面。"})).ok()
    assert await texts(a, "东京") == []
    assert await texts(a, "大阪") == ["我们明天在大阪见面。"]
    (await b.delete(f"/v1/messages/{chinese}")).ok()
    assert await texts(a, "大阪") == []


async def test_m25_pages(reg: Register) -> None:
    """A walk gives each lasting message once, whatever comes and goes meanwhile; its cursor is its own."""
    a, b = await reg("a", "b")
    groups = [(await group(a, [b]))["conversation_id"] for _ in range(2)]
    ids = [await say(a, groups[number % 2], f"walk {number}") for number in range(25)]
    walked: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await look(b, "walk", limit=7, **cursor)).ok()
        walked += [message["message_id"] for message in page["messages"]]
        assert page["has_more"] == (page["next_cursor"] is not None)
        if not page["has_more"]:
            break
        cursor = {"cursor": page["next_cursor"]}
        if len(walked) == 7:
            await say(a, groups[0], "walk in between")
            (await a.delete(f"/v1/messages/{ids[3]}")).ok()
            (await a.patch(f"/v1/messages/{ids[5]}", {"content": "walked away"})).ok()
            (await a.patch(f"/v1/messages/{ids[24]}", {"content": "walked home"})).ok()
    assert walked == [one for one in reversed(ids) if one != ids[3]]
    for person, query, params in ((a, "walk", {}), (b, "wal", {}), (b, "walk", {"has": "link"})):
        (await look(person, query, **params, **cursor)).is_error(400, "VALIDATION_ERROR")


async def test_m9_m10_what_is_hidden_is_not_found(reg: Register) -> None:
    """Deleted by a moderator: no hit for anybody. Deleted for oneself, or cleared: none for oneself."""
    a, b = await reg("a", "b")
    g = (await group(a, [b]))["conversation_id"]
    first, second = await say(b, g, "hidden one"), await say(b, g, "hidden two")
    (await a.delete(f"/v1/messages/{first}")).ok()
    assert await texts(a, "hidden") == await texts(b, "hidden") == ["hidden two"]
    (await a.delete(f"/v1/messages/{second}?scope=me")).ok()
    assert await texts(a, "hidden") == []
    assert await texts(b, "hidden") == ["hidden two"]


async def test_g7_members_find_what_they_may_read(reg: Register) -> None:
    """Nothing after a removal, nothing from before a join with `joined`, nothing from the gap between."""
    a, b, c = await reg("a", "b", "c")
    g = (await group(a, [b]))["conversation_id"]
    (await a.put(f"/v1/conversations/{g}/settings", {"history_visibility": "joined"})).ok()
    await say(a, g, "secret early")
    (await a.post(f"/v1/conversations/{g}/participants", {"user_ids": [c.user_id]})).ok()
    await say(a, g, "secret middle")
    assert await texts(c, "secret") == ["secret middle"]
    assert await texts(b, "secret", conversation_id=g) == ["secret middle", "secret early"]
    (await a.delete(f"/v1/conversations/{g}/participants/{b.user_id}")).ok()
    await say(a, g, "secret gap")
    assert await texts(b, "secret") == []
    (await look(b, f"secret in:{g}")).is_error(403, "FORBIDDEN")
    (await a.post(f"/v1/conversations/{g}/participants", {"user_ids": [b.user_id]})).ok()
    await say(a, g, "secret late")
    assert await texts(b, "secret") == ["secret late"]


async def test_e3_encrypted_conversations_are_not_searched(reg: Register) -> None:
    """Refused when it is named, without hits when it is not, also for what was plain before."""
    a, b = await reg("a", "b")
    g = (await group(a, [b]))["conversation_id"]
    await say(a, g, "plainmarker before")
    await say(a, g, "plainmarker opaque", is_encrypted=True)
    assert await texts(b, "plainmarker") == ["plainmarker before"]
    (await a.put(f"/v1/conversations/{g}/settings", {"is_e2ee_enabled": True})).ok()
    (await look(b, "plainmarker", conversation_id=g)).is_error(403, "E2EE_BLOCKED")
    (await look(b, f"in:{g} plainmarker")).is_error(403, "E2EE_BLOCKED")
    assert await texts(b, "plainmarker") == []
    (await a.put(f"/v1/conversations/{g}/settings", {"is_e2ee_enabled": False})).ok()
    assert await texts(b, f"in:{g} plainmarker") == ["plainmarker before"]


async def test_e6_nothing_encrypted_is_in_the_index(server: Server, reg: Register) -> None:
    """The text of an encrypted message is nowhere in the file of the index, nor are deleted words found."""
    a, b = await reg("a", "b")
    g = (await group(a, [b]))["conversation_id"]
    marker = f"marker{secrets.token_hex(8)}"
    hidden = [marker, base64.b64encode(marker.encode()).decode()]
    for content in hidden:
        await say(a, g, content, is_encrypted=True)
    await say(a, g, f"plain{marker[6:]}")
    assert await texts(b, f"plain{marker[6:]}") == [f"plain{marker[6:]}"]
    assert await texts(b, marker) == []
    dumps = [tables.dump().decode(errors="replace") for tables in server.indexes]
    stored = "\n".join([*server.search_terms(), *dumps])
    assert marker[6:] in stored
    for content in hidden:
        assert content.lower() not in stored.lower()


async def test_search_survives_a_crash_and_a_lost_index(serve: Serve, reg: Register) -> None:
    """After SIGKILL everything acknowledged is found; without its file the index is made again."""
    async with serve() as server:
        a, b = await reg("a", "b", url=server.url)
        g = (await group(a, [b]))["conversation_id"]
        ids = [await say(a, g, f"crash {number}") for number in range(12)]
        assert len(await texts(b, "crash")) == 12
        ids += [await say(a, g, f"crash {number}") for number in range(12, 20)]
        (await a.patch(f"/v1/messages/{ids[0]}", {"content": "changed before the crash"})).ok()
        (await a.delete(f"/v1/messages/{ids[1]}")).ok()
        server.kill()
        await server.start()
        expected = ["changed before the crash"] + [f"crash {number}" for number in range(2, 20)]
        assert await texts(b, "crash", limit=50) == expected[::-1]
        assert await texts(b, "changed") == expected[:1]
        if not server.indexes:  # it is among the tables, and lives and dies with them
            return
        assert await server.stop() == 0
        for file in server.data_dir.glob("search.db*"):
            file.unlink()
        await server.start()
        assert await texts(b, "crash", limit=50) == expected[::-1]
        await say(a, g, "crash after")
        assert (await texts(b, "crash", limit=50))[0] == "crash after"
        assert await server.stop() == 0
        (server.data_dir / "search.db").write_bytes(b"not a database" * 1000)
        await server.start()
        assert await texts(b, "crash", limit=50) == ["crash after", *expected[::-1]]
        (await request(server.url, "GET", "/v1/messages/search?query=crash")).is_error(401, "UNAUTHORIZED")
