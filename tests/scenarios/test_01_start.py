"""Start, settings, health: scenarios P1 to P9 and P12. What needs split roles is not in this version."""

import asyncio
import base64
import contextlib
import json
import re
import secrets
import shutil
import signal
import sqlite3
import stat
from pathlib import Path
from typing import Any

import pytest
import schemathesis

from tests.scenarios.commands import secureconnect
from tests.scenarios.conftest import Register, Serve
from tests.scenarios.patience import eventually
from tests.scenarios.raw import Line, head
from tests.scenarios.server import Server
from tests.scenarios.steps import Chat, request, stranger, ws

# Every enveloped route that this version has, as docs/reference/http.md lists them.
ROUTES = """
POST /v1/auth/register
POST /v1/auth/login
POST /v1/auth/refresh
POST /v1/auth/logout
GET /v1/auth/profile
GET DELETE /v1/auth/sessions
DELETE /v1/auth/sessions/{session_id}
POST /v1/auth/reauthenticate
POST /v1/auth/password-reset/request
POST /v1/auth/password-reset/confirm
POST /v1/auth/verify-email
POST /v1/auth/verify-email/resend
GET PATCH /v1/users/me
POST /v1/users/me/password
POST /v1/users/me/email
POST /v1/users/me/email/verify
GET /v1/users/search
GET /v1/users/{id}
GET /v1/users/{id}/mutual-friends
GET /v1/users/me/friends
GET /v1/users/me/friend-requests
POST DELETE /v1/users/{id}/friend
POST /v1/users/me/friends/{id}/accept
DELETE /v1/users/me/friends/{id}/reject
DELETE /v1/users/me/friends/{id}
GET /v1/users/me/blocked
POST DELETE /v1/users/{id}/block
GET POST /v1/conversations
GET PATCH DELETE /v1/conversations/{id}
PUT /v1/conversations/{id}/settings
GET POST /v1/conversations/{id}/participants
PATCH DELETE /v1/conversations/{id}/participants/{user_id}
POST /v1/conversations/{id}/leave
POST /v1/conversations/{id}/transfer
POST /v1/conversations/{id}/archive
POST /v1/conversations/{id}/unarchive
POST /v1/conversations/{id}/mute
POST /v1/conversations/{id}/unmute
GET POST /v1/conversations/{id}/invites
DELETE /v1/conversations/{id}/invites/{invite_id}
GET /v1/invites/{code}
POST /v1/invites/{code}/join
GET POST /v1/messages
GET /v1/messages/{id}
POST /v1/messages/read
GET /v1/conversations/{id}/events
POST /v1/conversations/{id}/read
GET /v1/sync
GET POST /v1/presence
GET /v1/admin/audit-logs
POST /v1/admin/keys/rotate
POST /v1/ws/tickets
GET /v1/ws/chat
GET /health
GET /livez
GET /readyz
GET /metrics
GET /openapi.json
GET /asyncapi.json
GET /docs
GET /.well-known/jwks.json
"""
FAULTY = '[auth]\nacess_ttl=5\n[server]\nport="x"\n[nonsense]\na=1\n'


async def page(server: Server, path: str) -> bytes:
    answer = await request(server.url, "GET", path)
    assert answer.status == 200, (path, answer.raw)
    return answer.raw


def entries(path: Path) -> list[str]:
    return [entry.name for entry in path.iterdir()]


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.only_on("embedded", reason="it is about the data directory of one process")
async def test_p1_starts_on_an_empty_directory(serve: Serve, tmp_path: Path) -> None:
    """An empty directory becomes a ready server with a database, objects and private secrets."""
    async with serve() as server:
        ready = await request(server.url, "GET", "/readyz")
        assert (ready.status, ready.body["status"]) == (200, "ready")
        assert ready.body["dependencies"]["database"]["status"] == "up"
        assert (server.data_dir / "secureconnect.db").is_file()
        assert (server.data_dir / "objects").is_dir()
        files = list((server.data_dir / "secrets").iterdir())
        assert files
        assert {mode(file) for file in files} == {0o600}
        assert mode(server.data_dir / "secrets") == 0o700


async def test_p2_health_is_one_small_object(server: Server) -> None:
    """/health of every process answers exactly status, service and timestamp."""
    for url, service in server.services.items():
        body = (await request(url, "GET", "/health")).body
        assert set(body) == {"status", "service", "timestamp"}
        assert (body["status"], body["service"]) == ("healthy", service)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", body["timestamp"])


async def test_p3_pages_of_operators_and_developers(server: Server) -> None:
    """Every page of every process answers; OpenAPI 3.1 is valid and lists every route; /docs loads nothing
    from elsewhere."""
    for url in server.services:
        assert (await request(url, "GET", "/livez")).body == {"status": "alive"}
        assert b"# TYPE http_requests_total counter" in (await request(url, "GET", "/metrics")).raw
        for path in ("/openapi.json", "/asyncapi.json", "/docs"):
            answer = await request(url, "GET", path)
            assert answer.raw == await page(server, path)
    assert json.loads(await page(server, "/asyncapi.json"))["asyncapi"].startswith("3.0")
    keys = json.loads(await page(server, "/.well-known/jwks.json"))["keys"]
    assert keys
    for key in keys:
        assert set(key) == {"kty", "crv", "x", "kid", "use", "alg"}
        assert (key["kty"], key["crv"], key["use"], key["alg"]) == ("OKP", "Ed25519", "sig", "EdDSA")

    document = json.loads(await page(server, "/openapi.json"))
    assert document["openapi"].startswith("3.1")
    schemathesis.openapi.from_dict(document).validate()
    listed = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    expected = {
        (method, line.split()[-1]) for line in ROUTES.strip().splitlines() for method in line.split()[:-1]
    }
    assert expected - listed == set()

    answer = await request(server.url, "GET", "/docs")
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    loads = re.findall(
        r"""(?:src|href|action)\s*=\s*["']?([^"'\s>]+)|url\(([^)]+)\)|@import""", answer.raw.decode()
    )
    assert {first or second for first, second in loads} == {"/openapi.json", "/asyncapi.json"}


async def test_p4_a_role_needs_networked_stores(tmp_path: Path) -> None:
    """`serve auth` on embedded stores ends with 2 and names every setting to change."""
    ended = await secureconnect("serve", "auth", "--data-dir", "d", cwd=tmp_path)
    assert ended.code == 2
    assert all(name in ended.err for name in ("database.url", "redis.url", "object_store.backend"))
    assert entries(tmp_path) == []


async def test_p5_all_problems_at_once(tmp_path: Path) -> None:
    """`config check` lists three problems with key names and lines."""
    (tmp_path / "c.toml").write_text(FAULTY)
    ended = await secureconnect("config", "check", "--json", "--config", "c.toml", cwd=tmp_path)
    assert ended.code == 2
    found = [(problem["key"], problem["where"]) for problem in ended.json["problems"]]
    assert found == [("auth.acess_ttl", "c.toml:2"), ("server.port", "c.toml:4"), ("nonsense.a", "c.toml:6")]


async def test_p6_environment_wins_over_the_file(tmp_path: Path) -> None:
    """`config show` says where a value comes from, and never shows a secret."""
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    (tmp_path / "c.toml").write_text(f'[auth]\naccess_ttl=60\n[secrets]\nmaster_key="{key}"\n')

    async def show(**sections: Any) -> Any:
        ended = await secureconnect(
            "config", "show", "--json", "--config", "c.toml", cwd=tmp_path, **sections
        )
        assert ended.code == 0, ended.err
        assert key.encode() not in ended.out
        assert ended.json["secrets.master_key"]["value"] == "***"
        return ended.json["auth.access_ttl"]

    shown = await show(auth={"access_ttl": 120})
    assert (shown["value"], shown["source"]) == (120, "env")
    shown = await show()
    assert (shown["value"], shown["source"]) == (60, "file")


async def test_p7_production_refuses_weak_secrets(tmp_path: Path) -> None:
    """A well-known password and a short master key are both named, and nothing starts."""
    ended = await secureconnect(
        "serve",
        cwd=tmp_path,
        server={"environment": "production", "public_url": "https://chat.example.test"},
        database={"url": "postgresql://chat:changeme@db/chat"},
        secrets={"master_key": base64.b64encode(bytes(8)).decode()},
    )
    assert ended.code == 2
    assert all(name in ended.err for name in ("DATABASE__URL", "well-known", "MASTER_KEY", "32 bytes"))
    assert "changeme" not in ended.err


@pytest.mark.only_on("embedded", reason="it is about the keys of one data directory")
async def test_p8_master_key_from_a_file(serve: Serve, tmp_path: Path) -> None:
    """The key comes from the file that the settings name; both forms at once are refused."""
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    (tmp_path / "key").write_text(f"{key}\n")
    async with serve(secrets={"master_key_file": tmp_path / "key"}) as server:
        await request(server.url, "GET", "/.well-known/jwks.json")
        assert not (server.data_dir / "secrets" / "master_key").exists()
        assert await server.stop() == 0
    # What the key sealed opens with the same key only.
    ended = await secureconnect(
        "serve",
        "--data-dir",
        server.data_dir,
        "--port",
        str(server.port),
        cwd=tmp_path,
        secrets={"master_key": base64.b64encode(secrets.token_bytes(32)).decode()},
    )
    assert ended.code == 1
    assert "master key" in ended.err
    assert "Traceback" not in ended.err

    ended = await secureconnect(
        "serve", cwd=tmp_path, secrets={"master_key_file": tmp_path / "key", "master_key": key}
    )
    assert ended.code == 2
    assert "master_key" in ended.err.lower()
    assert key not in ended.err


async def test_p9_embedded_stores_serve_one_process(tmp_path: Path) -> None:
    """Two workers on embedded stores end with 2."""
    ended = await secureconnect("serve", "--workers", "2", "--data-dir", "d", cwd=tmp_path)
    assert ended.code == 2
    assert all(name in ended.err for name in ("workers", "database.url", "redis.url", "object_store.backend"))


async def test_p12_a_planned_stop_finishes_what_runs(serve: Serve, reg: Register) -> None:
    """SIGTERM to the process that clients are connected to: requests whose bodies still arrive succeed,
    sockets are told, then it ends."""
    async with serve(server={"shutdown_grace": 18}) as server, contextlib.AsyncExitStack() as stack:
        (a,) = await reg("a", url=server.url)
        chats = [await stack.enter_async_context(ws(a)) for _ in range(10)]
        body = b'{"display_name":"Ann"}'
        lines = [await stack.enter_async_context(Line.to(server)) for _ in range(20)]
        for line in lines:
            line.send(head("PATCH", "/v1/users/me", token=a.access, length=len(body)) + body[:5])
        # All of them are being answered: the gauge counts the scrape itself too.
        await eventually(lambda: in_flight(server, 21))

        front = server.pieces[-1]
        front.signal(signal.SIGTERM)
        for chat in chats:
            frame = await chat.frame(type="going_away", timeout=10)
            assert 0 <= frame["retry_after_ms"] <= 10_000
        refused = await request(server.url, "GET", "/v1/users/me", token=a.access)
        refused.is_error(503, "SHUTTING_DOWN")
        assert int(refused.headers["retry-after"]) >= 1
        assert (await request(server.url, "GET", "/readyz")).status == 503
        assert (await request(server.url, "GET", "/livez")).status == 200

        for chat in chats:
            await closed_for_later(chat)
        for line in lines:
            line.send(body[5:])
        for line in lines:
            status, _, raw = await line.response()
            assert (status, json.loads(raw)["data"]["display_name"]) == (200, "Ann")
        assert front.process is not None
        assert await asyncio.to_thread(front.process.wait, 30) == 0


async def in_flight(server: Server, wanted: int) -> bool:
    text = (await page(server, "/metrics")).decode()
    found = re.search(r"^http_requests_in_flight\{[^}]*\} (\S+)$", text, re.MULTILINE)
    assert found is not None
    return float(found[1]) == wanted


async def closed_for_later(chat: Chat) -> None:
    assert await chat.close_code(15) == 4501
    reason = json.loads(chat.connection.close_reason or "")
    assert 0 <= reason["retry_after_ms"] <= 10_000


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data directory of a server that was used and stopped; copy it before you touch it."""

    async def use(server: Server) -> None:
        await server.start()
        person = stranger(server.url, "a")
        body = {
            "email": person.email,
            "username": person.username,
            "password": person.password,
            "display_name": "A",
        }
        (await request(server.url, "POST", "/v1/auth/register", body)).ok(201)
        assert await server.stop() == 0

    server = Server(tmp_path_factory.mktemp("stopped") / "data")
    try:
        asyncio.run(use(server))
    finally:
        server.clean()
    return server.data_dir


async def refusal(data_dir: Path, **sections: Any) -> str:
    """What `serve` says about this directory; nothing in the database may change."""
    database = data_dir / "secureconnect.db"
    before = database.read_bytes()
    ended = await secureconnect(
        "serve", "--data-dir", data_dir, "--port", "0", cwd=data_dir.parent, **sections
    )
    assert ended.code == 3, ended
    assert "Traceback" not in ended.err
    assert str(database) in ended.err
    assert database.read_bytes() == before
    return ended.err


@pytest.mark.only_on("embedded", reason="it is about the data directory of one process")
async def test_p_corrupt_database_is_left_alone(stopped: Path, tmp_path: Path) -> None:
    """A damaged database, or a file that is none: a clear message, and nothing is overwritten."""
    data_dir = Path(shutil.copytree(stopped, tmp_path / "data"))
    database = data_dir / "secureconnect.db"
    with database.open("r+b") as file:
        file.seek(3 * 4096)
        file.write(secrets.token_bytes(2 * 4096))
    assert "damaged" in await refusal(data_dir)
    database.write_bytes(b"Dear diary, today I wrote a server.\n" * 500)
    assert "not a SQLite database" in await refusal(data_dir)
    database.write_bytes((stopped / "secureconnect.db").read_bytes()[:5000])
    await refusal(data_dir)


@pytest.mark.only_on("embedded", reason="it is about the data directory of one process")
async def test_p_database_of_another_program_is_left_alone(stopped: Path, tmp_path: Path) -> None:
    """Somebody else's database: a clear message, and nothing is overwritten."""
    data_dir = Path(shutil.copytree(stopped, tmp_path / "data"))
    database = data_dir / "secureconnect.db"
    database.unlink()
    with contextlib.closing(sqlite3.connect(database)) as theirs:
        theirs.execute("CREATE TABLE recipes (name TEXT)")
        theirs.commit()
    assert "another program" in await refusal(data_dir)


@pytest.mark.only_on("embedded", reason="it is about the data directory of one process")
async def test_p_locked_database_is_left_alone(stopped: Path, tmp_path: Path) -> None:
    """Another program holds the database: a clear message after the wait; afterwards it starts."""
    data_dir = Path(shutil.copytree(stopped, tmp_path / "data"))
    with contextlib.closing(sqlite3.connect(data_dir / "secureconnect.db", isolation_level=None)) as theirs:
        theirs.execute("BEGIN EXCLUSIVE")
        assert "locked" in await refusal(data_dir, database={"acquire_timeout": 1})
        theirs.execute("ROLLBACK")
    server = Server(data_dir)
    try:
        await server.start()
    finally:
        server.clean()


@pytest.mark.only_on("embedded", reason="it is about the data directory of one process")
async def test_p_lost_master_key_is_not_replaced(stopped: Path, tmp_path: Path) -> None:
    """Without its master key an installation does not start with a new one."""
    data_dir = Path(shutil.copytree(stopped, tmp_path / "data"))
    key = data_dir / "secrets" / "master_key"
    key.unlink()
    ended = await secureconnect("serve", "--data-dir", data_dir, "--port", "0", cwd=tmp_path)
    assert ended.code == 1
    assert str(key) in ended.err
    assert not key.exists()
