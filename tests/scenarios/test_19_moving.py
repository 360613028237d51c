"""A company that outgrows its database takes its messages along, to Cassandra and back."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from stack.settings import timeline_settings
from tests.scenarios.alone import Alone, networked
from tests.scenarios.server import free_port
from tests.scenarios.steps import Person, direct, register, send, stranger, whole_log
from tests.scenarios.stores import cassandra
from tests.scenarios.tables import PostgresTables

pytestmark = [
    pytest.mark.only_on("embedded", reason="it arranges its own stores"),
    pytest.mark.cassandra,
]


async def seen(one: Alone, person: Person, conversation: str) -> tuple[Any, ...]:
    """What a member gets of a conversation from the server at its present place."""
    person.url = one.url
    messages = (await person.get(f"/v1/messages?conversation_id={conversation}&limit=100")).ok()
    listed = (await person.get("/v1/conversations")).ok()
    return await whole_log(person, conversation), messages["messages"], listed["conversations"]


async def test_messages_move_to_cassandra_and_back(tmp_path: Path) -> None:
    """Nothing is lost, nobody notices, and no process serves from the store where they are not."""
    one = networked(tmp_path / "one")
    there = timeline_settings(await asyncio.to_thread(cassandra), "moved")
    here = {**there, "backend": "database"}
    try:
        await one.start()
        a, b = [await register(stranger(one.url, name)) for name in ("a", "b")]
        g = (await direct(a, b))["conversation_id"]
        sent = [(await send(a, g, f"text {number}")).ok(201)["message_id"] for number in range(30)]
        (await a.patch(f"/v1/messages/{sent[3]}", {"content": "edited"})).ok()
        (await b.post(f"/v1/messages/{sent[4]}/react", {"emoji": "\U0001f44d"})).ok(201)
        (await send(b, g, "an answer", reply_to_message_id=sent[3])).ok(201)
        (await send(b, g, "in a thread", thread_root_id=sent[5])).ok(201)
        (await a.delete(f"/v1/messages/{sent[6]}")).ok()
        first = {"conversation_id": g, "content": "once", "client_message_id": "c-1"}
        (await a.post("/v1/messages", first)).ok(201)

        too_early = await one.command("migrate", "timeline", timeline=there)
        assert (too_early.code, "Stop all of them first" in too_early.err) == (1, True)
        before = await seen(one, b, g)
        one.stop()
        one.more = {"timeline": there}
        refused = await one.command("serve", "--port", str(free_port()))
        assert (refused.code, "migrate timeline" in refused.err) == (1, True)
        moved = await one.command("migrate", "timeline")
        assert moved.code == 0, moved.err
        assert moved.out.startswith(b"moved to Cassandra: 1 conversations,")
        again = await one.command("migrate", "timeline")
        assert (again.code, again.out) == (0, b"nothing to do: what there is lies in Cassandra\n")

        await one.start()
        assert await seen(one, b, g) == before
        a.url = one.url
        (await a.post("/v1/messages", first)).ok(200)  # known still
        (await send(a, g, "said in Cassandra")).ok(201)
        (await a.patch(f"/v1/messages/{sent[7]}", {"content": "edited there"})).ok()
        after = await seen(one, b, g)
        assert [event["seq"] for event in after[0]] == list(range(1, len(before[0]) + 3))
        one.stop()

        # As a program left it that decided in Cassandra where a log stands: neither served nor emptied.
        tables = PostgresTables(one.stores.database)
        heads = tables.rows("SELECT * FROM decided_heads")
        assert tables.change("DELETE FROM decided_heads") == 1
        for backend in (there, here):
            for command in (("serve", "--port", str(free_port())), ("migrate", "timeline")):
                refused = await one.command(*command, timeline=backend)
                assert (refused.code, "an earlier program" in refused.err) == (1, True)
        tables.change("INSERT INTO decided_heads VALUES (?, ?, ?, ?, ?, ?, ?)", *heads[0])

        one.more = {"timeline": here}
        refused = await one.command("serve", "--port", str(free_port()))
        assert (refused.code, "lie in Cassandra" in refused.err) == (1, True)
        back = await one.command("migrate", "timeline")
        assert back.code == 0, back.err
        assert back.out.startswith(b"moved to the database: 1 conversations,")
        await one.start()
        assert await seen(one, b, g) == after
        deep = await one.command("doctor", "--deep", "--json")
        assert [check for check in deep.json["checks"] if check["status"] == "fail"] == []
        archive = tmp_path / "moved.backup"
        assert (await one.command("backup", "--out", archive)).code == 0
        assert (await one.command("restore", "--in", archive, "--verify")).code == 0
    finally:
        one.stop()
        one.arrangement.close()
