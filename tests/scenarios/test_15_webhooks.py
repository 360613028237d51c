"""Webhooks and reports: scenarios B3, B5 and E3."""

from typing import Any

from tests.scenarios.audit import audited
from tests.scenarios.bots import join, make_bot, make_webhook, post
from tests.scenarios.conftest import Register, Serve
from tests.scenarios.patience import eventually
from tests.scenarios.steps import NIL, Person, events, group, request, send, ws


async def test_b3_webhooks_post_for_whoever_has_the_url(reg: Register, admin: Person) -> None:
    """Only admins make them; posts appear under the webhook's name on sockets and in reads alike."""
    a, b, c = await reg("a", "b", "c")
    g = (await group(a, [b], settings={"post_permission": "admins"}))["conversation_id"]
    path = f"/v1/conversations/{g}/webhooks"
    for who in (b, c):
        (await who.post(path, {"name": "CI"})).is_error(403, "FORBIDDEN")
        (await who.get(path)).is_error(403, "FORBIDDEN")
    hook = await make_webhook(a, g)
    assert hook["path"].startswith(f"/v1/hooks/{hook['webhook_id']}/")
    for who in (b, c):
        (await who.post(f"{path}/{hook['webhook_id']}/rotate")).is_error(403, "FORBIDDEN")
        (await who.delete(f"{path}/{hook['webhook_id']}")).is_error(403, "FORBIDDEN")
    (row,) = (await a.get(path)).ok()["webhooks"]
    assert "url" not in row
    assert (row["name"], row["created_by"], row["last_used_at"]) == ("CI", a.user_id, None)

    async with ws(b) as chat:
        posted = (await post(a.url, hook["path"], "Build 7 is green", metadata={"build": 7})).ok(201)
        live = await chat.frame(type="event", kind="message_created", conversation_id=g)
    message = (await b.get(f"/v1/messages/{posted['message_id']}")).ok()
    assert live["data"]["message"] == message
    assert (live["actor_id"], live["seq"]) == (None, posted["seq"])
    assert (message["sender_id"], message["sender_name"]) == (None, "CI")
    assert (message["content"], message["metadata"]) == ("Build 7 is green", {"build": "7"})
    other = (await request(a.url, "POST", hook["path"], {"content": "hi", "username": "Night"})).ok(201)
    assert (await a.get(f"/v1/messages/{other['message_id']}")).ok()["sender_name"] == "Night"
    assert (await b.get(f"/v1/conversations/{g}")).ok()["my"]["unread_count"] == 2
    assert (await a.get(path)).ok()["webhooks"][0]["last_used_at"] is not None

    for text in ("", "  \n"):
        answer = await post(a.url, hook["path"], text)
        answer.is_error(400, "VALIDATION_ERROR")
        assert answer.fields == ["text"]
    assert (await request(a.url, "POST", hook["path"], {})).fields == ["text"]
    assert (await post(a.url, hook["path"], "x" * 10_001)).fields == ["text"]
    assert (await post(a.url, hook["path"], "x", username="y" * 81)).fields == ["username"]
    (await post(a.url, hook["path"] + "x", "hi")).is_error(404, "NOT_FOUND")
    (await post(a.url, hook["path"][:-1], "hi")).is_error(404, "NOT_FOUND")
    (await post(a.url, hook["path"].replace(hook["webhook_id"], NIL), "hi")).is_error(404, "NOT_FOUND")
    again = (await a.post(f"{path}/{hook['webhook_id']}/rotate")).ok()["webhook"]
    (await post(a.url, hook["path"], "hi")).is_error(404, "NOT_FOUND")
    new = again["url"].partition("/v1/")[1] + again["url"].partition("/v1/")[2]
    (await post(a.url, new, "hi")).ok(201)
    (await a.delete(f"{path}/{hook['webhook_id']}")).ok()
    (await post(a.url, new, "hi")).is_error(404, "NOT_FOUND")
    (await a.delete(f"{path}/{hook['webhook_id']}")).is_error(404, "NOT_FOUND")
    assert (await a.get(path)).ok()["webhooks"] == []
    for event in ("webhook_created", "webhook_used", "webhook_rotated", "webhook_deleted"):
        await audited(admin, event, target_id=hook["webhook_id"])


async def test_b3_sixty_posts_a_minute_and_no_more(serve: Serve, reg: Register) -> None:
    """The 61st post is refused, for this webhook alone; the secret is nowhere in logs and metrics."""
    async with serve(rate_limits={"enabled": True}) as server:
        a, b = await reg("a", "b", url=server.url)
        g = (await group(a, [b]))["conversation_id"]
        hook, other = await make_webhook(a, g), await make_webhook(a, g)
        answers = [await post(a.url, hook["path"], "tick") for _ in range(61)]
        assert [answer.status for answer in answers] == [201] * 60 + [429]
        answers[-1].is_error(429, "RATE_LIMIT_EXCEEDED")
        assert int(answers[-1].headers["retry-after"]) >= 1
        assert answers[0].headers["x-ratelimit-limit"] == "60"
        (
            await post(a.url, hook["path"].replace(hook["webhook_id"], hook["webhook_id"].upper()), "x")
        ).is_error(429, "RATE_LIMIT_EXCEEDED")
        (await post(a.url, other["path"], "tock")).ok(201)
        secret = hook["path"].rpartition("/")[2]
        # Also where no route is found, and where the method is a wrong one.
        assert (await request(server.url, "POST", hook["path"] + "/")).status == 404
        assert (await request(server.url, "GET", hook["path"])).status == 405
        log = server.log_text()
        assert "/v1/hooks/{webhook_id}/{secret}" in log
        metrics = (await request(server.url_of("chat"), "GET", "/metrics")).raw.decode()
        assert "/v1/hooks/{webhook_id}/{secret}" in metrics
        assert secret not in log
        assert secret not in metrics


async def test_b5_reports_reach_the_admins(reg: Register, admin: Person) -> None:
    """What one can see can be reported; an admin deletes the message; others get nothing of it."""
    a, b, c = await reg("a", "b", "c")
    g = (await group(a, [b]))["conversation_id"]
    message_id = (await send(a, g, "very rude")).ok(201)["message_id"]

    def about(target_type: str, target_id: str, **more: Any) -> dict[str, Any]:
        return {"target_type": target_type, "target_id": target_id, "reason": "not nice", **more}

    (await c.post("/v1/reports", about("message", message_id))).is_error(403, "FORBIDDEN")
    (await c.post("/v1/reports", about("conversation", g))).is_error(403, "FORBIDDEN")
    for target in ("message", "conversation", "user"):
        (await b.post("/v1/reports", about(target, NIL))).is_error(404, "NOT_FOUND")
    faulty = await b.post("/v1/reports", {"target_type": "bot", "target_id": "x", "reason": "no"})
    faulty.is_error(400, "VALIDATION_ERROR")
    assert sorted(faulty.fields) == ["reason", "target_id", "target_type"]
    silent = (await b.post("/v1/reports", about("message", message_id))).ok(201)["report_id"]
    key = {"idempotency-key": "once"}
    body = about("message", message_id, include_content=True)
    telling = (await b.post("/v1/reports", body, headers=key)).ok(201)["report_id"]
    assert (await b.post("/v1/reports", body, headers=key)).ok(201)["report_id"] == telling
    person = (await b.post("/v1/reports", about("user", a.user_id))).ok(201)["report_id"]

    for who in (a, b):
        (await who.get("/v1/admin/reports")).is_error(403, "FORBIDDEN")
        resolve = {"action": "dismiss", "note": "no no"}
        (await who.post(f"/v1/admin/reports/{silent}/resolve", resolve)).is_error(403, "FORBIDDEN")
    listed = (await admin.get("/v1/admin/reports")).ok()["reports"]
    mine = {row["report_id"]: row for row in listed if row["reporter_id"] == b.user_id}
    assert set(mine) == {silent, telling, person}
    assert (mine[silent]["content"], mine[telling]["content"]) == (None, "very rude")

    path = f"/v1/admin/reports/{telling}/resolve"
    async with ws(b) as chat:
        done = (await admin.post(path, {"action": "delete_message", "note": "against the rules"})).ok()
        gone = await chat.frame(type="event", kind="message_deleted", conversation_id=g)
    assert (done["report"]["status"], done["report"]["action"]) == ("resolved", "delete_message")
    assert (gone["data"]["message_id"], gone["data"]["reason"]) == (message_id, "moderator")
    assert (gone["actor_id"], gone["data"]["deleted_by"]) == (None, None)
    message = (await b.get(f"/v1/messages/{message_id}")).ok()
    assert (message["content"], message["delete_reason"]) == ("", "moderator")
    (await admin.post(path, {"action": "dismiss", "note": "again"})).is_error(409, "CONFLICT")
    fitting = f"/v1/admin/reports/{person}/resolve"
    (await admin.post(fitting, {"action": "delete_message", "note": "what?"})).is_error(409, "CONFLICT")
    (await admin.post(fitting, {"action": "dismiss", "note": "no fault"})).ok()
    (await admin.post(f"/v1/admin/reports/{NIL}/resolve", {"action": "dismiss", "note": "?!?"})).is_error(
        404, "NOT_FOUND"
    )
    resolved = (await admin.get("/v1/admin/reports?status=resolved&limit=100")).ok()["reports"]
    assert {telling, person} <= {row["report_id"] for row in resolved}
    await audited(admin, "report_created", target_id=telling, actor_id=b.user_id)
    await audited(admin, "report_resolved", target_id=telling, actor_id=admin.user_id)
    await audited(admin, "message_deleted_by_moderator", target_id=message_id, actor_id=admin.user_id)


async def test_b5_a_reported_user_is_banned(reg: Register, admin: Person) -> None:
    """A ban ends sessions and sockets of the user, and those of the user's bots."""
    a, b = await reg("a", "b")
    g = (await group(a, [b]))["conversation_id"]
    bot = await make_bot(a, "messages:read")
    await join(a, g, bot)
    message_id = (await send(a, g, "very rude")).ok(201)["message_id"]
    body = {"target_type": "message", "target_id": message_id, "reason": "not nice"}
    report_id = (await b.post("/v1/reports", body)).ok(201)["report_id"]
    async with ws(a) as chat, ws(bot) as robot:
        body = {"action": "ban_user", "note": "against the rules"}
        (await admin.post(f"/v1/admin/reports/{report_id}/resolve", body)).ok()
        assert await chat.close_code() == 4004
        assert await robot.close_code() == 4004
    (await a.get("/v1/users/me")).is_error(401, "TOKEN_REVOKED")
    (await bot.get("/v1/sync")).is_error(401, "TOKEN_REVOKED")
    (await a.post("/v1/auth/login", {"username": a.username, "password": a.password})).is_error(
        403, "ACCOUNT_BANNED"
    )
    await audited(admin, "user_banned", target_id=a.user_id, actor_id=admin.user_id)


async def test_e3_webhooks_are_suspended_while_encrypted(reg: Register, admin: Person) -> None:
    """Neither made nor used while the mode is on; afterwards the same URL works again."""
    a, b = await reg("a", "b")
    g = (await group(a, [b]))["conversation_id"]
    hook = await make_webhook(a, g)
    settings = f"/v1/conversations/{g}/settings"
    (await a.put(settings, {"is_e2ee_enabled": True})).ok()
    before = await events(a, g)
    (await post(a.url, hook["path"], "hi")).is_error(403, "E2EE_BLOCKED")
    (await a.post(f"/v1/conversations/{g}/webhooks", {"name": "X"})).is_error(403, "E2EE_BLOCKED")
    assert await events(a, g) == before
    assert [
        row["webhook_id"] for row in (await a.get(f"/v1/conversations/{g}/webhooks")).ok()["webhooks"]
    ] == [hook["webhook_id"]]
    await audited(admin, "permission_denied", target_id=hook["webhook_id"])
    (await a.put(settings, {"is_e2ee_enabled": False})).ok()
    (await post(a.url, hook["path"], "hi")).ok(201)

    async def counted() -> bool:
        return bool((await b.get(f"/v1/conversations/{g}")).ok()["my"]["unread_count"] == 1)

    await eventually(counted)
