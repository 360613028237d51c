"""Every request takes the same checks in the same order (contract README §3.7)."""

import asyncio
import json
import logging
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from secureconnect.edge.http.idempotency import idempotency_keys
from secureconnect.edge.http.routing import Call, Reply
from secureconnect.infra.database.base import METADATA
from secureconnect.infra.database.sqlite import SqliteDatabase, open_sqlite
from secureconnect.kit.errors import ApiError, ErrorCode
from tests.unit.http.edge import ID, House

FINE = {"name": "Ann"}
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    database = open_sqlite(tmp_path / "secureconnect.db")
    await database.write(lambda tx: METADATA.create_all(tx.conn, tables=[idempotency_keys]))
    yield database
    await database.close()


@pytest.fixture
def house(database: SqliteDatabase) -> House:
    return House(database)


async def test_a_good_request_reaches_its_handler(house: House) -> None:
    got = await house.ask("POST", f"/things/{ID.upper()}", FINE, query=b"limit=5", user_agent="test")
    assert (got.status, got.body["data"]) == (201, {"n": 1})
    (call,) = house.calls
    assert call.path == {"id": ID}
    assert (call.body.name, call.query.limit) == ("Ann", 5)
    assert (call.caller.user_id, call.context.client_ip, call.context.user_agent) == (
        "good",
        "198.51.100.1",
        "test",
    )
    assert house.finished_ == [("POST", "/things/{id}", 201)]
    assert house.in_flight == 0


async def test_several_faults_the_first_in_order_is_told(database: SqliteDatabase) -> None:
    """One request with everything wrong; each step mends one thing and meets the next."""
    house = House(database, draining=True, limit=0, max_body=10)
    bad: dict[str, Any] = {
        "body": b"{" + b" " * 20,
        "token": "Bearer bad",
        "content_type": "text/plain",
        "query": b"limit=0",
    }

    async def step(path: str = "/admin", method: str = "POST") -> tuple[int, str]:
        got = await house.ask(method, path, bad["body"], **{k: v for k, v in bad.items() if k != "body"})
        return got.status, got.code

    assert await step("/nowhere") == (404, "NOT_FOUND")
    assert await step(method="GET") == (405, "METHOD_NOT_ALLOWED")
    assert await step() == (503, "SHUTTING_DOWN")
    house.draining = False
    assert await step() == (401, "UNAUTHORIZED")
    bad["token"] = "Bearer good"
    assert await step() == (403, "FORBIDDEN")
    house.admin = True
    assert await step() == (403, "REAUTH_REQUIRED")
    house.fresh = True
    assert await step() == (415, "UNSUPPORTED_MEDIA_TYPE")
    bad["content_type"] = "application/json"
    assert await step() == (413, "PAYLOAD_TOO_LARGE")
    bad["body"] = b"{"
    assert await step() == (400, "VALIDATION_ERROR")
    bad["body"] = b"{}"
    assert await step() == (400, "VALIDATION_ERROR")
    assert house.calls == []


async def test_limits_come_before_credentials_on_public_routes_and_after_them_on_others(
    database: SqliteDatabase,
) -> None:
    house = House(database, limit=1)
    assert (await house.ask("POST", "/public", b"{")).code == "VALIDATION_ERROR"
    assert (await house.ask("POST", "/public", FINE)).code == "RATE_LIMIT_EXCEEDED"
    assert (await house.ask("POST", "/public", FINE, peer="203.0.113.9")).status == 201
    for _ in range(3):
        assert (await house.ask("PUT", "/put", FINE, token="Bearer bad")).code == "UNAUTHORIZED"
    assert (await house.ask("PUT", "/put", FINE)).status == 201
    got = await house.ask("PUT", "/put", b"{", content_type="text/plain")
    assert got.code == "RATE_LIMIT_EXCEEDED"
    assert got.headers["retry-after"] == "60"
    assert (await house.ask("PUT", "/put", FINE, token="Bearer other")).status == 201


async def test_a_full_window_empties_by_and_by(database: SqliteDatabase) -> None:
    house = House(database, limit=2)
    first = await house.ask("PUT", "/put", FINE)
    assert (first.headers["x-ratelimit-limit"], first.headers["x-ratelimit-remaining"]) == ("2", "1")
    house.clock.time += 20
    second = await house.ask("PUT", "/put", FINE)
    assert second.headers["x-ratelimit-remaining"] == "0"
    assert int(second.headers["x-ratelimit-reset"]) == house.clock.time + 60
    refused = await house.ask("PUT", "/put", FINE)
    assert (refused.code, refused.headers["retry-after"]) == ("RATE_LIMIT_EXCEEDED", "40")
    house.clock.time += 40
    assert (await house.ask("PUT", "/put", FINE)).status == 201
    # Reads are counted apart from writes.
    assert (await house.ask("GET", f"/things/{ID}")).status == 201
    assert "x-ratelimit-limit" not in (await house.ask("GET", "/free", token=None)).headers


async def test_bots_need_the_scope_of_the_route(house: House) -> None:
    assert (await house.ask("GET", f"/things/{ID}", token="Bearer bot")).status == 201
    got = await house.ask("POST", f"/things/{ID}", FINE, token="Bearer bot")
    assert (got.status, got.code) == (403, "INSUFFICIENT_SCOPE")
    assert house.denied_ == [("POST /things/{id}", "INSUFFICIENT_SCOPE")]


@pytest.mark.parametrize(
    "token", [None, "", "good", "Basic good", "Bearer", "Bearer ", "Bearer  ", "bearer bad", "Bearer \xff"]
)
async def test_credentials_that_are_none(house: House, token: str | None) -> None:
    got = await house.ask("GET", f"/things/{ID}", token=token)
    assert (got.status, got.code) == (401, "UNAUTHORIZED")
    assert got.headers["www-authenticate"] == "Bearer"
    assert house.denied_ == []


async def test_the_scheme_is_known_in_any_case(house: House) -> None:
    assert (await house.ask("GET", f"/things/{ID}", token="bEaReR  good ")).status == 201
    got = await house.ask("GET", f"/things/{ID}", token="Bearer expired")
    assert (got.status, got.code) == (401, "TOKEN_EXPIRED")


async def test_faults_of_path_query_and_body_are_told_together(house: House) -> None:
    got = await house.ask("POST", "/things/x", {"name": "x", "size": "1"}, query=b"limit=11")
    assert got.fields == ["id", "limit", "name", "size"]
    got = await house.ask("POST", f"/things/{ID}", b"[]", query=b"limit=x")
    assert got.fields == ["limit", "body"]
    got = await house.ask("POST", f"/things/{ID}")
    assert got.fields == ["name"]
    assert house.calls == []


async def test_no_body_is_needed_where_none_is_defined(house: House) -> None:
    assert (await house.ask("GET", f"/things/{ID}", b"{}")).status == 201
    assert (await house.ask("GET", f"/things/{ID}", b"[")).fields == ["body"]
    assert (await house.ask("GET", f"/things/{ID}", b"x", content_type="text/plain")).status == 415
    assert (await house.ask("GET", "/named/anything at all")).status == 201


@pytest.mark.parametrize(
    ("media_type", "status"),
    [
        ("application/json", 201),
        ("Application/JSON; charset=utf-8", 201),
        (" application/json ;x=y", 201),
        ("application/json5", 415),
        ("text/json", 415),
        ("multipart/form-data", 415),
        ("", 415),
    ],
)
async def test_media_types(house: House, media_type: str, status: int) -> None:
    assert (await house.ask("PUT", "/put", FINE, content_type=media_type)).status == status


async def test_bodies_are_counted_while_they_arrive(house: House) -> None:
    chunk = {"type": "http.request", "body": b" " * 400, "more_body": True}
    end = {"type": "http.request", "body": json.dumps(FINE).encode(), "more_body": False}
    options: dict[str, Any] = {"transfer_encoding": "chunked", "content_type": "application/json"}
    assert (await house.ask("PUT", "/put", chunks=[chunk, chunk, end], **options)).status == 201
    got = await house.ask("PUT", "/put", chunks=[chunk] * 3 + [end], **options)
    assert (got.code, got.headers["connection"]) == ("PAYLOAD_TOO_LARGE", "close")
    got = await house.ask("PUT", "/put", chunks=[chunk, {"type": "http.disconnect"}], **options)
    assert got.code == "CLIENT_TIMEOUT"


async def test_a_body_that_never_ends_is_given_up(database: SqliteDatabase) -> None:
    house = House(database, timeout=0.05)
    start = {"type": "http.request", "body": b"{", "more_body": True}
    got = await house.ask(
        "PUT", "/put", chunks=[start], then_silence=True, content_type="application/json", content_length="10"
    )
    assert (got.status, got.code, got.headers["connection"]) == (408, "CLIENT_TIMEOUT", "close")
    assert got.headers["retry-after"] == "1"
    assert house.in_flight == 0


async def test_a_handler_that_never_ends_is_given_up(database: SqliteDatabase) -> None:
    house = House(database, timeout=0.05)

    async def never(_: Call[Any, Any]) -> None:
        await asyncio.Event().wait()

    house.do = never
    got = await house.ask("PUT", "/put", FINE)
    assert (got.status, got.code) == (504, "REQUEST_TIMEOUT")
    assert house.in_flight == 0


async def test_what_a_handler_refuses_is_told_and_denials_are_kept(house: House) -> None:
    async def refuse(_: Call[Any, Any]) -> None:
        raise ApiError(ErrorCode.FORBIDDEN, "Not yours.")

    house.do = refuse
    got = await house.ask("PUT", "/put", FINE)
    assert got.body["error"] == {"code": "FORBIDDEN", "message": "Not yours."}
    assert house.denied_ == [("PUT /put", "FORBIDDEN")]


async def test_defects_tell_nothing(house: House, caplog: pytest.LogCaptureFixture) -> None:
    async def fail(_: Call[Any, Any]) -> None:
        raise RuntimeError("secret internals")

    house.do = fail
    with caplog.at_level(logging.CRITICAL):
        got = await house.ask("PUT", "/put", FINE)
        page = await house.ask("GET", "/broken")
    for answer in (got, page):
        assert (answer.status, answer.code) == (500, "INTERNAL_ERROR")
        assert b"internals" not in answer.raw
        assert b"defect" in answer.raw


@pytest.mark.parametrize("given", ["abc-1", "A.b_c-9", "x" * 128])
async def test_good_request_ids_are_kept(house: House, given: str) -> None:
    got = await house.ask("GET", "/free", token=None, x_request_id=given)
    assert (got.headers["x-request-id"], got.body["meta"]["request_id"]) == (given, given)


@pytest.mark.parametrize("given", ["", "x" * 129, "a b", "a\xe9", 'a"b', "a\x00"])
async def test_others_are_replaced(house: House, given: str) -> None:
    got = await house.ask("GET", "/free", token=None, x_request_id=given)
    assert _UUID.fullmatch(got.headers["x-request-id"])
    assert got.body["meta"]["request_id"] == got.headers["x-request-id"]


async def test_methods_that_follow_from_others(house: House) -> None:
    assert (await house.ask("HEAD", f"/things/{ID}")).status == 201
    got = await house.ask("OPTIONS", "/put", token=None)
    assert (got.status, got.body["data"]) == (200, {})
    got = await house.ask("DELETE", f"/things/{ID}")
    assert (got.status, got.headers["allow"]) == (405, "GET, HEAD, OPTIONS, POST")
    got = await house.ask("POST", "/health")
    assert (got.status, got.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    assert (await house.ask("HEAD", "/health")).status == 200


async def test_pages_go_on_while_the_process_stops(database: SqliteDatabase) -> None:
    house = House(database, draining=True, limit=1)
    for _ in range(3):
        assert (await house.ask("GET", "/health", token=None)).status == 200
    assert (await house.ask("GET", f"/things/{ID}")).code == "SHUTTING_DOWN"


async def test_preflights_are_answered_for_listed_origins(house: House) -> None:
    options = {"access_control_request_method": "PUT", "token": None}
    got = await house.ask("OPTIONS", "/put", origin="https://chat.example.test", **options)  # type: ignore[arg-type]
    assert got.headers["access-control-allow-origin"] == "https://chat.example.test"
    got = await house.ask("OPTIONS", "/put", origin="https://evil.test", **options)  # type: ignore[arg-type]
    assert (got.status, got.code) == (403, "ORIGIN_NOT_ALLOWED")
    got = await house.ask("OPTIONS", "/nowhere", origin="https://evil.test", **options)  # type: ignore[arg-type]
    assert got.code == "NOT_FOUND"


async def test_a_key_replays_the_first_answer(house: House) -> None:
    first = await house.ask("POST", "/once", FINE, idempotency_key="k")
    again = await house.ask("POST", "/once", FINE, idempotency_key="k")
    assert first.body["data"] == again.body["data"] == {"n": 1}
    assert again.headers["idempotent-replayed"] == "true"
    assert first.body["meta"]["request_id"] != again.body["meta"]["request_id"]
    assert again.body["meta"]["request_id"] == again.headers["x-request-id"]
    got = await house.ask("POST", "/once", {"name": "Ben"}, idempotency_key="k")
    assert got.code == "IDEMPOTENCY_CONFLICT"
    assert (await house.ask("POST", "/once", FINE, idempotency_key="a b")).fields == ["Idempotency-Key"]
    assert len(house.calls) == 1


async def test_keys_count_where_they_apply(house: House) -> None:
    for method, path in (("POST", "/secret"), ("PUT", "/put"), ("POST", "/public")):
        for _ in range(2):
            got = await house.ask(method, path, FINE, idempotency_key="k")
            assert (got.status, "idempotent-replayed" in got.headers) == (201, False)
    # Invalid input does not take the key.
    assert (await house.ask("POST", "/once", {}, idempotency_key="k2")).code == "VALIDATION_ERROR"
    assert (await house.ask("POST", "/once", FINE, idempotency_key="k2")).status == 201


async def test_refusals_are_replayed_and_failures_run_again(house: House) -> None:
    outcomes: list[Any] = [
        ApiError(ErrorCode.NOT_FOUND),
        ApiError(ErrorCode.DATABASE_UNAVAILABLE),
        RuntimeError("defect"),
    ]

    async def next_outcome(_: Call[Any, Any]) -> Reply:
        if outcomes:
            raise outcomes.pop(0)
        return Reply({"fine": True})

    house.do = next_outcome
    for _ in range(2):
        assert (await house.ask("POST", "/once", FINE, idempotency_key="a")).code == "NOT_FOUND"
    assert (await house.ask("POST", "/once", FINE, idempotency_key="b")).code == "DATABASE_UNAVAILABLE"
    assert (await house.ask("POST", "/once", FINE, idempotency_key="b")).code == "INTERNAL_ERROR"
    assert (await house.ask("POST", "/once", FINE, idempotency_key="b")).status == 200


async def test_a_key_is_taken_while_its_first_request_runs(house: House) -> None:
    entered, go_on = asyncio.Event(), asyncio.Event()

    async def slow(_: Call[Any, Any]) -> Reply:
        entered.set()
        await go_on.wait()
        return Reply({"slow": True})

    house.do = slow
    first = asyncio.create_task(house.ask("POST", "/once", FINE, idempotency_key="k"))
    await entered.wait()
    got = await house.ask("POST", "/once", FINE, idempotency_key="k")
    assert (got.code, got.headers["retry-after"]) == ("REQUEST_IN_PROGRESS", "1")
    go_on.set()
    assert (await first).status == 200
    assert (await house.ask("POST", "/once", FINE, idempotency_key="k")).status == 200
    assert len(house.calls) == 1


async def test_a_request_that_is_cut_off_gives_its_key_back(house: House) -> None:
    entered = asyncio.Event()

    async def never(_: Call[Any, Any]) -> None:
        entered.set()
        await asyncio.Event().wait()

    house.do = never
    first = asyncio.create_task(house.ask("POST", "/once", FINE, idempotency_key="k"))
    await entered.wait()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    house.do = None
    assert (await house.ask("POST", "/once", FINE, idempotency_key="k")).status == 201


async def test_one_that_takes_too_long_gives_its_key_back(database: SqliteDatabase) -> None:
    house = House(database, timeout=0.05)

    async def never(_: Call[Any, Any]) -> None:
        await asyncio.Event().wait()

    house.do = never
    assert (await house.ask("POST", "/once", FINE, idempotency_key="k")).code == "REQUEST_TIMEOUT"
    house.do = None
    assert (await house.ask("POST", "/once", FINE, idempotency_key="k")).status == 201
