"""Bots, webhooks, reports: scenarios B1 to B5."""

import asyncio
from typing import Any

import websockets

from tests.scenarios.audit import audited
from tests.scenarios.bots import SCOPES, enter, make_bot, make_webhook, post
from tests.scenarios.conftest import Register, Serve
from tests.scenarios.openapi import served
from tests.scenarios.patience import eventually
from tests.scenarios.server import Server
from tests.scenarios.sockets import bearer, chat_url, refused
from tests.scenarios.steps import NIL, Person, direct, events, group, request, send, ws

# What a bot may call, by the scope that lets it in (docs/reference/rules.md §2).
OPEN_TO_BOTS = {
    "GET /v1/users/{id}": "users:read",
    "POST /v1/conversations": "conversations:write",
    "GET /v1/conversations": "conversations:read",
    "GET /v1/conversations/{id}": "conversations:read",
    "GET /v1/conversations/{id}/participants": "members:read",
    "POST /v1/conversations/{id}/participants": "members:write",
    "DELETE /v1/conversations/{id}/participants/{user_id}": "members:write",
    "GET /v1/conversations/{id}/pins": "messages:read",
    "GET /v1/sync": "messages:read",
    "GET /v1/conversations/{id}/events": "messages:read",
    "POST /v1/messages": "messages:write",
    "GET /v1/messages": "messages:read",
    "GET /v1/messages/{id}": "messages:read",
    "PATCH /v1/messages/{id}": "messages:write",
    "DELETE /v1/messages/{id}": "messages:write",
    "POST /v1/messages/{id}/react": "reactions:write",
    "DELETE /v1/messages/{id}/react": "reactions:write",
    "GET /v1/messages/{id}/thread": "messages:read",
    "GET /v1/presence": "presence:read",
    "POST /v1/polls": "polls:write",
    "POST /v1/polls/vote": "polls:write",
    "POST /v1/storage/upload-url": "files:write",
    "GET /v1/storage/uploads/{file_id}": "files:write",
    "POST /v1/storage/upload-parts": "files:write",
    "POST /v1/storage/upload-complete": "files:write",
    "GET /v1/storage/download-url/{file_id}": "files:read",
    "POST /v1/storage/download-urls": "files:read",
    "POST /v1/ws/tickets": "messages:read",
}


async def join(admin: Person, conversation_id: str, bot: Person) -> None:
    path = f"/v1/conversations/{conversation_id}/participants"
    (await admin.post(path, {"user_ids": [bot.user_id]})).ok()


async def test_b1_a_bot_does_what_its_scopes_say(server: Server, reg: Register, admin: Person) -> None:
    """A bot with messages:write is added like a user and sends; reading and user routes are refused."""
    a, b = await reg("a", "b")
    g = (await group(a, [b]))["conversation_id"]
    bot = await make_bot(a, "messages:write")
    assert bot.access.startswith("scb_")
    assert len(bot.access) == 47
    listed = await a.get("/v1/bots")
    (row,) = listed.ok()["bots"]
    assert (row["user_id"], row["owner_id"], row["last_used_at"]) == (bot.user_id, a.user_id, None)
    assert row["scopes"] == ["messages:write"]
    assert bot.access.encode() not in listed.raw
    (await send(bot, g, "too early")).is_error(403, "FORBIDDEN")

    found = (await b.get("/v1/users/search?q=" + bot.username)).ok()["users"]
    assert [(user["user_id"], user["is_bot"]) for user in found] == [(bot.user_id, True)]
    (await b.post(f"/v1/users/{bot.user_id}/friend")).is_error(403, "FORBIDDEN")
    await join(a, g, bot)
    sent = (await send(bot, g, "hello", "k1")).ok(201)
    assert (sent["sender_id"], sent["sender_name"]) == (bot.user_id, "Bot robot")
    assert (await send(bot, g, "hello", "k1")).ok(200)["message_id"] == sent["message_id"]
    seats = (await b.get(f"/v1/conversations/{g}/participants")).ok()["participants"]
    assert {seat["user_id"]: seat["is_bot"] for seat in seats} == {
        a.user_id: False,
        b.user_id: False,
        bot.user_id: True,
    }
    profile = (await b.get(f"/v1/users/{bot.user_id}")).ok()["user"]
    assert (profile["is_bot"], profile["username"]) == (True, bot.username)
    assert (await a.get(f"/v1/bots/{bot.user_id}")).ok()["last_used_at"] is not None

    for path in (
        f"/v1/messages?conversation_id={g}",
        f"/v1/conversations/{g}/events",
        "/v1/sync",
        "/v1/users/me",
        "/v1/auth/sessions",
        "/v1/bots",
        "/v1/admin/audit-logs",
    ):
        answer = await bot.get(path)
        answer.is_error(403, "INSUFFICIENT_SCOPE")
    (await refused(bot.url, **bearer(bot))).is_error(403, "INSUFFICIENT_SCOPE")
    record = await audited(admin, "scope_denied", actor_id=bot.user_id)
    assert (record["actor_type"], record["result"]) == ("bot", "denied")
    await audited(admin, "bot_created", target_id=bot.user_id, actor_id=a.user_id)
    for login in ({"username": bot.username}, {"email": f"{bot.user_id}@bots.invalid"}):
        body = {**login, "password": "any-password-1"}
        (await request(server.url, "POST", "/v1/auth/login", body)).is_error(401, "INVALID_CREDENTIALS")


async def test_b1_every_route_asks_for_its_scope(server: Server, reg: Register) -> None:
    """No route lets a bot in without the scope that the contract names, and those without one never do."""
    (a,) = await reg("a")
    every = await make_bot(a, *SCOPES)
    lacking = {scope: await make_bot(a, *(one for one in SCOPES if one != scope)) for scope in SCOPES}
    document = await served(server)
    for operation in document.operations:
        if operation.public:
            continue
        path = operation.path
        for name in operation.parameters("path"):
            path = path.replace(f"{{{name}}}", NIL)
        scope = OPEN_TO_BOTS.get(operation.name)
        assert operation.declared["security"] == [{"bearer": [scope] if scope else []}], operation.name
        answer = await every.request(operation.method, path)
        document.check(operation, answer)
        told = answer.error["code"] if answer.status >= 400 else ""
        assert (told == "INSUFFICIENT_SCOPE") == (scope is None), (operation.name, answer.raw)
        if scope is not None:
            answer = await lacking[scope].request(operation.method, path)
            answer.is_error(403, "INSUFFICIENT_SCOPE")


async def test_b1_only_the_owner_has_a_hand_on_a_bot(reg: Register) -> None:
    """To others the bot does not exist; names, limits of fields and repeats are as documented."""
    a, b = await reg("a", "b")
    bot = await make_bot(a, "messages:write")
    path = f"/v1/bots/{bot.user_id}"
    for method, where, body in (
        ("GET", path, None),
        ("PATCH", path, {"display_name": "Mine"}),
        ("DELETE", path, None),
        ("POST", f"{path}/token", None),
    ):
        (await b.request(method, where, body)).is_error(404, "NOT_FOUND")
        (await b.request(method, where.replace(bot.user_id, NIL), body)).is_error(404, "NOT_FOUND")
        (await b.request(method, where.replace(bot.user_id, b.user_id), body)).is_error(404, "NOT_FOUND")
    good = {"username": f"x{bot.username}", "display_name": "X", "scopes": ["users:read"]}
    for wrong, field in (
        ({"username": "robot"}, "username"),
        ({"username": "x y_bot"}, "username"),
        ({"display_name": " "}, "display_name"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["admin"]}, "scopes[0]"),
        ({"scopes": None}, "scopes"),
    ):
        answer = await a.post("/v1/bots", {**good, **wrong})
        answer.is_error(400, "VALIDATION_ERROR")
        assert answer.fields == [field]
    taken = await a.post("/v1/bots", {**good, "username": bot.username.upper()})
    taken.is_error(409, "CONFLICT")
    assert taken.fields == ["username"]
    key = {"idempotency-key": "one"}
    first = (await a.post("/v1/bots", good, headers=key)).ok(201)
    enter(bot, first["token"])
    (await a.post("/v1/bots", good, headers=key)).is_error(409, "CONFLICT")
    renamed = (await a.patch(f"/v1/bots/{bot.user_id}", {"display_name": "Robot"})).ok()
    assert renamed["display_name"] == "Robot"
    assert (await b.get(f"/v1/users/{bot.user_id}")).ok()["user"]["display_name"] == "Robot"
    page = (await a.get("/v1/bots?limit=1")).ok()
    rest = (await a.get(f"/v1/bots?limit=1&cursor={page['next_cursor']}")).ok()
    assert [page["bots"][0]["user_id"], rest["bots"][0]["user_id"]] == [
        first["bot"]["user_id"],
        bot.user_id,
    ]
    assert (rest["has_more"], (await b.get("/v1/bots")).ok()["bots"]) == (False, [])


async def test_b2_a_token_stops_when_it_is_replaced_or_its_bot_is_deleted(
    reg: Register, admin: Person
) -> None:
    """Requests and open sockets end at once; the new token works; what the bot wrote stays."""
    a, b = await reg("a", "b")
    g = (await group(a, [b]))["conversation_id"]
    bot = await make_bot(a, "messages:write", "messages:read")
    await join(a, g, bot)
    message_id = (await send(bot, g, "I was here")).ok(201)["message_id"]
    old = bot.access
    async with ws(bot) as chat:
        rotated = (await a.post(f"/v1/bots/{bot.user_id}/token")).ok()
        assert await chat.close_code() == 4003
    assert set(rotated) == {"token"}
    (await send(bot, g, "old")).is_error(401, "TOKEN_REVOKED")
    (await refused(bot.url, **bearer(bot))).is_error(401, "TOKEN_REVOKED")
    enter(bot, rotated["token"])
    assert bot.access != old
    (await send(bot, g, "new")).ok(201)

    async with ws(bot) as chat:
        change = {"scopes": ["messages:read"]}
        assert (await a.patch(f"/v1/bots/{bot.user_id}", change)).ok()["scopes"] == ["messages:read"]
        assert await chat.close_code() == 4500
    (await send(bot, g, "no more")).is_error(403, "INSUFFICIENT_SCOPE")
    async with ws(bot) as chat:
        refusal = await chat.command("message_send", conversation_id=g, content="hi")
        assert refusal["code"] == "INSUFFICIENT_SCOPE"
        (await a.delete(f"/v1/bots/{bot.user_id}")).ok()
        assert await chat.close_code() == 4003
    (await bot.get("/v1/sync")).is_error(401, "TOKEN_REVOKED")
    (await a.delete(f"/v1/bots/{bot.user_id}")).is_error(404, "NOT_FOUND")
    assert (await a.get("/v1/bots")).ok()["bots"] == []
    message = (await b.get(f"/v1/messages/{message_id}")).ok()
    assert (message["content"], message["sender_name"]) == ("I was here", "Bot robot")
    assert (await b.get(f"/v1/users/{bot.user_id}")).ok()["user"]["is_deleted"]
    for event in ("bot_token_rotated", "bot_deleted"):
        await audited(admin, event, target_id=bot.user_id, actor_id=a.user_id)


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
        log = server.log.read_text()
        assert "/v1/hooks/{webhook_id}/{secret}" in log
        metrics = (await request(server.url, "GET", "/metrics")).raw.decode()
        assert "/v1/hooks/{webhook_id}/{secret}" in metrics
        assert secret not in log
        assert secret not in metrics


async def test_b4_a_bots_socket_shows_its_conversations(reg: Register) -> None:
    """With messages:read, by header and by ticket: events of the conversations that it is in, no others."""
    a, b = await reg("a", "b")
    g = (await group(a, [b]))["conversation_id"]
    closed = (await group(a, [b]))["conversation_id"]
    pair = (await direct(a, b))["conversation_id"]
    bot = await make_bot(a, "messages:read")
    await join(a, g, bot)
    (await refused(bot.url, f"?conversation_id={closed}", **bearer(bot))).is_error(403, "FORBIDDEN")
    ticket = (await bot.post("/v1/ws/tickets", {"purpose": "chat"})).ok(201)["ticket"]
    async with (
        websockets.connect(chat_url(bot.url, f"?ticket={ticket}"), compression=None) as by_ticket,
        ws(bot, resume={g: 0, closed: 0}) as chat,
    ):
        assert bot.user_id in str(await by_ticket.recv())
        answer = next(frame for frame in chat.seen if frame["type"] == "ack")
        assert answer["resume"][closed]["reason"] == "removed"
        for conversation_id in (closed, pair, g):
            (await send(a, conversation_id, f"to {conversation_id}")).ok(201)
        live = await chat.frame(type="event", kind="message_created")
        assert live["data"]["message"]["content"] == f"to {g}"
        assert {event["conversation_id"] for event in chat.events()} == {g}
        last = (await events(bot, g))[-1]
        assert {name: live[name] for name in last} == last
        for command, fields in (
            ("message_send", {"conversation_id": g, "content": "hi"}),
            ("read", {"conversation_id": g, "seq": 1}),
            ("subscribe_presence", {"user_ids": [a.user_id]}),
        ):
            assert (await chat.command(command, **fields))["code"] == "INSUFFICIENT_SCOPE"
        (await a.delete(f"/v1/conversations/{g}/participants/{bot.user_id}")).ok()
        await chat.frame(type="event", kind="member_removed", conversation_id=g)
        (await send(a, g, "without you")).ok(201)
        (await bot.get(f"/v1/conversations/{g}/events")).is_error(403, "FORBIDDEN")
        (await a.post(f"/v1/bots/{bot.user_id}/token")).ok()
        assert await chat.close_code() == 4003
        async with asyncio.timeout(5):
            await by_ticket.wait_closed()
        assert by_ticket.close_code == 4003
        assert "without you" not in str(chat.seen)
    used = await refused(bot.url, f"?ticket={ticket}")
    used.is_error(401, "UNAUTHORIZED")


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


async def test_b1_a_server_without_bots(serve: Serve, reg: Register) -> None:
    """`bots.enabled=false` makes no bots and refuses tokens of existing ones; webhooks go on."""
    async with serve(bots={"max_per_user": 1}) as server:
        a, b = await reg("a", "b", url=server.url)
        g = (await group(a, [b]))["conversation_id"]
        bot = await make_bot(a, "messages:read")
        body = {"username": "second_bot", "display_name": "X", "scopes": ["users:read"]}
        (await a.post("/v1/bots", body)).is_error(409, "LIMIT_REACHED")
        (await bot.get("/v1/sync")).ok()
        assert await server.stop() == 0
        server.environment["SECURECONNECT__BOTS__ENABLED"] = "false"
        await server.start()
        (await bot.get("/v1/sync")).is_error(403, "FEATURE_DISABLED")
        (await a.post("/v1/bots", body)).is_error(403, "FEATURE_DISABLED")
        assert [row["user_id"] for row in (await a.get("/v1/bots")).ok()["bots"]] == [bot.user_id]
        (await post(a.url, (await make_webhook(a, g))["path"], "hi")).ok(201)
