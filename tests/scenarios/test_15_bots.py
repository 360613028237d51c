"""Bots: scenarios B1, B2 and B4."""

import asyncio

import websockets

from tests.scenarios.audit import audited
from tests.scenarios.bots import SCOPES, enter, join, make_bot, make_webhook, post
from tests.scenarios.conftest import Register, Serve
from tests.scenarios.openapi import served
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
