"""What server admins see, and that all of it is written down: scenarios G1, G2, G5 and G11."""

import asyncio
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.scenarios.audit import audited
from tests.scenarios.bots import make_bot
from tests.scenarios.commands import make_admin
from tests.scenarios.conftest import Register, Serve
from tests.scenarios.factors import protect
from tests.scenarios.files import begin, file
from tests.scenarios.openapi import served
from tests.scenarios.patience import eventually
from tests.scenarios.profiles import PROFILE
from tests.scenarios.server import Server
from tests.scenarios.steps import NIL, PASSWORD, Person, direct, group, request, send, ws

REASON = {"reason": "Asked for by the owner."}


async def listed(admin: Person, **query: Any) -> list[Any]:
    """A whole walk through the accounts; every page tells the same total."""
    found: list[Any] = []
    cursor: dict[str, str] = {}
    totals = set()
    while True:
        page = (await admin.get("/v1/admin/users", params={**query, **cursor})).ok()
        found += page["users"]
        totals.add(page["total_count"])
        if not page["has_more"]:
            assert totals == {len(found)}
            return found
        cursor = {"cursor": page["next_cursor"]}


async def test_g1_only_who_is_an_admin_now(server: Server, admin: Person, reg: Register) -> None:
    """Every route of administration: 403 for users and past admins, 401 without a token."""
    a, b = await reg("a", "b")
    operations = [one for one in (await served(server)).operations if one.path.startswith("/v1/admin")]
    assert len(operations) >= 18
    (await admin.patch(f"/v1/admin/users/{b.user_id}", {"role": "admin"})).ok()
    demoted = await b.login()  # its token says admin from now on
    (await demoted.get("/v1/admin/stats")).ok()
    (await admin.patch(f"/v1/admin/users/{b.user_id}", {"role": "user"})).ok()
    for operation in operations:
        path = operation.path.replace("{id}", NIL)
        for person in (a, demoted):
            (await person.request(operation.method, path, {})).is_error(403, "FORBIDDEN")
        (await request(server.url, operation.method, path, {})).is_error(401, "UNAUTHORIZED")
    await audited(admin, "permission_denied", actor_id=demoted.user_id)
    record = await audited(admin, "admin_user_updated", target_id=b.user_id)
    assert (record["actor_id"], record["actor_type"]) == (admin.user_id, "admin")
    assert record["details"] == {"role": "user"}


async def test_g2_figures(serve: Serve, reg: Register) -> None:
    """The figures follow what happens, on a server of their own; components were really asked, lately."""
    async with serve() as server:
        admin = await make_admin(server)
        before = (await admin.get("/v1/admin/stats")).ok()
        assert set(before) == {
            *("total_users", "active_users", "online_users", "total_conversations", "total_messages"),
            *("total_calls", "calls_active", "sockets", "storage_used", "database_size", "cache_hit_rate"),
            *("uptime_seconds", "last_updated"),
        }
        a, b = await reg("a", "b", url=server.url)
        g = (await direct(a, b))["conversation_id"]
        (await send(a, g, "hello")).ok(201)
        await file(a, 12_345)
        async with ws(a), ws(a):
            after = (await admin.get("/v1/admin/stats")).ok()
        for name, more in (
            ("total_users", 2),
            ("active_users", 2),
            ("total_conversations", 1),
            ("total_messages", 1),
            ("storage_used", 12_345),
        ):
            assert after[name] == before[name] + more, name
        assert after["online_users"] >= 1
        if not PROFILE.has_roles:  # those of the process that answers
            assert after["sockets"] == 2
        assert after["database_size"] > 100_000
        assert 0 <= after["cache_hit_rate"] <= 100
        assert after["uptime_seconds"] >= before["uptime_seconds"] >= 0
        assert (after["total_calls"], after["calls_active"]) == (0, 0)

        health = (await admin.get("/v1/admin/health")).ok()
        assert health["overall_status"] == "healthy"
        states = {one["name"]: one for one in health["components"]}
        assert {"database", "timeline", "object_store", "mail", "redis", "sfu"} <= set(states)
        for name in ("database", "timeline", "object_store"):
            assert (states[name]["status"], states[name]["error"]) == ("up", None)
            assert 0 <= states[name]["latency_ms"] < 2000
        now = datetime.now(UTC)
        for one in states.values():
            assert now - timedelta(seconds=6) <= datetime.fromisoformat(one["last_checked"]) <= now


async def test_g2_accounts_are_found_and_walked(admin: Person, reg: Register) -> None:
    """Search, status, order and pages: every account once in every order."""
    mark = secrets.token_hex(4)
    people = await reg(*(f"{mark}{letter}" for letter in "abcde"))
    a, b, c, d, e = people
    for person in (a, d):
        (await person.patch("/v1/users/me", {"display_name": f"Walker {mark.upper()}"})).ok()
    found = await listed(admin, search=f"walker {mark}")
    assert {user["user_id"] for user in found} == {a.user_id, d.user_id}
    assert [user["user_id"] for user in await listed(admin, search=b.email.upper())] == [b.user_id]
    assert await listed(admin, search=f"{mark}%") == []

    (await admin.post("/v1/admin/users/ban", {"user_id": b.user_id, "permanent": True, **REASON})).ok()
    (await admin.delete(f"/v1/admin/users/{c.user_id}", REASON)).ok(202)
    async with ws(d):
        for order in ("created_at", "email", "username", "status", "last_login_at"):
            walks = []
            for direction in ("ASC", "DESC"):
                found = await listed(admin, sort_by=order, sort_order=direction, search=mark, limit=2)
                walks.append([user["user_id"] for user in found])
                if order != "status":
                    keys = [str(user[order]).lower() for user in found]
                    assert keys == sorted(keys, reverse=direction == "DESC")
            assert sorted(walks[0]) == sorted(person.user_id for person in people)
            assert walks[0] == walks[1][::-1]
        for status, who in {"online": [d], "offline": [a, e], "banned": [b], "deleted": [c]}.items():
            found = await listed(admin, status=status, search=mark)
            assert {user["user_id"] for user in found} == {person.user_id for person in who}, status
    (user,) = await listed(admin, search=b.username)
    assert (user["is_banned"], user["ban_reason"], user["banned_until"]) == (True, REASON["reason"], None)
    for query in ("limit=0", "limit=101", "sort_by=password_hash", "status=gone", "cursor=x", "search="):
        (await admin.get(f"/v1/admin/users?{query}")).is_error(400, "VALIDATION_ERROR")
    first = (await admin.get(f"/v1/admin/users?search={mark}&limit=2")).ok()
    foreign = f"/v1/admin/users?search={mark}&limit=2&sort_order=ASC&cursor={first['next_cursor']}"
    (await admin.get(foreign)).is_error(400, "VALIDATION_ERROR")


async def use_each_area(a: Person, b: Person, admin: Person, g: str, text: str) -> dict[str, str]:
    """One action of each area of the audit trail → its record's actor."""
    wrong = {"email": b.email, "password": "Marker-Password-99"}
    await request(a.url, "POST", "/v1/auth/login", wrong)
    (await request(a.url, "POST", "/v1/auth/refresh", {"refresh_token": b.refresh})).ok()
    (await a.patch("/v1/users/me", {"about": "Hello"})).ok()
    (await a.post(f"/v1/users/{b.user_id}/friend")).ok(201)
    (await send(a, g, text)).ok(201)
    (await b.get(f"/v1/messages?conversation_id={g}")).is_error(403, "FORBIDDEN")
    await begin(a, 10)
    await make_bot(a, "messages:read")
    (await admin.post(f"/v1/admin/users/{b.user_id}/logout", REASON)).ok()
    return {
        "login_failed": b.user_id,
        "token_refreshed": b.user_id,
        "profile_updated": a.user_id,
        "friend_requested": a.user_id,
        "conversation_created": a.user_id,
        "permission_denied": b.user_id,
        "file_upload_requested": a.user_id,
        "bot_created": a.user_id,
        "admin_logout_user": admin.user_id,
    }


async def test_g5_every_area_is_audited(admin: Person, reg: Register) -> None:
    """One action of each area; the trail filtered by action, actor and dates; nothing secret in it."""
    started = datetime.now(UTC) - timedelta(seconds=1)  # before anything that these people do
    a, b, c = await reg("a", "b", "c")
    g, text = (await group(a, [c]))["conversation_id"], "marker of a message"
    for event, actor_id in (await use_each_area(a, b, admin, g, text)).items():
        record = await audited(admin, event, actor_id=actor_id)
        assert record["ip"] == "127.0.0.1"
        assert "httpx" in record["user_agent"]
        assert record["request_id"]
        assert record["result"] == {"login_failed": "failure", "permission_denied": "denied"}.get(
            event, "success"
        )
        query = {"action": event, "actor_id": actor_id, "start_date": started.isoformat()}
        page = (await admin.get("/v1/admin/audit-logs", params=query)).ok()
        assert record["audit_id"] in {one["audit_id"] for one in page["audit_logs"]}
        assert page["total_count"] >= 1
        assert {(one["event"], one["actor_id"]) for one in page["audit_logs"]} == {(event, actor_id)}
        past = {**query, "start_date": "2020-01-01T00:00:00Z", "end_date": started.isoformat()}
        assert (await admin.get("/v1/admin/audit-logs", params=past)).ok()["total_count"] == 0
    denied = {"actor_id": b.user_id, "result": "denied"}
    page = (await admin.get("/v1/admin/audit-logs", params=denied)).ok()
    assert {one["event"] for one in page["audit_logs"]} == {"permission_denied"}

    everything = b""
    for person in (a, b, c, admin):
        answer = await admin.get("/v1/admin/audit-logs", params={"actor_id": person.user_id, "limit": 200})
        everything += answer.raw
    for secret in (PASSWORD, "Marker-Password-99", text, a.access, a.refresh, b.refresh, admin.access):
        assert secret.encode() not in everything


async def test_g11_helping_people(admin: Person, reg: Register) -> None:
    """Queues, conversations, one account, its quota, its sessions, its second factor; all audited."""
    a, b = await reg("a", "b")
    g = (await group(a, [b], settings={"is_e2ee_enabled": True}))["conversation_id"]
    queues = {one["name"]: one for one in (await admin.get("/v1/admin/queues")).ok()["queues"]}
    assert {"mail", "push", "thumbnail", "delete_objects"} <= set(queues)
    for queue in queues.values():
        assert set(queue) == {"name", "pending", "oldest_age_seconds", "failed"}
        assert min(queue["pending"], queue["oldest_age_seconds"], queue["failed"]) >= 0

    entry, cursor = None, ""
    while entry is None:
        page = (await admin.get(f"/v1/admin/conversations?limit=20{cursor}")).ok()
        assert page["conversations"] == sorted(
            page["conversations"], key=lambda one: (one["created_at"], one["conversation_id"]), reverse=True
        )
        entry = next((one for one in page["conversations"] if one["conversation_id"] == g), None)
        cursor = f"&cursor={page['next_cursor']}"
    assert set(entry) == {
        *("conversation_id", "type", "member_count", "last_seq", "created_at", "is_e2ee_enabled")
    }
    assert (entry["type"], entry["member_count"], entry["last_seq"]) == ("group", 2, 1)
    assert entry["is_e2ee_enabled"] is True

    path = f"/v1/admin/users/{a.user_id}"
    await file(a, 500)
    shown = (await admin.get(path)).ok()["user"]
    own = (await a.get("/v1/users/me")).ok()
    assert {name: shown[name] for name in own} == own
    assert (shown["storage_used"], shown["storage_quota"]) == (500, 10_737_418_240)
    assert shown["last_login_at"] is not None

    changed = (await admin.patch(path, {"storage_quota": 1000, "email_verified": True})).ok()["user"]
    assert (changed["storage_quota"], changed["email_verified"]) == (1000, True)
    body = {"file_name": "f.bin", "file_size": 501, "content_type": "application/octet-stream"}
    (await a.post("/v1/storage/upload-url", body)).is_error(413, "QUOTA_EXCEEDED")
    (await a.post("/v1/storage/upload-url", {**body, "file_size": 500})).ok()
    assert (await admin.patch(path, {"storage_quota": None})).ok()["user"]["storage_quota"] == 10_737_418_240
    for bad in ({"storage_quota": -1}, {"storage_quota": 2**53}, {"role": "owner"}, {"email_verified": 1}):
        (await admin.patch(path, bad)).is_error(400, "VALIDATION_ERROR")

    await protect(a)
    other = await b.login()
    assert (await admin.get(path)).ok()["user"]["mfa_enabled"] is True
    (await admin.post(f"{path}/reset-mfa", REASON)).ok()
    assert (await admin.get(path)).ok()["user"]["mfa_enabled"] is False
    a = await a.login()  # a password is enough again
    (await admin.post(f"/v1/admin/users/{b.user_id}/logout", REASON)).ok()
    for person in (b, other):
        (await person.get("/v1/users/me")).is_error(401, "TOKEN_REVOKED")
    await b.login()
    for action in ("logout", "reset-mfa", "restore"):
        short = await admin.post(f"{path}/{action}", {"reason": "too short"})
        short.is_error(400, "VALIDATION_ERROR")
        unknown = await admin.post(f"/v1/admin/users/{NIL}/{action}", REASON)
        unknown.is_error(404, "NOT_FOUND")
    (await admin.get(f"/v1/admin/users/{NIL}")).is_error(404, "NOT_FOUND")
    (await admin.patch(f"/v1/admin/users/{NIL}", {})).is_error(404, "NOT_FOUND")

    for event, target in (
        ("admin_user_updated", a),
        ("admin_mfa_reset", a),
        ("admin_logout_user", b),
    ):
        record = await audited(admin, event, actor_id=admin.user_id, target_id=target.user_id)
        assert (record["result"], record["actor_type"]) == ("success", "admin")
    await audited(admin, "admin_logout_user", target_id=NIL, result="failure")
    for what in ("queues", "conversations", "user"):
        await audited(admin, "admin_viewed", actor_id=admin.user_id, details={"what": what})


async def test_g11_accounts_made_for_others(serve: Serve, reg: Register) -> None:
    """Registration is closed: admins make accounts by the same rules. G2: what fails is seen."""
    async with serve(auth={"registration": "closed"}) as server:
        admin = await make_admin(server)
        body = {
            "email": "anna@example.test",
            "username": "anna",
            "password": PASSWORD,
            "display_name": "Anna",
        }
        made = (await admin.post("/v1/admin/users", {**body, "quota": 5})).ok(201)["user"]
        assert (made["role"], made["storage_quota"], made["last_login_at"]) == ("user", 5, None)
        (
            await request(
                server.url, "POST", "/v1/auth/login", {"email": body["email"], "password": PASSWORD}
            )
        ).ok()
        (await admin.post("/v1/admin/users", body)).is_error(409, "CONFLICT")
        weak = await admin.post("/v1/admin/users", {**body, "username": "root", "password": "password1"})
        weak.is_error(400, "VALIDATION_ERROR")
        assert sorted(weak.fields) == ["password", "username"]
        with server.without_objects():

            async def noticed() -> bool:
                return bool((await admin.get("/v1/admin/health")).ok()["overall_status"] == "degraded")

            await eventually(noticed)
            health = (await admin.get("/v1/admin/health")).ok()
        states = {one["name"]: (one["status"], one["error"]) for one in health["components"]}
        assert states["object_store"][0] == "down"
        assert states["database"] == ("up", None)
        await asyncio.gather(
            audited(admin, "admin_user_created", actor_id=admin.user_id, target_id=made["user_id"]),
            audited(admin, "admin_user_created", actor_id=admin.user_id, result="failure"),
        )
    (shared,) = await reg("shared")

    async def taken() -> bool:
        upload = {"file_name": "f.bin", "file_size": 1, "content_type": "application/octet-stream"}
        return (await shared.post("/v1/storage/upload-url", upload)).status == 200

    # The process that others share may have had the same store, and finds out a moment after it is back.
    await eventually(taken)
