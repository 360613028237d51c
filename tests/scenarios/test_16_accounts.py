"""Keeping people out and letting them go: scenarios G3, G4, G8 up to the erasure, G10, A24 and S18."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.scenarios.accounts import refresh
from tests.scenarios.audit import audited
from tests.scenarios.bots import make_bot
from tests.scenarios.commands import make_admin
from tests.scenarios.conftest import Register, Serve
from tests.scenarios.mail import mailed
from tests.scenarios.patience import eventually
from tests.scenarios.server import Server
from tests.scenarios.sockets import close_reason, refused
from tests.scenarios.steps import NIL, Answer, Person, direct, request, send, ws

REASON = {"reason": "Sent spam to everybody."}


async def log_in(person: Person) -> Answer:
    body = {"email": person.email, "password": person.password}
    return await request(person.url, "POST", "/v1/auth/login", body)


async def ban(admin: Person, person: Person, **fields: Any) -> Answer:
    return await admin.post("/v1/admin/users/ban", {"user_id": person.user_id, **REASON, **fields})


async def unban(admin: Person, person: Person) -> Answer:
    return await admin.post("/v1/admin/users/unban", {"user_id": person.user_id, **REASON})


async def found(seeker: Person, person: Person) -> bool:
    users = (await seeker.get(f"/v1/users/search?q={person.username}")).ok()["users"]
    return person.user_id in {user["user_id"] for user in users}


def told(answer: Answer) -> dict[str, str]:
    """The details of a refusal."""
    return {detail["field"]: detail["message"] for detail in answer.error["details"]}


async def test_g3_a_ban_keeps_out_until_it_is_lifted(admin: Person, reg: Register) -> None:
    """B is out at once, everywhere, and its bot; only the right password hears why and until when."""
    a, b = await reg("a", "b")
    other, robot = await b.login(), await make_bot(b, "messages:read")
    ticket = (await b.post("/v1/ws/tickets", {})).ok(201)["ticket"]
    async with ws(b) as first, ws(other) as second, ws(robot) as third:
        started = time.monotonic()
        until = (await ban(admin, b, duration=1)).ok()["banned_until"]
        for chat in (first, second, third):
            assert await chat.close_code(2) == 4004
            assert close_reason(chat.connection.close_reason) == {"code": "banned"}
        assert time.monotonic() - started < 4, "the request itself, and 2 s"
    left = datetime.fromisoformat(until) - datetime.now(UTC)
    assert timedelta(minutes=59) < left <= timedelta(hours=1)
    for person in (b, other):
        (await person.get("/v1/users/me")).is_error(401, "TOKEN_REVOKED")
        (await refresh(b.url, person.refresh)).is_error(401, "INVALID_TOKEN")
    assert (await robot.get("/v1/sync")).status in {401, 403}
    (await refused(b.url, f"?ticket={ticket}")).is_error(401, "UNAUTHORIZED")
    answer = await log_in(b)
    answer.is_error(403, "ACCOUNT_BANNED")
    assert told(answer) == {**REASON, "banned_until": until}
    body = {"email": b.email, "password": "Wrong-Words-12"}
    (await request(b.url, "POST", "/v1/auth/login", body)).is_error(401, "INVALID_CREDENTIALS")
    assert not await found(a, b)
    assert (await a.get(f"/v1/users/{b.user_id}")).ok()["user"]["username"] == b.username

    (await ban(admin, b, permanent=True)).is_error(409, "CONFLICT")
    (await unban(admin, b)).ok()
    (await log_in(b)).ok()
    (await robot.get("/v1/sync")).ok()
    assert await found(a, b)
    (await unban(admin, b)).is_error(404, "NOT_FOUND")
    (await ban(admin, admin, permanent=True)).is_error(400, "VALIDATION_ERROR")
    unknown = {"user_id": NIL, "permanent": True, **REASON}
    (await admin.post("/v1/admin/users/ban", unknown)).is_error(404, "NOT_FOUND")
    for fields in ({}, {"duration": 0}, {"duration": 87_601}, {"permanent": True, "reason": "spa"}):
        (await ban(admin, b, **fields)).is_error(400, "VALIDATION_ERROR")
    banned = await audited(admin, "user_banned", target_id=b.user_id, result="success")
    assert banned["details"] == {**REASON, "banned_until": until}
    await audited(admin, "user_banned", target_id=b.user_id, result="failure")
    await audited(admin, "user_unbanned", target_id=b.user_id, actor_id=admin.user_id)
    await audited(admin, "login_failed", actor_id=b.user_id, reason="banned")


async def test_g4_a_ban_ends_by_itself(server: Server, admin: Person, reg: Register) -> None:
    """A ban of 36 s, of which all but the last 1.5 s are taken away in the database: then B is in again."""
    a, b = await reg("a", "b")
    until = (await ban(admin, b, duration=0.01)).ok()["banned_until"]
    assert datetime.fromisoformat(until) - datetime.now(UTC) < timedelta(seconds=36)
    end = int(time.time() * 1000) + 1500
    server.tables.change("UPDATE user_bans SET banned_until = ? WHERE user_id = ?", end, b.user_id)
    (await log_in(b)).is_error(403, "ACCOUNT_BANNED")

    async def free() -> bool:
        return (await log_in(b)).status == 200

    await eventually(free, 10)
    assert time.time() * 1000 >= end
    user = (await admin.get(f"/v1/admin/users/{b.user_id}")).ok()["user"]
    assert (user["is_banned"], user["banned_at"], user["banned_until"]) == (False, None, None)
    assert await found(a, b)
    (await unban(admin, b)).is_error(404, "NOT_FOUND")
    assert (await ban(admin, b, permanent=True)).ok()["banned_until"] is None
    answer = await log_in(b)
    answer.is_error(403, "ACCOUNT_BANNED")
    assert told(answer) == REASON


async def test_g8_a_deleted_account_is_closed_and_can_come_back(
    server: Server, admin: Person, reg: Register
) -> None:
    """S18: its sockets close with 4003. It is out of search, its messages stay; an admin restores it."""
    a, b = await reg("a", "b")
    g = (await direct(a, b))["conversation_id"]
    message_id = (await send(a, g, "hello")).ok(201)["message_id"]
    before = (await b.get(f"/v1/messages/{message_id}")).ok()
    other = await a.login()
    async with ws(a) as first, ws(other) as second:
        deleted = (await a.delete("/v1/users/me")).ok()
        for chat in (first, second):
            assert await chat.close_code(2) == 4003
            assert close_reason(chat.connection.close_reason) == {"code": "session_revoked"}
    left = datetime.fromisoformat(deleted["erase_at"]) - datetime.now(UTC)
    assert timedelta(days=7, minutes=-1) < left <= timedelta(days=7)
    for person in (a, other):
        (await person.get("/v1/users/me")).is_error(401, "TOKEN_REVOKED")
        (await refresh(a.url, person.refresh)).is_error(401, "INVALID_TOKEN")
    (await log_in(a)).is_error(401, "INVALID_CREDENTIALS")
    assert not await found(b, a)
    assert (await b.get(f"/v1/messages/{message_id}")).ok() == before
    profile = (await b.get(f"/v1/users/{a.user_id}")).ok()["user"]
    assert (profile["is_deleted"], profile["username"]) == (True, a.username)
    taken = {"email": a.email, "username": a.username, "password": a.password, "display_name": "A"}
    answer = await request(a.url, "POST", "/v1/auth/register", taken)
    answer.is_error(409, "CONFLICT")
    assert sorted(answer.fields) == ["email", "username"]
    await mailed(server, a.email, "Your account was deleted")
    record = await audited(admin, "account_deleted", actor_id=a.user_id)
    assert record["details"] == {"erase_at": deleted["erase_at"]}

    path = f"/v1/admin/users/{a.user_id}"
    again = (await admin.delete(path, REASON)).ok(202)
    assert again == {"erase_at": deleted["erase_at"]}, "a repeat does not put it off"
    assert (await admin.post(f"{path}/restore", REASON)).ok()["user"]["user_id"] == a.user_id
    (await log_in(a)).ok()
    assert await found(b, a)
    assert (await b.get(f"/v1/users/{a.user_id}")).ok()["user"]["is_deleted"] is False
    (await admin.post(f"{path}/restore", REASON)).is_error(409, "CONFLICT")
    await audited(admin, "account_restored", target_id=a.user_id, actor_id=admin.user_id)

    soon = (await admin.delete(path, {"immediate": True, **REASON})).ok(202)["erase_at"]
    assert datetime.fromisoformat(soon) - datetime.now(UTC) < timedelta(seconds=5)
    (await admin.post(f"{path}/restore", REASON)).is_error(409, "CONFLICT")
    (await log_in(a)).is_error(401, "INVALID_CREDENTIALS")
    await audited(admin, "admin_erase_requested", target_id=a.user_id, actor_id=admin.user_id)
    (await admin.delete(f"/v1/admin/users/{NIL}", REASON)).is_error(404, "NOT_FOUND")


async def test_g10_somebody_is_left_to_run_the_server(serve: Serve, reg: Register) -> None:
    """The last admin keeps account and role, whoever asks; and A24: deleting oneself needs a step-up."""
    async with serve(auth={"reauth_max_age": 1}) as server:
        admin = await make_admin(server)
        a, b = await reg("a", "b", url=server.url)

        async def stale() -> bool:
            return (await admin.delete(f"/v1/admin/users/{NIL}", REASON)).status == 403

        await eventually(stale)

        async def leave(person: Person) -> Answer:
            """Delete oneself after a step-up; on a busy machine the second may be over again."""
            while True:
                (await person.post("/v1/auth/reauthenticate", {"password": person.password})).ok()
                answer = await person.delete("/v1/users/me")
                if answer.status != 403:
                    return answer

        own = f"/v1/admin/users/{admin.user_id}"
        (await admin.delete("/v1/users/me")).is_error(403, "REAUTH_REQUIRED")
        (await leave(admin)).is_error(409, "CONFLICT")
        (await admin.patch(own, {"role": "user"})).is_error(409, "CONFLICT")
        (await admin.patch(f"/v1/admin/users/{b.user_id}", {"role": "admin"})).ok()
        (await ban(admin, b, permanent=True)).is_error(409, "CONFLICT")
        answer = None
        while answer is None or answer.status == 403:
            (await admin.post("/v1/auth/reauthenticate", {"password": admin.password})).ok()
            answer = await admin.delete(f"/v1/admin/users/{b.user_id}", REASON)
        answer.is_error(409, "CONFLICT")

        (await leave(b)).ok()
        (await leave(admin)).is_error(409, "CONFLICT")
        (await admin.patch(own, {"role": "user"})).is_error(409, "CONFLICT")
        (await admin.patch(f"/v1/admin/users/{b.user_id}", {"role": "user"})).ok()
        (await admin.patch(f"/v1/admin/users/{b.user_id}", {"role": "admin"})).is_error(409, "CONFLICT")
        (await ban(admin, a, permanent=True)).ok()
        (await admin.patch(f"/v1/admin/users/{a.user_id}", {"role": "admin"})).is_error(409, "CONFLICT")
        (await admin.get("/v1/admin/stats")).ok()
