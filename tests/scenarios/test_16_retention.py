"""Old events go as their conversation says: scenario G12."""

from typing import Any

import pytest

from tests.scenarios.audit import audited
from tests.scenarios.commands import make_admin
from tests.scenarios.conftest import Register, Serve
from tests.scenarios.files import download, file, quota
from tests.scenarios.server import Server
from tests.scenarios.steps import Person, events, group, send

DAY = 24 * 3600 * 1000


def age(server: Server, conversation_id: str, upto_seq: int, days: int) -> None:
    """Let events have happened earlier. The server is stopped."""
    for table in ("timeline_events", "messages"):
        server.tables.change(
            f"UPDATE {table} SET sent_at = sent_at - ? WHERE conversation_id = ? AND seq <= ?",
            days * DAY,
            conversation_id,
            upto_seq,
        )


async def everything_else(a: Person, b: Person, g: str, other: str) -> Any:
    """What retention must not change."""
    found = []
    for person in (a, b):
        found += [
            (await person.get("/v1/users/me")).ok(),
            await events(person, other),
            (await person.get(f"/v1/messages?conversation_id={other}")).ok(),
            (await person.get(f"/v1/conversations/{g}/participants")).ok(),
            (await person.get(f"/v1/conversations/{g}")).ok(),
            await quota(person),
        ]
    return found


@pytest.mark.only_on(
    "embedded",
    "all-in-one",
    "postgres",
    reason="it lets the log of tables grow old; tests/contract does in Cassandra",
)
async def test_g12_a_dry_run_tells_what_goes_and_a_real_one_removes_it(serve: Serve, reg: Register) -> None:
    """One day in G, for good elsewhere: the start of G's log goes with all that belonged to its messages."""
    async with serve() as server:
        admin = await make_admin(server)
        a, b = await reg("a", "b", url=server.url)
        g = (await group(a, [b], settings={"message_retention_days": 1}))["conversation_id"]
        other = (await group(a, [b]))["conversation_id"]
        first, second = await file(a, 100), await file(a, 200)

        async def say(text: str, **fields: Any) -> Any:
            return (await send(a, g, text, **fields)).ok(201)

        old = await say("old", attachments=[first, second], mentions=[b.user_id])
        edited = await say("edited later")
        reply = await say("reply", thread_root_id=old["message_id"])
        (await a.post(f"/v1/messages/{old['message_id']}/react", {"emoji": "👍"})).ok(201)
        (await a.post(f"/v1/conversations/{g}/pins", {"message_id": old["message_id"]})).ok(201)
        body = {"conversation_id": g, "question": "Who?", "options": ["I", "You"], "poll_type": "single"}
        poll = (await a.post("/v1/polls", body)).ok(201)
        last_old = (await events(a, g))[-1]["seq"]
        young = await say("young", attachments=[second])
        (await a.patch(f"/v1/messages/{edited['message_id']}", {"content": "edited twice"})).ok()
        (await send(a, other, "kept", attachments=[first])).ok(201)
        await server.stop()
        for conversation_id in (g, other):
            age(server, conversation_id, last_old, 2)
        await server.start()

        log, before = await events(b, g), await everything_else(a, b, g, other)
        assert (await b.get(f"/v1/conversations/{g}")).ok()["my"]["mention_count"] == 1
        dry = (await admin.post("/v1/admin/retention/run")).ok()
        assert {name: dry[name] for name in ("conversations", "events", "files")} == {
            "conversations": 1,
            "events": last_old,
            "files": 2,
        }
        assert dry["bytes"] > 100
        assert await events(b, g) == log
        assert (await admin.post("/v1/admin/retention/run", {"dry_run": False})).ok() == dry
        nothing = {"conversations": 0, "events": 0, "files": 0, "bytes": 0}
        assert (await admin.post("/v1/admin/retention/run", {"dry_run": False})).ok() == nothing

        page = (await b.get(f"/v1/conversations/{g}/events?after_seq=0")).ok()
        assert page["first_seq"] == last_old + 1
        rest = [event for event in log if event["seq"] > last_old]
        assert [event["seq"] for event in page["events"]] == [event["seq"] for event in rest]
        assert page["events"][0] == rest[0]
        told = page["events"][1]
        assert (told["kind"], told["data"]["message_id"]) == ("message_edited", edited["message_id"])
        assert (told["data"]["message"]["content"], told["data"]["message"]["delete_reason"]) == (
            "",
            "expired",
        )

        messages = (await b.get(f"/v1/messages?conversation_id={g}")).ok()["messages"]
        assert [message["message_id"] for message in messages] == [young["message_id"]]
        for message_id in (old["message_id"], edited["message_id"], reply["message_id"]):
            (await b.get(f"/v1/messages/{message_id}")).is_error(404, "NOT_FOUND")
        (await b.get(f"/v1/polls/{poll['poll_id']}")).is_error(404, "NOT_FOUND")
        assert (await b.get(f"/v1/conversations/{g}/pins")).ok()["messages"] == []
        assert (await download(b, first)).status == 200, "attached elsewhere"
        assert (await download(b, second)).status == 200, "attached to a young message"
        assert (await b.get(f"/v1/conversations/{g}")).ok()["my"]["mention_count"] == 0

        after = await everything_else(a, b, g, other)
        for found in (before, after):
            for conversation in (found[4], found[10]):
                for name in ("mention_count", "unread_count"):
                    del conversation["my"][name]
        assert after == before
        await say("goes on")
        assert (await events(b, g))[-1]["seq"] == rest[-1]["seq"] + 1
        run = await audited(admin, "retention_run", details={"dry_run": "false", **figures(dry)})
        assert (run["actor_id"], run["target_type"]) == (admin.user_id, "server")


def figures(report: dict[str, int]) -> dict[str, str]:
    """As the audit trail has them."""
    return {name: str(value) for name, value in report.items()}
