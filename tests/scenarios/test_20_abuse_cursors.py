"""Cursors where they do not belong, and numbers that no list has: part of scenario Z2."""

import asyncio
from typing import Any

from tests.scenarios import files
from tests.scenarios.conftest import Register
from tests.scenarios.indexed import indexed
from tests.scenarios.signaling import call
from tests.scenarios.steps import NIL, Person, group, send, ws


async def _lists(a: Person, b: Person) -> list[str]:
    """The path of every list of what happens in conversations, each with more than one item for `a`."""
    g = (await group(a, [b]))["conversation_id"]
    attached = [await files.file(a, 3), await files.file(a, 4)]
    root = (await send(a, g, "cursors", attachments=attached)).ok(201)["message_id"]
    for number in range(2):
        reply = (await send(b, g, f"cursors {number}", thread_root_id=root)).ok(201)["message_id"]
        (await a.patch(f"/v1/messages/{root}", {"content": f"cursors, {number}"})).ok()
        (await a.post(f"/v1/messages/{root}/react", {"emoji": ("👍", "🎉")[number]})).ok(201)
        (await a.post(f"/v1/conversations/{g}/pins", {"message_id": (root, reply)[number]})).ok(201)
        body = {"conversation_id": g, "content": "later", "send_at": "2030-01-01T00:00:00Z"}
        (await a.post("/v1/messages/scheduled", {**body, "send_at": _later(number)})).ok(201)
    polls = []
    for kind in ("single", "multi"):
        asked = {"conversation_id": g, "question": "?", "poll_type": kind, "options": ["a", "b"]}
        polls.append((await a.post("/v1/polls", asked)).ok(201))
    option = polls[0]["options"][0]["option_id"]
    for person in (a, b):
        body = {"poll_id": polls[0]["poll_id"], "option_ids": [option]}
        (await person.post("/v1/polls/vote", body)).ok()
    await indexed(a)
    for _ in range(2):
        (await a.post(f"/v1/calls/{await call(a, g, [b])}/end")).ok()
    return [
        f"/v1/messages?conversation_id={g}",
        f"/v1/messages/{root}/thread?",
        f"/v1/messages/{root}/reactions?",
        f"/v1/messages/{root}/history?",
        f"/v1/messages/{root}/receipts?",
        f"/v1/messages/search?query=cursors&conversation_id={g}",
        f"/v1/messages/scheduled?conversation_id={g}",
        f"/v1/conversations/{g}/pins?",
        f"/v1/conversations/{g}/files?",
        f"/v1/conversations/{g}/participants?",
        f"/v1/polls?conversation_id={g}",
        f"/v1/polls/active?conversation_id={g}",
        f"/v1/polls/{polls[0]['poll_id']}/voters?option_id={option}",
        "/v1/calls?",
        "/v1/notifications?",
        "/v1/storage/files?",
        "/v1/sync?",
    ]


def _later(days: int) -> str:
    from datetime import UTC, datetime, timedelta

    return (datetime.now(UTC) + timedelta(days=1 + days)).isoformat()


async def test_z2_a_cursor_belongs_to_one_list_and_one_caller(reg: Register) -> None:
    """A list's cursor is refused by every other list and from everybody else; so are limits out of range."""
    a, b = await reg("a", "b")
    lists = await _lists(a, b)
    cursors: dict[str, str] = {}
    for path in lists:
        page: Any = (await a.get(f"{path}&limit=1")).ok()
        if page["next_cursor"] is not None:
            cursors[path] = page["next_cursor"]
            again = (await a.get(f"{path}&limit=1&cursor={page['next_cursor']}")).ok()
            assert again["has_more"] == (again["next_cursor"] is not None)
    assert len(cursors) >= len(lists) - 3, set(lists) - cursors.keys()

    async def refused(person: Person, path: str, query: str, field: str) -> None:
        answer = await person.get(f"{path}&{query}")
        answer.is_error(400, "VALIDATION_ERROR")
        assert answer.fields == [field], path

    asked = []
    for path in lists:
        others = [cursor for of, cursor in cursors.items() if of != path]
        asked += [refused(a, path, f"cursor={cursor}", "cursor") for cursor in others]
        if path in cursors and "receipts" not in path:
            asked.append(refused(b, path, f"cursor={cursors[path]}", "cursor"))
        for limit in ("0", "-1", "100000", "9" * 30, "null"):
            asked.append(refused(a, path, f"limit={limit}", "limit"))
    for start in range(0, len(asked), 16):
        await asyncio.gather(*asked[start : start + 16])


async def test_s6_commands_with_values_that_nobody_means(reg: Register) -> None:
    """Changes over the socket with nulls, wrong types, huge numbers and long lists: an error each."""
    a, b = await reg("a", "b")
    g = (await group(a, [b]))["conversation_id"]
    m = (await send(a, g, "here")).ok(201)["message_id"]
    long = [NIL] * 5_000
    good: dict[str, dict[str, Any]] = {
        "message_edit": {"message_id": m, "content": "x"},
        "message_delete": {"message_id": m, "scope": "me"},
        "reaction_add": {"message_id": m, "emoji": "👍"},
        "reaction_remove": {"message_id": m, "emoji": "👍"},
        "poll_vote": {"poll_id": NIL, "option_ids": [NIL]},
    }
    bad: dict[str, list[Any]] = {
        "message_id": [
            None,
            1,
            True,
            [],
            {},
            "",
            "x" * 10_000,
            "\x00",
            f"{m}\n",
            NIL.replace("0", "g"),
        ],
        "content": [None, 1, [], {}, "", "  ", "\x00", "x" * 10_001],
        "emoji": [None, 1, [], "", "x", "👍👍", "\x00", "👍" * 100],
        "option_ids": [None, 1, {}, [], [1], [None], [NIL, NIL], long, "x"],
        "scope": [None, 1, "x", []],
        "poll_id": [None, 1, "x", []],
        "metadata": [
            1,
            [],
            {"x": {}},
            {"x": None},
            {"x": "\x00"},
            {"": "x"},
            dict.fromkeys(map(str, range(40)), 1),
        ],
        "mentions": [1, {}, [1], [None], long, ["x"]],
        "attachments": [1, {}, [1], long, ["x"]],
        "base_edit_count": ["0", -1, 2**70, 1.5, True, []],
        "e2ee": [1, [], "x", {"x": "y" * 20_000}],
    }
    allowed = {"VALIDATION_ERROR", "NOT_FOUND", "CONFLICT"}
    optional = ("metadata", "mentions", "attachments", "base_edit_count", "e2ee")
    async with ws(a) as chat:
        for command, fields in good.items():
            for name in (*fields, *(optional if command == "message_edit" else ())):
                for value in bad[name]:
                    answer = await chat.command(command, **{**fields, name: value})
                    assert answer["type"] == "error", (command, name, value)
                    assert answer["code"] in allowed, (command, name, value, answer)
        assert (await chat.command("message_edit", **good["message_edit"]))["type"] == "ack"
