"""Every route of the OpenAPI document and every command, by a stranger with A's ids: scenario Z1."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.scenarios.conftest import Register
from tests.scenarios.openapi import Document, Operation, served
from tests.scenarios.routes import OPEN, stranger_ids
from tests.scenarios.server import Server
from tests.scenarios.sockets import bearer, refused
from tests.scenarios.steps import NIL, Person, direct, events, group, request, send, ws


async def test_z1_strangers_get_nothing(server: Server, reg: Register) -> None:
    """D names A's ids on every route, E in every command: 403 or 404, and nothing of A's changes."""
    a, b, d, e = await reg("a", "b", "d", "e")
    g = (await group(a, [b]))["conversation_id"]
    pair = (await direct(a, b))["conversation_id"]
    message_id = (await send(a, g, "hello")).ok(201)["message_id"]
    code = (await a.post(f"/v1/conversations/{g}/invites", {})).ok(201)
    ids = {
        "conversation_id": g,
        "session_id": a.session_id,
        "user_id": a.user_id,
        "user_ids": a.user_id,
        "participant_ids": a.user_id,
        "invite_id": code["invite_id"],
        "code": "x" * 22,
        "last_message_id": message_id,
        "message_id": message_id,
        "around": message_id,
        "reply_to_message_id": message_id,
        "thread_root_id": message_id,
        "mentions": a.user_id,
        "actor_id": a.user_id,
        "target_id": g,
        "query": "hello",
        **await stranger_ids(a, b, g),
    }
    before = await belongings(a, b, g, pair)
    document = await served(server)
    tried = []
    for operation in document.operations:
        requests = list(attempts(document, operation, ids))
        for method, path, body in requests:
            tried.append(operation.name)
            answer = await d.request(method, path, body)
            document.check(operation, answer)
            wanted = {OPEN[operation.name]} if operation.name in OPEN else {403, 404}
            assert answer.status in wanted, (method, path, body, answer.status, answer.raw)
            assert b"hello" not in answer.raw
    assert set(OPEN) <= set(tried)
    assert len(set(tried)) > 35

    for conversation_id in (g, pair):
        answer = await refused(e.url, f"?conversation_id={conversation_id}", **bearer(e))
        answer.is_error(403, "FORBIDDEN")
    async with ws(e, resume={g: 0, pair: 0}) as chat:
        for resumed in next(frame for frame in chat.seen if frame["type"] == "ack")["resume"].values():
            assert (resumed["recovered"], resumed["reason"], resumed["last_seq"]) == (False, "removed", 0)
        for conversation_id in (g, pair):
            for type_, fields in (
                ("message_send", {"content": "hi", "message_type": "text"}),
                ("read", {"seq": 1}),
                ("delivered", {"seq": 1}),
                ("typing", {"is_typing": True}),
            ):
                answered = await chat.command(type_, conversation_id=conversation_id, **fields)
                assert (answered["type"], answered["code"]) == ("error", "FORBIDDEN"), answered
        for type_, fields in (
            ("message_edit", {"content": "hi"}),
            ("message_delete", {"scope": "everyone"}),
            ("message_delete", {"scope": "me"}),
            ("reaction_add", {"emoji": ids["emoji"]}),
            ("reaction_remove", {"emoji": ids["emoji"]}),
        ):
            answered = await chat.command(type_, message_id=message_id, **fields)
            assert (answered["type"], answered["code"]) == ("error", "FORBIDDEN"), answered
        answered = await chat.command("subscribe_presence", user_ids=[a.user_id])
        assert (answered["presence"], answered["denied"]) == ([], [a.user_id])
        answered = await chat.command("token_refresh", access_token=a.access)
        assert (answered["type"], answered["code"]) == ("error", "UNAUTHORIZED"), answered
        assert await chat.close_code() == 4001
        assert chat.events() == []
    assert await belongings(a, b, g, pair) == before


async def test_z1_nothing_of_others_through_ones_own_door(server: Server, reg: Register) -> None:
    """D names one thing of A's at a time in a conversation of its own, where D may do everything: 403, 404,
    or 400 for what can never be there."""
    a, b, d = await reg("a", "b", "d")
    g = (await group(a, [b]))["conversation_id"]
    message_id = (await send(a, g, "hello")).ok(201)["message_id"]
    others = {
        "message_id": message_id,
        "last_message_id": message_id,
        "around": message_id,
        "reply_to_message_id": message_id,
        "thread_root_id": message_id,
        "invite_id": (await a.post(f"/v1/conversations/{g}/invites", {})).ok(201)["invite_id"],
        **await stranger_ids(a, b, g),
    }
    others["attachments"] = others["file_id"]
    before = await belongings(a, b, g)
    own = (await group(d, [await someone_else(reg)]))["conversation_id"]
    document = await served(server)
    tried, open_ = set(), set()
    for operation in document.operations:
        for name, method, path, body in intrusions(document, operation, own, others):
            tried.add(name)
            answer = await d.request(method, path, body)
            assert b"hello" not in answer.raw
            if answer.status not in {400, 403, 404}:
                open_.add((operation.name, name, answer.status))
    # One's own draft in somebody else's thread: there is none, and nothing is said about the thread.
    drafts = {f"{method} /v1/conversations/{{id}}/draft" for method in ("GET", "DELETE")}
    assert open_ == {(draft, "thread_root_id", 200) for draft in drafts}
    assert {"invite_id", "webhook_id", "message_id", "attachments", "avatar_file_id", "around"} <= tried
    assert {"reply_to_message_id", "thread_root_id", "last_message_id"} <= tried
    assert await belongings(a, b, g) == before


async def someone_else(reg: Register) -> Person:
    (person,) = await reg("f")
    return person


def intrusions(
    document: Document, operation: Operation, own: str, others: dict[str, str]
) -> Iterator[tuple[str, str, str, dict[str, Any] | None]]:
    """Requests on this operation that name `own` as the conversation, and one of the others' ids each."""
    in_path = {operation.kind(name): name for name in operation.parameters("path")}
    schema = document.resolve(operation.body) if operation.body is not None else {"properties": {}}
    fields, queries = schema["properties"], operation.parameters("query")
    if "conversation_id" not in {*in_path, *fields, *queries}:
        return
    start = f"?conversation_id={own}&" if "conversation_id" in queries else "?"
    for name, id_ in others.items():
        path = operation.path
        for kind, parameter in in_path.items():
            path = path.replace(f"{{{parameter}}}", {"conversation_id": own, name: id_}.get(kind, NIL))
        body = None
        if operation.body is not None:
            body = example(document, operation.body, {"conversation_id": own, name: id_})
        if name in in_path:
            yield name, operation.method, path, body
        elif name in queries:
            yield name, operation.method, f"{path}{start}{name}={id_}", body
        elif name in fields and body is not None:
            many = document.resolve(fields[name]).get("type") == "array"
            yield name, operation.method, path, {**body, name: [id_] if many else id_}


def attempts(
    document: Document, operation: Operation, ids: dict[str, str]
) -> list[tuple[str, str, dict[str, Any] | None]]:
    """Requests on this operation that name A's ids, if it takes any."""
    path, named = operation.path, False
    for name in operation.parameters("path"):
        path, named = path.replace(f"{{{name}}}", ids[operation.kind(name)]), True
    queries = [f"{name}={ids[name]}" for name in operation.parameters("query") if name in ids]
    body = None
    if operation.body is not None:
        # The code of an invite stands in paths; bodies name other things so.
        in_bodies = {name: id_ for name, id_ in ids.items() if name != "code"}
        body = example(document, operation.body, in_bodies)
        named = named or any(name in in_bodies for name in body)
    if operation.path.startswith("/v1/admin"):
        named = True
    if not named and not queries:
        return []
    return [(operation.method, path + ("?" + "&".join(queries) if queries else ""), body)]


def example(document: Document, schema: dict[str, Any], ids: dict[str, str]) -> dict[str, Any]:
    """A valid body whose ids are A's; optional fields only where they hold an id of a conversation."""
    schema = document.resolve(schema)
    body: dict[str, Any] = {}
    for name, field in schema["properties"].items():
        if name in ids and (name in schema.get("required", ()) or name == "conversation_id"):
            body[name] = [ids[name]] if field.get("type") == "array" else ids[name]
        elif name in schema.get("required", ()):
            body[name] = value(document, document.resolve(field))
    if "content" in schema["properties"]:
        body["content"] = "hi"
    return body


def value(document: Document, field: dict[str, Any]) -> Any:
    """A small valid value; items of an array differ."""
    if "enum" in field:
        return field["enum"][-1]
    if "properties" in field:
        return example(document, field, {})
    if field.get("format") == "date-time":
        return (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    if field.get("format") == "uuid":
        return NIL
    if field["type"] == "array":
        count = field.get("minItems", 0)
        items = [value(document, document.resolve(field["items"])) for _ in range(count)]
        return [f"{item}{place}" if isinstance(item, str) else item for place, item in enumerate(items)]
    return {
        "string": "x" * field.get("minLength", 1),
        "integer": field.get("minimum", 1),
        "boolean": True,
        "object": {},
    }[field["type"]]


async def belongings(a: Person, b: Person, *conversations: str) -> Any:
    """Everything of A's and B's that D could have reached."""
    found: list[Any] = [
        [
            (row["session_id"], row["last_used_at"])
            for row in (await a.get("/v1/auth/sessions")).ok()["sessions"]
        ],
        (await a.get("/v1/users/me")).ok(),
        (await a.get("/v1/users/me/friends")).ok(),
        (await a.get("/v1/users/me/blocked")).ok(),
    ]
    for conversation_id in conversations:
        for person in (a, b):
            found += [
                await events(person, conversation_id),
                (await person.get(f"/v1/conversations/{conversation_id}/participants")).ok(),
                (await person.get(f"/v1/conversations/{conversation_id}")).ok(),
            ]
        if (await a.get(f"/v1/conversations/{conversation_id}")).ok()["type"] == "group":
            found.append((await a.get(f"/v1/conversations/{conversation_id}/invites")).ok())
    return found


async def test_z1_nobody_without_a_token_gets_anything(server: Server) -> None:
    """Every route that is not public asks for a credential first, whatever else is wrong."""
    document = await served(server)
    for operation in document.operations:
        if operation.public:
            continue
        path = operation.path.replace("{", "").replace("}", "")
        answer = await request(server.url, operation.method, path, content=b"{bad")
        answer.is_error(401, "UNAUTHORIZED")
        document.check(operation, answer)
