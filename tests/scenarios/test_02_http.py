"""HTTP conventions: scenarios H1 to H15 and H17. H16 needs split roles, which are not in this version."""

import asyncio
import json
import re
import secrets
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.scenarios.conftest import Register
from tests.scenarios.raw import Line, head
from tests.scenarios.server import Server
from tests.scenarios.steps import NIL, Answer, Person, group, request, stranger

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
LISTED = "https://chat.example.test"
SECURITY = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "strict-origin-when-cross-origin",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cache-control": "no-store",
}


@pytest.fixture(scope="module")
def _strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(
        tmp_path_factory.mktemp("strict") / "data",
        rate_limits={"enabled": True, "register": 0, "login": 10, "friends": 3},
        server={"trusted_proxies": "10.0.0.0/8"},
        http={"allowed_origins": LISTED},
    )
    server.launch()
    yield server
    server.clean()


@pytest.fixture
async def strict(_strict: Server) -> Server:
    """A server with rate limits, one listed origin and trusted proxies that are not here."""
    await _strict.ready()
    return _strict


def named(answer: Answer, *fields: str) -> None:
    answer.is_error(400, "VALIDATION_ERROR")
    assert sorted(answer.fields) == sorted(fields)


async def login(server: Server, **options: Any) -> Answer:
    """An attempt with a login that nobody has."""
    body = {"email": f"{secrets.token_hex(6)}@example.test", "password": "Some-Words-12"}
    return await request(server.url, "POST", "/v1/auth/login", body, **options)


async def test_h1_request_ids_are_echoed(reg: Register) -> None:
    """A good X-Request-ID comes back in header and meta; a long one or none is replaced by a UUIDv4."""
    (a,) = await reg("a")
    answer = await a.get("/v1/users/me", headers={"x-request-id": "abc-1"})
    assert (answer.headers["x-request-id"], answer.body["meta"]["request_id"]) == ("abc-1", "abc-1")
    seen = set()
    for headers in ({"x-request-id": "x" * 200}, {"x-request-id": "two words"}, {}):
        answer = await a.get("/v1/users/me", headers=headers)
        answer.ok()
        assert _UUID.fullmatch(answer.headers["x-request-id"])
        seen.add(answer.headers["x-request-id"])
    assert len(seen) == 3


async def test_h2_unknown_routes_and_methods(reg: Register) -> None:
    """No route: 404; a route without that method: 405 with Allow; a trailing slash is another route."""
    (a,) = await reg("a")
    (await a.get("/v1/nope")).is_error(404, "NOT_FOUND")
    (await a.get("/v1/users/me/")).is_error(404, "NOT_FOUND")
    (await request(a.url, "GET", "/v1/nope")).is_error(404, "NOT_FOUND")
    answer = await request(a.url, "PUT", "/v1/auth/login")
    answer.is_error(405, "METHOD_NOT_ALLOWED")
    assert answer.headers["allow"] == "OPTIONS, POST"
    answer = await request(a.url, "POST", "/health")
    answer.is_error(405, "METHOD_NOT_ALLOWED")
    assert answer.headers["allow"] == "GET, HEAD, OPTIONS"


async def test_h3_bodies_are_json_objects(server: Server) -> None:
    """Broken JSON and a bare list are faults of the body; another media type is refused before it is read."""

    async def post(content: bytes, media_type: str) -> Answer:
        headers = {"content-type": media_type}
        return await request(server.url, "POST", "/v1/auth/login", content=content, headers=headers)

    named(await post(b"{bad", "application/json"), "body")
    named(await post(b"[]", "application/json; charset=utf-8"), "body")
    (await post(b'{"email":"a@b.test","password":"x"}', "text/plain")).is_error(415, "UNSUPPORTED_MEDIA_TYPE")


async def test_h4_large_bodies_are_refused(server: Server) -> None:
    """2 MiB: 413 with the envelope, whether the length is announced or not."""
    body = b'{"email":"' + b"x" * 2 * 1024 * 1024 + b'"}'
    headers = {"content-type": "application/json"}
    answer = await request(server.url, "POST", "/v1/auth/register", content=body, headers=headers)
    answer.is_error(413, "PAYLOAD_TOO_LARGE")

    async with Line.to(server) as line:
        line.send(
            head(
                "POST",
                "/v1/auth/register",
                extra="content-type: application/json\r\ntransfer-encoding: chunked\r\n",
            )
        )
        for _ in range(33):
            line.send(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
        status, _, raw = await line.response()
        assert (status, json.loads(raw)["error"]["code"]) == (413, "PAYLOAD_TOO_LARGE")


async def test_h5_all_faults_at_once(server: Server) -> None:
    """Every faulty field is named together, and the password is not repeated."""
    password = "pw-7F3"
    body = {"email": "x", "username": "a", "password": password}
    answer = await request(server.url, "POST", "/v1/auth/register", body)
    named(answer, "email", "username", "password", "display_name")
    assert password.encode() not in answer.raw


async def test_h6_list_parameters(reg: Register) -> None:
    """limit has a range, a cursor must be one of this list and caller, and excludes an offset."""
    a, b = await reg("a", "b")
    for _ in range(2):
        await group(a, [b])
    named(await a.get("/v1/conversations?limit=0"), "limit")
    named(await a.get("/v1/conversations?limit=101"), "limit")
    named(await a.get("/v1/conversations?cursor=zzz"), "cursor")
    cursor = (await a.get("/v1/conversations?limit=1")).ok()["next_cursor"]
    answer = await a.get(f"/v1/conversations?cursor={cursor}&offset=1")
    answer.is_error(400, "VALIDATION_ERROR")
    assert set(answer.fields) <= {"cursor", "offset"}
    named(await b.get(f"/v1/conversations?cursor={cursor}"), "cursor")
    named(await a.get(f"/v1/conversations?archived=all&cursor={cursor}"), "cursor")
    named(await a.get(f"/v1/users/me/friends?cursor={cursor}"), "cursor")
    (await a.get(f"/v1/conversations?limit=1&cursor={cursor}")).ok()


async def test_h7_ids_in_paths(reg: Register) -> None:
    """What is no UUID is invalid; a UUID that nothing has is not found; either case is accepted."""
    a, b = await reg("a", "b")
    named(await a.get("/v1/conversations/not-a-uuid"), "id")
    (await a.get(f"/v1/conversations/{NIL}")).is_error(404, "NOT_FOUND")
    conversation_id = (await group(a, [b]))["conversation_id"]
    shown = (await a.get(f"/v1/conversations/{conversation_id.upper()}")).ok()
    assert shown["conversation_id"] == conversation_id


async def test_h8_a_walk_sees_everything_once(reg: Register) -> None:
    """45 groups are walked page by page while 5 more appear: each exactly once; offsets work too."""
    a, b = await reg("a", "b")
    made = {(await group(a, [b]))["conversation_id"] for _ in range(45)}
    seen: list[str] = []
    page = (await a.get("/v1/conversations?limit=20")).ok()
    for _ in range(5):
        seen += [item["conversation_id"] for item in page["conversations"]]
        if not page["has_more"]:
            break
        await asyncio.gather(group(a, [b]), group(a, [b]))
        page = (await a.get(f"/v1/conversations?limit=20&cursor={page['next_cursor']}")).ok()
    assert (page["has_more"], page["next_cursor"]) == (False, None)
    assert len(seen) == len(set(seen))
    assert made <= set(seen)

    page = (await a.get("/v1/conversations?limit=20&offset=20")).ok()
    assert (page["limit"], page["offset"], len(page["conversations"])) == (20, 20, 20)


async def test_h9_an_idempotency_key_replays(reg: Register) -> None:
    """The second request with a key gets the first answer; another body under it is a conflict."""
    a, b = await reg("a", "b")
    key = {"idempotency-key": f"k1-{secrets.token_hex(4)}"}
    body = {"type": "group", "title": "G", "participant_ids": [a.user_id, b.user_id]}
    first = await a.post("/v1/conversations", body, headers=key)
    again = await a.post("/v1/conversations", body, headers=key)
    assert first.ok(201) == again.ok(201)
    assert "idempotent-replayed" not in first.headers
    assert again.headers["idempotent-replayed"] == "true"
    other = await a.post("/v1/conversations", {**body, "title": "H"}, headers=key)
    other.is_error(409, "IDEMPOTENCY_CONFLICT")
    assert len((await a.get("/v1/conversations")).ok()["conversations"]) == 1
    # The key belongs to its caller and its path.
    assert (await b.post("/v1/conversations", body, headers=key)).ok(201) != first.data
    (await a.post(f"/v1/users/{b.user_id}/block", {}, headers=key)).ok(201)
    (await a.post("/v1/conversations", body, headers={"idempotency-key": "not valid"})).is_error(
        400, "VALIDATION_ERROR"
    )


async def test_h10_parallel_requests_with_one_key(reg: Register) -> None:
    """20 at once: one conversation; each answer is that one or says that the first still runs."""
    a, b = await reg("a", "b")
    key = {"idempotency-key": f"k2-{secrets.token_hex(4)}"}
    body = {"type": "group", "title": "G", "participant_ids": [a.user_id, b.user_id]}
    answers = await asyncio.gather(*(a.post("/v1/conversations", body, headers=key) for _ in range(20)))
    (listed,) = (await a.get("/v1/conversations")).ok()["conversations"]
    made = [answer for answer in answers if answer.status == 201]
    assert made
    assert {answer.data["conversation_id"] for answer in made} == {listed["conversation_id"]}
    for answer in answers:
        if answer.status != 201:
            answer.is_error(409, "REQUEST_IN_PROGRESS")
            assert answer.headers["retry-after"] == "1"


async def test_h11_logins_are_limited_by_address(strict: Server) -> None:
    """Ten unknown logins are answered with a falling Remaining; the eleventh has to wait."""
    for remaining in range(9, -1, -1):
        answer = await login(strict)
        answer.is_error(401, "INVALID_CREDENTIALS")
        assert answer.headers["x-ratelimit-limit"] == "10"
        assert answer.headers["x-ratelimit-remaining"] == str(remaining)
        assert time.time() < int(answer.headers["x-ratelimit-reset"]) <= time.time() + 61
    answer = await login(strict)
    answer.is_error(429, "RATE_LIMIT_EXCEEDED")
    assert 1 <= int(answer.headers["retry-after"]) <= 60
    assert answer.headers["x-ratelimit-remaining"] == "0"


async def test_h12_rows_and_users_count_apart(strict: Server, reg: Register) -> None:
    """A used up one row: A's other routes, A's writes and B go on."""
    a, b = await reg("a", "b", url=strict.url)
    for _ in range(3):
        (await a.get("/v1/users/me/friends")).ok()
    (await a.get("/v1/users/me/friends")).is_error(429, "RATE_LIMIT_EXCEEDED")
    (await a.get("/v1/users/me/friend-requests")).is_error(429, "RATE_LIMIT_EXCEEDED")
    (await a.delete(f"/v1/users/me/friends/{b.user_id}")).is_error(404, "NOT_FOUND")
    (await a.get("/v1/conversations")).ok()
    (await b.get("/v1/users/me/friends")).ok()


async def test_h13_strangers_cannot_invent_addresses(strict: Server) -> None:
    """X-Forwarded-For of a peer that is no trusted proxy is ignored: all its requests count as one client."""
    statuses = []
    for number in range(12):
        headers = {"x-forwarded-for": f"203.0.113.{number}, 10.0.0.1"}
        body = {"refresh_token": secrets.token_urlsafe(32)}
        answer = await request(strict.url, "POST", "/v1/auth/refresh", body, headers=headers)
        statuses.append(answer.status)
    assert statuses == [401] * 10 + [429] * 2


async def test_h14_only_listed_origins_read_answers(strict: Server, reg: Register) -> None:
    """A listed origin gets CORS headers once, preflight included; an unlisted one gets none."""
    (a,) = await reg("a", url=strict.url)
    preflight = {"access-control-request-method": "PATCH", "access-control-request-headers": "authorization"}

    async def ask(origin: str) -> tuple[Answer, Answer]:
        headers = {"origin": origin, **preflight}
        return (
            await request(strict.url, "OPTIONS", "/v1/users/me", headers=headers),
            await a.get("/v1/users/me", headers={"origin": origin}),
        )

    asked, got = await ask(LISTED)
    assert asked.ok() == {}
    got.ok()
    for answer in (asked, got):
        assert answer.headers.get_list("access-control-allow-origin") == [LISTED]
        assert "access-control-allow-credentials" not in answer.headers
    assert "PATCH" in asked.headers["access-control-allow-methods"]
    assert "Idempotency-Key" in asked.headers["access-control-allow-headers"]
    assert asked.headers["access-control-max-age"] == "86400"
    assert "Retry-After" in got.headers["access-control-expose-headers"]

    for origin in ("https://evil.test", "https://chat.example.test.evil.test", "null"):
        asked, got = await ask(origin)
        asked.is_error(403, "ORIGIN_NOT_ALLOWED")
        got.ok()
        assert "access-control-allow-origin" not in asked.headers
        assert "access-control-allow-origin" not in got.headers


async def test_h15_every_answer_has_the_security_headers(server: Server, reg: Register) -> None:
    """Answers, errors, unreadable requests and refused upgrades carry each header once."""
    (a,) = await reg("a")
    large = {"content-type": "application/json", "content-length": str(2 * 1024 * 1024)}
    answers = [
        await a.get("/v1/users/me"),
        await a.get("/v1/nope"),
        await a.get("/v1/conversations?limit=0"),
        await request(server.url, "GET", "/v1/users/me"),
        await request(server.url, "PUT", "/v1/auth/login"),
        await request(server.url, "OPTIONS", "/v1/users/me"),
        await request(server.url, "GET", "/v1/ws/chat"),
        await request(server.url, "GET", "/v1/users/me", headers={"x-large": "x" * 20_000}),
        await request(server.url, "GET", "/v1/users/search?q=" + "x" * 9_000),
        await request(
            server.url, "POST", "/v1/auth/login", content=b"x", headers=large | {"content-length": "1"}
        ),
    ]
    assert {answer.status for answer in answers} == {200, 400, 401, 404, 405, 414, 426, 431}
    for answer in answers:
        assert {name: answer.headers.get_list(name) for name in SECURITY} == {
            name: [value] for name, value in SECURITY.items()
        }
        assert len(answer.headers.get_list("x-request-id")) == 1
        assert answer.headers.get("server", "nginx") == "nginx", "without a version, where there is one"
        assert "strict-transport-security" not in answer.headers

    async with Line.to(server) as line:
        line.send(
            head(
                "GET",
                "/v1/ws/chat",
                extra="connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n"
                "sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n",
            )
        )
        status, fields, _ = await line.response()
        assert status == 401
        assert {name: fields[name] for name in SECURITY} == SECURITY

    docs = await request(server.url, "GET", "/docs")
    assert [docs.headers.get_list(name) for name in SECURITY if name != "content-security-policy"] == [
        [value] for name, value in SECURITY.items() if name != "content-security-policy"
    ]


async def test_h17_unknown_fields_bind_to_nothing(server: Server, reg: Register) -> None:
    """Nobody makes themselves an admin or somebody else by sending more fields."""
    (a,) = await reg("a")
    person = stranger(server.url, "b")
    body = {
        "email": person.email,
        "username": person.username,
        "password": person.password,
        "display_name": "B",
        "role": "admin",
        "user_id": a.user_id,
        "email_verified": True,
    }
    made = (await request(server.url, "POST", "/v1/auth/register", body)).ok(201)["user"]
    assert (made["role"], made["email_verified"]) == ("user", False)
    assert made["user_id"] != a.user_id
    changed = await a.patch(
        "/v1/users/me", {"display_name": "Ann", "role": "admin", "user_id": NIL, "email": "x@example.test"}
    )
    assert {name: changed.ok()[name] for name in ("display_name", "role", "user_id", "email")} == {
        "display_name": "Ann",
        "role": "user",
        "user_id": a.user_id,
        "email": a.email,
    }
    await still_a_user(a)


async def still_a_user(a: Person) -> None:
    assert (await a.get("/v1/auth/profile")).ok()["role"] == "user"
    (await a.get("/v1/admin/audit-logs")).is_error(403, "FORBIDDEN")
