"""Backup, restore and doctor on real PostgreSQL, Valkey and S3 servers."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from stack.valkey import Valkey
from tests.scenarios.alone import Alone, networked
from tests.scenarios.commands import Outcome, secureconnect
from tests.scenarios.files import download, fetch, file
from tests.scenarios.patience import eventually
from tests.scenarios.server import free_port
from tests.scenarios.steps import direct, register, send, stranger, whole_log
from tests.scenarios.tables import PostgresTables

pytestmark = pytest.mark.only_on("embedded", reason="it arranges its own stores")


async def rows(url: str) -> dict[str, list[Any]]:
    """Every row of a database, by table."""
    conn = await asyncpg.connect(url)
    try:
        names = await conn.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        return {name[0]: sorted(map(repr, await conn.fetch(f'SELECT * FROM "{name[0]}"'))) for name in names}
    finally:
        await conn.close()


#: What a restore changes, what says which process does what or how far it is, and what is made again.
CHANGED = {
    "sessions",
    "audit_logs",
    "one_time_tokens",
    "schema_migrations",
    "leases",
    "call_processes",
    "notification_progress",
    "search_documents",
    "search_conversations",
    "search_progress",
}


async def told_upto(server: Alone, conversation_id: str) -> int:
    """Up to which event its members were notified; 0 for none."""
    query = "SELECT seq FROM notification_progress WHERE conversation_id = ?"
    found = await asyncio.to_thread(PostgresTables(server.stores.database).rows, query, conversation_id)
    return int(found[0][0]) if found else 0


async def test_a_cluster_comes_back(tmp_path: Path) -> None:
    """From PostgreSQL and S3 into other ones, row by row, and into a data directory."""
    one, other = networked(tmp_path / "one"), networked(tmp_path / "other")
    archive = tmp_path / "one.backup"
    try:
        await one.start()
        a, b = [await register(stranger(one.url, name)) for name in ("a", "b")]
        conversation = (await direct(a, b))["conversation_id"]
        for number in range(10):
            (await send(a, conversation, f"text {number}")).ok(201)
        file_id = await file(a, b"1234" * 1000)

        async def told() -> bool:  # of all messages: entries come a moment after what they tell of
            return await told_upto(one, conversation) == 11

        await eventually(told)
        made = await one.command("backup", "--out", archive, "--json")
        assert (made.code, made.json["objects"]) == (0, 1), made.err
        one.stop()
        before = await rows(one.stores.database)

        done = await other.command("restore", "--in", archive, "--json")
        assert done.code == 0, done.err
        after = await rows(other.stores.database)
        assert {name for name in before if name not in CHANGED and before[name] != after[name]} == set()
        assert await told_upto(other, conversation) == 11
        again = await other.command("restore", "--in", archive)
        assert (again.code, "--force" in again.err) == (1, True)
        forced = await other.command("restore", "--in", archive, "--force", "--keep-sessions")
        assert forced.code == 0, forced.err
        deep = await other.command("doctor", "--deep", "--json")
        broken = [check for check in deep.json["checks"] if check["status"] == "fail"]
        assert (deep.code, broken) == (0, [])

        await other.start()
        a.url = other.url
        log = await whole_log(a, conversation)
        assert [event["seq"] for event in log] == list(range(1, len(log) + 1))
        assert len(log) == 11
        assert (await fetch((await download(a, file_id)).ok()["download_url"])).raw == b"1234" * 1000

        local = await secureconnect(
            "restore", "--in", archive, "--data-dir", tmp_path / "local", cwd=tmp_path
        )
        assert local.code == 0, local.err
    finally:
        for each in (one, other):
            each.stop()
            each.arrangement.close()


async def test_k2_doctor_names_what_is_wrong_outside(tmp_path: Path) -> None:
    """A Redis that forgets, a wrong key of S3, a TURN server that is not there."""
    one = networked(tmp_path / "one")
    valkey = Valkey(tmp_path / "valkey", maxmemory_policy="allkeys-lru")
    try:
        well = await one.command("doctor", "--json")
        assert well.code == 0, well.out
        names = {check["name"] for check in well.json["checks"]}
        assert {"redis", "database", "clock of the database", "object store, as clients see it"} <= names

        await asyncio.to_thread(valkey.start)
        port = free_port()
        store = {**one.settings()["object_store"], "secret_key": "not-the-key"}
        told = await one.command(
            "doctor",
            "--json",
            redis={"url": valkey.url},
            object_store=store,
            turn={"urls": f"turn:127.0.0.1:{port}?transport=tcp", "secret": "a-secret-of-turn"},
        )
        assert told.code == 3
        broken = {
            check["name"]: check["message"] + check["fix"]
            for check in told.json["checks"]
            if check["status"] == "fail"
        }
        assert "allkeys-lru" in broken["redis"]
        assert "bucket" in broken["object store"]
        assert str(port) in broken["turn"]
        assert b"not-the-key" not in told.out
        assert b"a-secret-of-turn" not in told.out
    finally:
        await asyncio.to_thread(valkey.close)
        one.arrangement.close()


async def test_k2_doctor_names_each_dependency_that_is_away(tmp_path: Path) -> None:
    """Dead or hung, each with what to look at; that one is away hides none of the others."""
    one = networked(tmp_path / "one")
    nobody = {name: free_port() for name in ("s3", "smtp", "turn", "cassandra", "sql", "sfu")}
    endpoint = f"http://127.0.0.1:{nobody['s3']}"
    away: dict[str, Any] = {
        "object_store": {**one.settings()["object_store"], "endpoint": endpoint, "timeout": 2},
        "mail": {"backend": "smtp", "host": "127.0.0.1", "port": nobody["smtp"], "from": "a@example.test"},
        "turn": {"urls": f"turn:127.0.0.1:{nobody['turn']}?transport=tcp", "secret": "a-secret-of-turn"},
        "timeline": {
            "backend": "cassandra",
            "hosts": '["127.0.0.1"]',
            "port": nobody["cassandra"],
            "local_dc": "datacenter1",
            "timeout": 2,
        },
        "sfu": {
            "livekit_url": f"http://127.0.0.1:{nobody['sfu']}",
            "livekit_api_key": "key",
            "livekit_api_secret": "s" * 40,
        },
    }
    named = {
        "redis": "redis.url",
        "object store": "object_store.endpoint",
        "object store, as clients see it": "object_store.public_endpoint",
        "mail": "mail.host",
        "turn": "turn.secret",
        "timeline": "timeline.hosts",
        "sfu": "sfu.livekit_api_key",
    }
    try:
        one.stores.redis.pause()
        told = await one.command("doctor", "--json", **away)
        assert missing(told, named) == {}, told.out
        assert told.code == 3
        assert {check["name"]: check["status"] for check in told.json["checks"]}["database"] == "ok"

        database = one.stores.database.replace(f":{one.stores.postgres.port}/", f":{nobody['sql']}/")
        one.stores.redis.resume()
        told = await one.command("doctor", "--json", database={"url": database})
        assert told.code == 3
        assert missing(told, {"database": "database.url"}) == {}, told.out
        assert {check["name"] for check in told.json["checks"] if check["status"] == "ok"} >= {
            "redis",
            "object store",
        }
    finally:
        one.stores.redis.resume()
        one.arrangement.close()


def missing(told: Outcome, wanted: Mapping[str, str]) -> dict[str, str]:
    """Of these checks, by the setting that the fix has to name, those that did not fail so."""
    fixes = {check["name"]: check["fix"] for check in told.json["checks"] if check["status"] == "fail"}
    return {name: setting for name, setting in wanted.items() if setting not in fixes.get(name, "")}
