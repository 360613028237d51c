"""Metrics and logs: scenarios O1 to O5 and O7. Calls, traces and dashboards are not in this version."""

import asyncio
import json
import re
import secrets
import uuid
from collections.abc import Iterator

import httpx
import pytest

from tests.scenarios.conftest import Register
from tests.scenarios.logs import check_log, log_lines
from tests.scenarios.patience import eventually
from tests.scenarios.server import Server
from tests.scenarios.signaling import call, initiate, join, signal
from tests.scenarios.steps import Person, group, request, send, ws

pytestmark = pytest.mark.only_on(
    *("embedded", "all-in-one", "cassandra-in-one"), reason="each process counts for itself"
)
TOKEN = "metrics-token-for-scrapes"
REQUIRED = (
    "http_requests_total",
    "http_request_duration_seconds_count",
    "websocket_connections_active",
    "video_rooms_active",
    "db_connections_active",
    "db_query_duration_seconds_count",
    "redis_commands_total",
    "redis_command_duration_seconds_count",
    "messages_total",
    "calls_total",
    "calls_active",
    "auth_attempts_total",
    "auth_success_total",
    "auth_failures_total",
)
GAUGES = (
    "websocket_connections_active",
    "websocket_connections",
    "presence_online",
    "db_connections_active",
    "video_rooms_active",
    "calls_active",
)
_SAMPLE = re.compile(r"^([a-zA-Z_:]\w*)(?:\{(.*)\})? (\S+)$")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')

Labels = tuple[tuple[str, str], ...]
Scrape = dict[tuple[str, Labels], float]


def parse(text: str) -> Scrape:
    """Samples by name and labels, of the Prometheus text format."""
    found: Scrape = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            matched = _SAMPLE.match(line)
            assert matched, line
            labels = dict(_LABEL.findall(matched[2] or ""))
            assert labels.pop("service") == "secureconnect", line
            key = (matched[1], tuple(sorted(labels.items())))
            assert key not in found, line
            found[key] = float(matched[3])
    return found


async def scrape(server: Server) -> Scrape:
    answer = await request(server.url, "GET", "/metrics", token=TOKEN)
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain")
    return parse(answer.raw.decode())


def total(found: Scrape, name: str, **labels: str) -> float:
    return sum(
        value
        for (sample, given), value in found.items()
        if sample == name and labels.items() <= dict(given).items()
    )


@pytest.fixture(scope="module")
def _observed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("observed") / "data", observability={"metrics_token": TOKEN})
    server.launch()
    yield server
    server.clean()


@pytest.fixture(scope="module")
def at_start() -> list[Scrape]:
    """The first scrape of that server."""
    return []


@pytest.fixture
async def observed(_observed: Server, at_start: list[Scrape]) -> Server:
    """A server whose metrics nobody else changes."""
    if not at_start:
        await _observed.ready()
        at_start.append(await scrape(_observed))
    return _observed


async def test_o1_all_names_from_the_start(observed: Server, at_start: list[Scrape]) -> None:
    """Right after the start every required metric has a sample."""
    (first,) = at_start
    assert {name for name in REQUIRED if not any(sample == name for sample, _ in first)} == set()
    for kind in ("chat", "signaling"):
        assert first["websocket_connections_active", (("kind", kind),)] == 0
    for type_ in ("text", "image", "video", "audio", "file", "poll"):
        assert first["messages_total", (("type", type_),)] == 0
    assert total(first, "build_info") == 1


async def test_o2_what_happens_is_counted_once(observed: Server, reg: Register) -> None:
    """One login, one failure, one message, one call, one query: the differences."""
    a, b = await reg("a", "b", url=observed.url)
    conversation_id = (await group(a, [b]))["conversation_id"]
    before = await scrape(observed)
    await a.login()
    body = {"email": a.email, "password": "Wrong-Words-12"}
    (await request(a.url, "POST", "/v1/auth/login", body)).is_error(401, "INVALID_CREDENTIALS")
    (await send(a, conversation_id, "hello")).ok(201)
    (await a.get(f"/v1/conversations/{conversation_id}")).ok()
    call_id = await call(a, conversation_id, [b])
    (await join(b, call_id)).ok()
    (await a.post(f"/v1/calls/{call_id}/end")).ok()
    (await initiate(a, conversation_id, [b], topology="sfu")).is_error(403, "FEATURE_DISABLED")
    unreadable = await a.get("/v1/users/me", headers={"x-large": "x" * 20_000})
    unreadable.is_error(431, "HEADERS_TOO_LARGE")
    after = await scrape(observed)

    def grew(name: str, **labels: str) -> float:
        return total(after, name, **labels) - total(before, name, **labels)

    assert grew("auth_attempts_total") == grew("auth_attempts_total", method="password") == 2
    assert grew("auth_success_total") == grew("auth_success_total", method="password") == 1
    assert (
        grew("auth_failures_total") == grew("auth_failures_total", method="password", reason="invalid") == 1
    )
    assert grew("messages_total") == grew("messages_total", type="text") == 1
    assert grew("timeline_events_total", kind="message_created") == 1
    assert grew("calls_total") == grew("calls_total", type="audio", status="ended") == 1
    assert grew("calls_started_total", type="audio", topology="mesh") == 1
    assert grew("calls_duration_seconds_count") == 1
    assert grew("db_query_duration_seconds_count") > 0
    assert grew("db_query_duration_seconds_count", operation="select", table="conversations") >= 1
    assert grew("http_requests_total", method="POST", endpoint="/v1/messages", status="201") == 1
    assert grew("http_requests_total", method="POST", endpoint="/v1/auth/login", status="401") == 1
    assert grew("http_requests_total", method="GET", endpoint="/v1/conversations/{id}", status="200") == 1
    assert grew("http_requests_total", method="other", endpoint="unmatched", status="431") == 1
    assert grew("http_request_duration_seconds_count", endpoint="/v1/messages") == 1
    assert grew("audit_events_total", event="login_failed", result="failure") == 1


async def test_o3_labels_do_not_grow_with_traffic(observed: Server, reg: Register) -> None:
    """1,000 requests with random ids, paths, methods and agents add few series, and none of them text."""
    (a,) = await reg("a", url=observed.url)
    markers = []
    async with httpx.AsyncClient(base_url=observed.url, verify=False) as client:

        async def ask(number: int) -> None:
            marker = secrets.token_hex(6)
            markers.append(marker)
            path = (
                f"/v1/conversations/{uuid.uuid4()}",
                f"/v1/users/{uuid.uuid4()}?q={marker}",
                f"/{marker}/{marker}",
                f"/v1/{marker}",
                f"/v1/conversations/{marker}/events",
            )[number % 5]
            headers = {"authorization": f"Bearer {a.access}", "user-agent": marker, "x-request-id": marker}
            method = ("GET", "GET", "GET", "PROPFIND", "HEAD")[number // 5 % 5]
            response = await client.request(method, path, headers=headers)
            assert response.status_code in {400, 404, 405}, response.text

        # Each kind of request once: routes, methods and statuses have their series.
        for number in range(25):
            await ask(number)
        before = await scrape(observed)
        for start in range(0, 1000, 20):
            await asyncio.gather(*(ask(number) for number in range(start, start + 20)))
    after = await scrape(observed)
    # Background work may touch a table for the first time meanwhile; of these pairs there are only so many.
    added = sorted(str(key) for key in after.keys() - before.keys() if not key[0].startswith("db_query_"))
    assert len(added) < 50, added
    statements = {labels for name, labels in after if name == "db_query_duration_seconds_count"}
    assert len(statements) < 300
    grew = total(after, "http_requests_total", endpoint="unmatched") - total(
        before, "http_requests_total", endpoint="unmatched"
    )
    assert grew >= 400
    values = {value for _, labels in after for _, value in labels}
    assert not values & set(markers)
    assert not any(uuid_like(value) for value in values)


def uuid_like(text: str) -> bool:
    return re.search(r"[0-9a-f]{8}-[0-9a-f]{4}", text) is not None


async def test_o4_gauges_return_to_zero(observed: Server, reg: Register) -> None:
    """Sockets that are closed, cut off or killed leave no trace in the gauges."""
    a, b = await reg("a", "b", url=observed.url)

    async def count() -> float:
        return total(await scrape(observed), "websocket_connections_active", kind="chat")

    g = (await group(a, [b]))["conversation_id"]
    call_id = await call(a, g, [b])
    async with signal(a, call_id), signal(b, call_id) as theirs:
        now = await scrape(observed)
        assert total(now, "websocket_connections_active", kind="signaling") == 2
        assert (total(now, "video_rooms_active"), total(now, "calls_active")) == (1, 1)
        theirs.connection.transport.abort()
        (await a.post(f"/v1/calls/{call_id}/end")).ok()

    async with ws(a) as polite, ws(a), ws(b) as abrupt:
        assert await count() == 3
        now = await scrape(observed)
        assert (total(now, "websocket_connections"), total(now, "presence_online")) == (3, 2)
        abrupt.connection.transport.abort()
        await polite.close()

        async def one_left() -> bool:
            return await count() == 1

        await eventually(one_left)

    async def all_zero() -> bool:
        now = await scrape(observed)
        # The scrape itself is a request in flight.
        return all(total(now, name) == 0 for name in GAUGES) and total(now, "http_requests_in_flight") == 1

    await eventually(all_zero)


async def test_o5_metrics_behind_a_token(observed: Server) -> None:
    """Without the token, or with another: 401."""
    for token in (None, "wrong", TOKEN + "x"):
        answer = await request(observed.url, "GET", "/metrics", token=token)
        answer.is_error(401, "UNAUTHORIZED")
        assert b"http_requests_total" not in answer.raw
    (await request(observed.url, "GET", "/metrics", headers={"authorization": TOKEN})).is_error(
        401, "UNAUTHORIZED"
    )
    await scrape(observed)


async def test_o7_logs_are_json_and_discreet(observed: Server, reg: Register) -> None:
    """Every line is JSON with its fields; passwords, tokens, texts and queries are in none of them."""
    a, b = await reg("a", "b", url=observed.url)
    conversation_id = (await group(a, [b]))["conversation_id"]
    marker = secrets.token_hex(8)
    hidden = await provoke(a, conversation_id, marker)
    check_log(observed)
    text = observed.log_text()
    assert marker not in text
    assert not [secret for secret in hidden if secret in text]

    answer = await a.get("/v1/users/me", headers={"x-request-id": f"seen-{marker}"})
    (line,) = [line for line in log_lines(observed) if line.get("request_id") == f"seen-{marker}"]
    assert (line["method"], line["path"], line["status"]) == ("GET", "/v1/users/me", 200)
    assert (line["user_id"], line["session_id"]) == (a.user_id, a.session_id)
    assert (line["client_ip"], line["level"]) == ("127.0.0.1", "info")
    assert line["latency_ms"] > 0
    assert line["bytes_out"] == len(answer.raw)
    assert "httpx" in line["user_agent"]

    answer = await a.get("/v1/users/me", headers={"x-large": "x" * 20_000})
    (line,) = [
        line for line in log_lines(observed) if line.get("request_id") == answer.headers["x-request-id"]
    ]
    assert (line["status"], line["error_code"], line["level"]) == (431, "HEADERS_TOO_LARGE", "warn")


async def provoke(a: Person, conversation_id: str, marker: str) -> list[str]:
    """Everything that tempts a server to write too much; returns what must not be written."""
    for body in (
        {"email": a.email, "password": f"pw {marker}"},
        {"email": a.email, "password": a.password, "device_name": marker},
    ):
        await request(a.url, "POST", "/v1/auth/login", body)
    (await send(a, conversation_id, f"text {marker}", marker)).ok(201)
    await a.get(f"/v1/users/search?q={marker}")
    await a.get(f"/v1/conversations?cursor={marker}")
    await a.get(f"/v1/{marker}?secret={marker}")
    await request(a.url, "POST", "/v1/auth/login", content=b'{"email":"' + marker.encode())
    await request(a.url, "GET", f"/v1/users/me?token={a.access}")
    await request(a.url, "GET", "/v1/users/me", token=f"{a.access[:-4]}AAAA")
    await request(a.url, "POST", "/v1/auth/refresh", {"refresh_token": marker})
    ticket = (await a.post("/v1/ws/tickets", {})).ok(201)["ticket"]
    async with ws(a, hello=False, query=f"?conversation_id={conversation_id}") as chat:
        await chat.command("hello", device_id=marker)
        await chat.command(
            "message_send", conversation_id=conversation_id, content=marker, message_type="text"
        )
        await chat.command(marker)
        await chat.raw(json.dumps({"type": "typing", marker: marker}))
        await chat.raw(marker)
        await chat.frame(type="error", code="VALIDATION_ERROR")
        await chat.command("ping")
    await request(a.url, "GET", f"/v1/ws/chat?ticket={ticket}")
    invite = (await a.post(f"/v1/conversations/{conversation_id}/invites", {})).ok(201)
    await request(a.url, "GET", f"/v1/invites/{invite['code']}", token=a.access)
    return [a.access, a.refresh, ticket, invite["code"], a.password]
