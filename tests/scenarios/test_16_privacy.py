"""Getting one's data and being erased: scenarios G7, G8 from the erasure on, G9 and K6."""

import asyncio
import io
import json
import secrets
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.scenarios.audit import audited
from tests.scenarios.bots import make_bot
from tests.scenarios.commands import make_admin, secureconnect
from tests.scenarios.conftest import Register, Serve
from tests.scenarios.files import fetch, file, picture
from tests.scenarios.indexed import indexed
from tests.scenarios.mail import mails
from tests.scenarios.patience import eventually
from tests.scenarios.remains import in_archive, in_files, in_rows, terms
from tests.scenarios.server import Server
from tests.scenarios.signaling import call, join
from tests.scenarios.steps import NIL, Person, direct, events, group, request, send

#: The files of every archive (docs/reference/http.md, users).
ALWAYS = {
    "profile.json",
    "sessions.json",
    "friends.json",
    "blocks.json",
    "memberships.json",
    "messages.json",
    "reactions.json",
    "votes.json",
    "notifications.json",
    "audit_records.json",
    "drafts.json",
    "files.json",
    "README.txt",
}


async def befriend(a: Person, b: Person) -> None:
    (await a.post(f"/v1/users/{b.user_id}/friend")).ok(201)
    (await b.post(f"/v1/users/me/friends/{a.user_id}/accept")).ok()


async def ask(a: Person, conversation_id: str, question: str, **fields: Any) -> Any:
    body = {
        "conversation_id": conversation_id,
        "question": question,
        "poll_type": "single",
        "options": ["yes", "no"],
        **fields,
    }
    return (await a.post("/v1/polls", body)).ok(201)


async def vote(a: Person, poll: Any, option: int = 0) -> None:
    body = {"poll_id": poll["poll_id"], "option_ids": [poll["options"][option]["option_id"]]}
    (await a.post("/v1/polls/vote", body)).ok()


async def react(a: Person, message_id: str, emoji: str = "👍") -> None:
    (await a.post(f"/v1/messages/{message_id}/react", {"emoji": emoji})).ok(201)


async def exported(a: Person) -> bytes:
    """The archive of a fresh export."""
    export_id = (await a.post("/v1/users/me/export")).ok(202)["export_id"]
    found: dict[str, Any] = {}

    async def ready() -> bool:
        found.update((await a.get(f"/v1/users/me/export/{export_id}")).ok())
        return bool(found["status"] != "pending")

    await eventually(ready)
    assert found["status"] == "ready", found
    return (await fetch(found["download_url"])).raw


def rows(archive: bytes, name: str) -> list[Any]:
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        return list(json.loads(opened.read(name)))


async def until_erased(admin: Person, user_id: str) -> Any:
    """The receipt."""
    await eventually(lambda: _erased(admin, user_id))
    return (await audited(admin, "user_erased", target_id=user_id))["details"]


async def _erased(person: Person, user_id: str) -> bool:
    user = (await person.get(f"/v1/users/{user_id}")).ok()["user"]
    return bool(user["display_name"] == "Deleted user")


async def test_g7_everything_of_oneself_and_of_nobody_else(admin: Person, reg: Register) -> None:
    """A's archive has every file, A's words and bytes, and nothing that B or C said; B cannot get at it."""
    a, b, c = await reg("a", "b", "c")
    mine, theirs = f"mine{secrets.token_hex(6)}", f"theirs{secrets.token_hex(6)}"
    await befriend(a, b)
    (await a.post(f"/v1/users/{c.user_id}/block", {"reason": f"{mine} reason"})).ok(201)
    g = (await group(a, [b], title="Garden"))["conversation_id"]
    said = (await send(b, g, f"{theirs} hello")).ok(201)["message_id"]
    await react(a, said)
    content = secrets.token_bytes(300_000)
    file_id = await file(a, content, file_name=f"{mine}:report.bin")
    own = await send(a, g, f"{mine} one", attachments=[file_id], reply_to_message_id=said)
    message_id = own.ok(201)["message_id"]
    (await a.put(f"/v1/conversations/{g}/draft", {"content": f"{mine} draft"})).ok()
    poll = await ask(b, g, "Lunch?")
    await vote(a, poll)
    await vote(b, poll, 1)
    (await send(b, g, f"{theirs} @a", mentions=[a.user_id])).ok(201)
    call_id = await call(b, g, [a])
    (await join(a, call_id)).ok()
    (await b.post(f"/v1/calls/{call_id}/end")).ok()
    for person, words in ((a, mine), (b, theirs)):
        (await person.post(f"/v1/calls/{call_id}/rating", {"rating": 3, "comment": words})).ok()

    async def told() -> bool:
        return bool((await a.get("/v1/notifications?type=mention")).ok()["notifications"])

    await eventually(told)

    started = await a.post("/v1/users/me/export")
    export_id = started.ok(202)["export_id"]
    assert started.data["status"] == "pending"
    assert (await a.post("/v1/users/me/export")).status in {409, 429}, "one runs, or was just made"
    state: dict[str, Any] = {}

    async def ready() -> bool:
        state.update((await a.get(f"/v1/users/me/export/{export_id}")).ok())
        return bool(state["status"] == "ready")

    await eventually(ready)
    downloaded = await fetch(state["download_url"])
    assert downloaded.headers["content-type"] == "application/zip"
    archive = downloaded.raw
    with zipfile.ZipFile(io.BytesIO(archive)) as opened:
        assert opened.testzip() is None
        names = set(opened.namelist())
        assert names >= ALWAYS, ALWAYS - names
        assert opened.read(f"files/{file_id}/{mine}_report.bin") == content
        readme = opened.read("README.txt").decode()
        assert all(name in readme for name in names if name.endswith(".json"))
    assert in_archive(archive, [theirs]) == []
    assert a.password.encode() not in archive
    assert rows(archive, "profile.json")[0]["email"] == a.email
    assert [row["session_id"] for row in rows(archive, "sessions.json")] == [a.session_id]
    assert [row["username"] for row in rows(archive, "friends.json")] == [b.username]
    assert [row["reason"] for row in rows(archive, "blocks.json")] == [f"{mine} reason"]
    assert [row["title"] for row in rows(archive, "memberships.json")] == ["Garden"]
    (message,) = rows(archive, "messages.json")
    assert (message["message_id"], message["content"]) == (message_id, f"{mine} one")
    assert message["attachments"][0]["file_id"] == file_id
    assert [row["message_id"] for row in rows(archive, "reactions.json")] == [said]
    assert [row["chosen"] for row in rows(archive, "votes.json")] == [["yes"]]
    assert [row["body"]["content"] for row in rows(archive, "drafts.json")] == [f"{mine} draft"]
    (log,) = rows(archive, "calls.json")
    assert (log["call_id"], log["direction"], log["status"]) == (call_id, "incoming", "completed")
    assert (log["quality_rating"], rows(archive, "call_ratings.json")[0]["rating_comment"]) == (3, mine)
    assert rows(archive, "notifications.json")
    assert {row["event"] for row in rows(archive, "audit_records.json")} >= {"register", "export_requested"}
    assert [row["file_id"] for row in rows(archive, "files.json")] == [file_id]

    again = await a.post("/v1/users/me/export")
    again.is_error(429, "RATE_LIMIT_EXCEEDED")
    assert 86_000 < int(again.headers["retry-after"]) <= 86_400
    for person in (b, admin):
        (await person.get(f"/v1/users/me/export/{export_id}")).is_error(404, "NOT_FOUND")
    (await a.get(f"/v1/users/me/export/{NIL}")).is_error(404, "NOT_FOUND")
    await audited(admin, "export_requested", actor_id=a.user_id)
    await audited(admin, "export_downloaded", actor_id=a.user_id)


async def live(a: Person, b: Person, marker: str) -> tuple[str, str, str]:
    """A leaves traces of every kind, each with the marker; the direct and group conversations, and a message
    of B's that A touched."""
    (await a.patch("/v1/users/me", {"display_name": f"{marker} name", "about": f"{marker} about"})).ok()
    await befriend(a, b)
    d = (await direct(a, b))["conversation_id"]
    g = (await group(b, [a], title=None))["conversation_id"]
    file_id = await file(a, picture(), "image/png", file_name=f"{marker}.png")
    (await a.put("/v1/users/me/avatar", {"file_id": file_id})).ok()
    raw = await file(a, f"{marker} bytes ".encode() * 100, file_name=f"{marker}.txt")
    first = (await send(a, d, f"{marker} hello", f"{marker}-key", attachments=[raw])).ok(201)["message_id"]
    (await a.patch(f"/v1/messages/{first}", {"content": f"{marker} edited"})).ok()
    (await a.post(f"/v1/conversations/{d}/pins", {"message_id": first})).ok(201)
    (await send(a, g, f"{marker} group", mentions=[b.user_id], metadata={"k": f"{marker} meta"})).ok(201)
    said = (await send(b, g, "something")).ok(201)["message_id"]
    await react(a, said)
    (await send(a, g, f"{marker} thread", thread_root_id=said)).ok(201)
    await ask(a, g, f"{marker} question")
    await vote(a, await ask(b, g, "Lunch?"))
    (await a.put(f"/v1/conversations/{d}/draft", {"content": f"{marker} draft"})).ok()
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat(timespec="milliseconds")
    later = {"conversation_id": d, "content": f"{marker} later", "message_type": "text"}
    (await a.post("/v1/messages/scheduled", {**later, "send_at": tomorrow})).ok(201)
    (await a.patch("/v1/notifications/preferences", {"message_preview": True})).ok()
    report = {"target_type": "message", "target_id": first, "reason": f"{marker} is what it says"}
    (await b.post("/v1/reports", {**report, "include_content": True})).ok(201)
    (
        await a.post(
            "/v1/reports", {"target_type": "user", "target_id": b.user_id, "reason": f"{marker} says so"}
        )
    ).ok(201)
    call_id = await call(a, d, [b])
    (await join(b, call_id)).ok()
    (await a.post(f"/v1/calls/{call_id}/end")).ok()
    (await a.post(f"/v1/calls/{call_id}/rating", {"rating": 2, "comment": f"{marker} noise"})).ok()
    (await a.post(f"/v1/calls/{await call(a, d, [b])}/end")).ok()  # missed
    headers = {"idempotency-key": f"{marker}-idem"}
    (await a.post("/v1/users/me/export", headers=headers)).ok(202)
    await eventually(lambda: _indexed(b, marker))
    return d, g, said


async def _indexed(b: Person, marker: str) -> bool:
    await indexed(b)
    found = (await b.get(f"/v1/messages/search?query={marker}")).ok()
    return len(found["messages"]) >= 3


async def test_g8_erased_means_erased(serve: Serve, reg: Register) -> None:
    """B sees a deleted user who said nothing. No table, index, object, file or log holds A's address, names,
    words or bytes; the receipt counts what went; address and name are free again."""
    async with serve(privacy={"erase_delay_days": 0}) as server:
        admin = await make_admin(server)
        a, b = await reg("a", "b", url=server.url)
        marker = f"zq{secrets.token_hex(8)}"
        markers = [marker, a.email, a.username]
        d, g, said = await live(a, b, marker)
        assert list(in_rows(server, markers)), "the search for traces finds them while they are there"
        robot = await make_bot(a, "messages:read")
        (await a.delete("/v1/users/me")).ok()
        receipt = await until_erased(admin, a.user_id)

        for name in (
            "messages",
            "files",
            "memberships",
            "sessions",
            "votes",
            "calls",
            "people",
            "notifications",
        ):
            assert int(receipt[name]) > 0, (name, receipt)
        (await robot.get("/v1/sync")).is_error(401, "TOKEN_REVOKED")
        user = (await b.get(f"/v1/users/{a.user_id}")).ok()["user"]
        assert (user["display_name"], user["username"], user["is_deleted"]) == ("Deleted user", None, True)
        for conversation_id in (d, g):
            page = (await b.get(f"/v1/messages?conversation_id={conversation_id}&limit=50")).ok()
            messages = [one for one in page["messages"] if one["sender_id"] == a.user_id]
            assert messages
            for one in messages:
                assert (one["content"], one["attachments"], one["sender_name"]) == ("", [], "Deleted user")
                assert (one["delete_reason"], one["deleted_by"]) == ("erased", None)
        assert (await b.get(f"/v1/messages/{said}")).ok()["reactions"] == []
        assert (await b.get(f"/v1/conversations/{d}")).ok()["name"] == "Deleted user"
        members = (await b.get(f"/v1/conversations/{g}/participants")).ok()["participants"]
        assert [member["user_id"] for member in members] == [b.user_id]
        last = (await events(b, g))[-1]
        assert last["kind"] == "member_removed"
        assert last["data"] == {"user_id": a.user_id, "by": None, "reason": "erased"}
        for talked in (await b.get("/v1/calls")).ok()["calls"]:
            assert talked["participants"][0]["display_name"] == "Deleted user"
        assert (await b.get("/v1/users/me/friends")).ok()["friends"] == []
        await indexed(b)
        assert (await b.get(f"/v1/messages/search?query={marker}")).ok()["messages"] == []

        assert list(in_rows(server, markers)) == []
        assert not [term for term in terms(server) if marker in term]
        assert not [key for key in server.object_keys() if a.user_id in key], "no object is left"
        keep_only_the_id(server, a)
        assert await server.stop() == 0
        assert list(in_files(server, markers)) == []

        await server.start()
        body = {"email": a.email, "username": a.username, "password": a.password, "display_name": "New"}
        assert (await request(server.url, "POST", "/v1/auth/register", body)).ok(201)["user"][
            "user_id"
        ] != a.user_id


def keep_only_the_id(server: Server, a: Person) -> None:
    """Records of what A did name neither address nor device."""
    query = "SELECT ip, user_agent, session_id, request_id FROM audit_logs WHERE actor_id = ?"
    told = server.tables.rows(query, a.user_id)
    assert told
    assert {value for row in told for value in row} == {None}


async def test_g9_groups_find_another_owner(serve: Serve, reg: Register) -> None:
    """A's groups go to the longest-serving admin, else to the longest-serving member, never to a bot or to
    somebody who is leaving too; a group with nobody else ends. Deleting twice changes nothing."""
    async with serve(privacy={"erase_delay_days": 0}) as server:
        admin = await make_admin(server)
        a, b, c, e = await reg("a", "b", "c", "e", url=server.url)
        robot = await make_bot(a, "messages:read")
        admins = (await group(a, [b, c, e]))["conversation_id"]
        for person in (e, c):
            path = f"/v1/conversations/{admins}/participants/{person.user_id}"
            (await a.patch(path, {"role": "admin"})).ok()
        members = (await group(a, [robot, b]))["conversation_id"]
        alone = (await group(a, [robot]))["conversation_id"]
        (await a.delete("/v1/users/me")).ok()
        await until_erased(admin, a.user_id)

        owner = (await b.get(f"/v1/conversations/{admins}")).ok()["owner_id"]
        assert owner in {c.user_id, e.user_id}, "an admin"
        changed, gone = (await events(b, admins))[-2:]
        assert changed["kind"] == "member_role_changed"
        assert changed["data"] == {"user_id": owner, "role": "admin", "by": None, "owner_id": owner}
        assert gone["data"] == {"user_id": a.user_id, "by": None, "reason": "erased"}
        assert (await b.get(f"/v1/conversations/{members}")).ok()["owner_id"] == b.user_id
        await audited(admin, "ownership_transferred", target_id=members, actor_type="system")
        for table in ("conversations", "timeline_events"):
            left = f"SELECT count(*) FROM {table} WHERE conversation_id = ?"
            assert server.tables.rows(left, alone) == [(0,)]


async def test_k6_an_operator_exports_and_erases(serve: Serve, reg: Register, tmp_path: Path) -> None:
    """Beside a running server and without one; the archive is A's, the receipt counts, errors are told."""
    async with serve() as server:
        admin = await make_admin(server)
        a, b = await reg("a", "b", url=server.url)
        d = (await direct(a, b))["conversation_id"]
        marker = f"zq{secrets.token_hex(8)}"
        (await send(a, d, f"{marker} one")).ok(201)
        (await send(b, d, f"{marker}b two")).ok(201)
        place = ("--data-dir", server.data_dir)

        async def run(*arguments: str | Path) -> Any:
            return await secureconnect(*arguments, *place, cwd=tmp_path, beside=server)

        out = tmp_path / "a.zip"
        told = await run("export-user", "--user", a.email, "--out", out, "--json")
        assert told.code == 0, told.err
        assert told.json["user_id"] == a.user_id
        assert told.json["counts"]["messages.json"] == 1
        archive = out.read_bytes()
        assert out.stat().st_mode & 0o077 == 0
        assert [row["content"] for row in rows(archive, "messages.json")] == [f"{marker} one"]
        refused = await asyncio.gather(
            run("export-user", "--user", a.user_id, "--out", out),
            run("export-user", "--user", NIL, "--out", tmp_path / "nobody.zip"),
            run("erase-user", "--user", a.email),
            run("erase-user", "--user", admin.email, "--yes"),
        )
        assert [outcome.code for outcome in refused] == [1, 1, 2, 1]
        assert "exists" in refused[0].err
        assert "--yes" in refused[2].err
        assert "last server admin" in refused[3].err
        await audited(admin, "export_requested", target_id=a.user_id, actor_type="system")
        (await a.get("/v1/users/me")).ok()
        told = await run("erase-user", "--user", a.email, "--yes", "--json")
        assert told.code == 0, told.err
        assert told.json["counts"]["messages"] == 1
        (await a.get("/v1/users/me")).is_error(401, "UNAUTHORIZED")
        user = (await b.get(f"/v1/users/{a.user_id}")).ok()["user"]
        assert user["display_name"] == "Deleted user", "the running server knows at once"
        assert list(in_rows(server, [f"{marker} ", a.email, a.username])) == []

        assert await server.stop() == 0
        told = await run("erase-user", "--user", b.user_id, "--yes")
        assert told.code == 0, told.err
        assert told.out.decode().startswith(f"{b.user_id} erased\n")
        assert list(in_rows(server, [marker, b.email, b.username])) == []
        assert not [term for term in terms(server) if marker in term]
        assert list(in_files(server, [marker, a.email, b.email, a.username, b.username])) == []
        left = server.tables.rows("SELECT count(*) FROM conversations")
        assert left == [(0,)], "a conversation of two who are erased is nobody's"
        assert not mails(server, a.email)
