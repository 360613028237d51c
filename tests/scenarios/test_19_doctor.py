"""Doctor: scenario K2, and the invariants that it checks."""

import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.commands import Outcome, secureconnect
from tests.scenarios.conftest import Register, Serve
from tests.scenarios.files import file
from tests.scenarios.server import Server, free_port
from tests.scenarios.steps import direct, group, send

pytestmark = pytest.mark.only_on("embedded", reason="it is about the data directory of one process")


async def doctor(data_dir: Path, *more: str, **sections: Any) -> Outcome:
    return await secureconnect(
        "doctor", "--json", "--data-dir", data_dir, *more, cwd=data_dir.parent, **sections
    )


def named(told: Outcome, status: str) -> dict[str, str]:
    """Message and fix of every check with this status."""
    return {
        check["name"]: f"{check['message']} {check.get('fix', '')}"
        for check in told.json["checks"]
        if check["status"] == status
    }


async def test_k2_healthy_and_not(serve: Serve, reg: Register, tmp_path: Path) -> None:
    """Exit 0 beside a running server; 3 when something is broken, with its name and what to do."""
    async with serve() as server:
        a, b = await reg("a", "b", url=server.url)
        conversation = (await direct(a, b))["conversation_id"]
        await send(a, conversation, "hello")
        await file(a, b"1234")
        public = {"public_url": server.url}
        told = await doctor(server.data_dir, "--deep", server=public)
        assert (told.code, named(told, "fail")) == (0, {}), told.out
        assert {"database", "migrations", "master key", "object store", "mail", "I1", "I6", "I11"} <= set(
            named(told, "ok")
        )
        assert "leads to a server of ours" in named(told, "ok")["public address"]

        closed = free_port()
        store = {
            "backend": "s3",
            "endpoint": f"http://127.0.0.1:{closed}",
            "bucket": "the-bucket",
            "access_key": "a",
            "secret_key": "not-to-be-told",
        }
        mail = {"backend": "smtp", "host": "127.0.0.1", "port": closed, "from": "a@example.test"}
        told = await doctor(server.data_dir, object_store=store, mail=mail)
        assert told.code == 3
        broken = named(told, "fail")
        assert "the-bucket" in broken["object store"]
        assert str(closed) in broken["mail"]
        assert b"not-to-be-told" not in told.out

        spoken = await secureconnect("doctor", "--data-dir", server.data_dir, cwd=tmp_path, server=public)
        assert spoken.code == 0
        assert b"ok    database: answers in" in spoken.out

    set_clock(server, int(time.time() * 1000) + 3_600_000)
    told = await doctor(server.data_dir)
    assert (told.code, "in the future" in named(told, "fail")["clock and data"]) == (3, True)
    assert "clock" in named(told, "fail")["clock and data"]

    (server.data_dir / "secrets" / "master_key").write_text("A" * 43 + "=\n")
    assert "master key" in named(await doctor(server.data_dir), "fail")


def set_clock(server: Server, moment: int) -> None:
    """As if the server had run with another clock."""
    with sqlite3.connect(server.data_dir / "secureconnect.db") as raw:
        raw.execute("UPDATE timeline_heads SET last_at = ?", (moment,))
    raw.close()


async def test_an_installation_that_is_not_there(tmp_path: Path) -> None:
    """Nothing is made by asking."""
    told = await doctor(tmp_path / "nowhere")
    assert told.code == 3
    assert "disk" in named(told, "fail")
    assert "database" in named(told, "fail")


BROKEN = {
    "I1": "DELETE FROM timeline_events WHERE kind = 'message_created' AND seq = 3",
    "I2": "UPDATE timeline_heads SET last_seq = last_seq - 1",
    "I3": "DELETE FROM messages",
    "I4": "UPDATE conversation_participants SET joined_seq = 2",
    "I5": "UPDATE conversations SET owner_id = NULL WHERE type = 'group'",
    "I6": "DELETE FROM conversation_participants WHERE role = 'member'",
    "I7": "UPDATE poll_options SET vote_count = 3",
    "I8": "UPDATE storage_usage SET completed_bytes = completed_bytes + 1",
    "I10": "UPDATE users SET state = 'deleted'",
    "I11": "UPDATE conversation_participants SET last_read_seq = 100",
}


async def test_each_invariant_is_looked_at(serve: Serve, reg: Register, tmp_path: Path) -> None:
    """One kind of damage after the other, to the file of a stopped server."""
    async with serve() as server:
        a, b = await reg("a", "b", url=server.url)
        conversation = (await group(a, [b]))["conversation_id"]
        for number in range(3):
            (await send(a, conversation, f"text {number}")).ok(201)
        await file(a, b"1234")
        poll = {
            "conversation_id": conversation,
            "question": "?",
            "options": ["x", "y"],
            "poll_type": "single",
        }
        (await a.post("/v1/polls", poll)).ok(201)
        assert await server.stop() == 0
        whole = (server.data_dir / "secureconnect.db").read_bytes()

    told = await doctor(server.data_dir, "--deep")
    assert named(told, "fail") == {}
    path = server.data_dir / "secureconnect.db"
    for name, damage in BROKEN.items():
        path.write_bytes(whole)
        with sqlite3.connect(path) as raw:
            assert raw.execute(damage).rowcount > 0, damage
        raw.close()
        found = await doctor(server.data_dir, "--deep")
        assert (found.code, name in named(found, "fail")) == (3, True), (name, found.out)
