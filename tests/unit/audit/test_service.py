"""Records commit with their action, or go through a queue that blocks nobody."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from secureconnect.features.audit.api import AuditEntry
from secureconnect.features.audit.service import AuditService
from secureconnect.features.audit.store import AuditFilter, AuditRow, audit_logs
from secureconnect.infra.database.base import METADATA, WriteTx
from secureconnect.infra.database.sqlite import SqliteDatabase, open_sqlite
from secureconnect.kit.errors import ApiError, ErrorCode
from secureconnect.kit.principal import Principal, RequestContext
from tests.unit.serving import FakeClock, until

CONTEXT = RequestContext("request-1", "198.51.100.1", "agent " * 100)
CALLER = Principal("user-1", "session-1", "jti", "user", 0)
DAY = 86_400


class Counts:
    def __init__(self) -> None:
        self.of: Counter[str] = Counter()

    def audited(self, event: str, result: str) -> None:
        self.of[f"{event} {result}"] += 1

    def denied(self, resource: str) -> None:
        self.of[f"denied {resource}"] += 1


class Place(NamedTuple):
    database: SqliteDatabase
    clock: FakeClock
    counts: Counter[str]
    audit: AuditService

    async def rows(self, **wanted: str | int) -> list[AuditRow]:
        page, _ = await self.audit.page(AuditFilter(**wanted), after=None, limit=100)  # type: ignore[arg-type]
        return page.items


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    database = open_sqlite(tmp_path / "secureconnect.db")
    await database.write(lambda tx: METADATA.create_all(tx.conn, tables=[audit_logs]))
    clock, counts = FakeClock(), Counts()
    yield Place(database, clock, counts.of, AuditService(database, counts, clock, retention_days=365))
    await database.close()


def entry(event: str = "login_failed", **fields: object) -> AuditEntry:
    return AuditEntry(event=event, result="failure", context=CONTEXT, **fields)  # type: ignore[arg-type]


async def test_a_record_commits_with_its_action(place: Place) -> None:
    def work(tx: WriteTx) -> None:
        place.audit.record_in(tx, entry("profile_updated", actor_id="user-1", details={"fields": "about"}))

    await place.database.write(work)
    (row,) = await place.rows()
    assert (row.event, row.result, row.actor_id, row.actor_type) == (
        "profile_updated",
        "failure",
        "user-1",
        "user",
    )
    assert (row.ip, row.request_id, row.details) == ("198.51.100.1", "request-1", '{"fields":"about"}')
    assert row.user_agent == ("agent " * 100)[:256]
    assert place.counts == {"profile_updated failure": 1}


async def test_an_action_that_is_taken_back_leaves_no_record(place: Place) -> None:
    def work(tx: WriteTx) -> None:
        place.audit.record_in(tx, entry())
        raise ApiError(ErrorCode.CONFLICT)

    with pytest.raises(ApiError):
        await place.database.write(work)
    assert await place.rows() == []
    assert place.counts == {}


async def test_denials_are_written_soon_and_by_resource(place: Place) -> None:
    await place.audit.start()
    for action, resource in (
        ("GET /v1/conversations/{id}", "conversation"),
        ("GET /v1/messages/{id}", "message"),
        ("GET /v1/admin/audit-logs", "admin"),
        ("GET /v1/ws/chat", "conversation"),
        ("socket typing", "conversation"),
        ("PATCH /v1/users/me", "other"),
    ):
        before = place.counts[f"denied {resource}"]
        place.audit.denied(CALLER, CONTEXT, action, ApiError(ErrorCode.FORBIDDEN))
        assert place.counts[f"denied {resource}"] == before + 1
    place.audit.denied(CALLER, CONTEXT, "POST /v1/x", ApiError(ErrorCode.INSUFFICIENT_SCOPE))
    place.audit.denied(CALLER, CONTEXT, "GET /v1/ws/chat", ApiError(ErrorCode.ORIGIN_NOT_ALLOWED))
    secret = ApiError(ErrorCode.NOT_FOUND, hidden_file="file-1")
    place.audit.denied(CALLER, CONTEXT, "POST /v1/messages", secret)
    assert place.counts["denied file"] == 1
    await until(lambda: place.counts["permission_denied denied"] == 7)
    await until(lambda: place.counts["scope_denied denied"] == 1)
    await until(lambda: place.counts["origin_denied denied"] == 1)
    rows = await place.rows(event="permission_denied")
    assert '{"action":"socket typing","code":"FORBIDDEN"}' in [row.details for row in rows]
    assert {(row.result, row.actor_id, row.session_id) for row in rows} == {("denied", "user-1", "session-1")}
    assert [row.target_id for row in rows if row.target_type == "file"] == ["file-1"]
    await place.audit.stop()


async def test_a_record_has_the_time_at_which_it_happened(place: Place) -> None:
    place.audit.record(entry())
    happened = place.clock.now()
    place.clock.time += 60
    await place.audit.stop()
    (row,) = await place.rows()
    assert row.timestamp == happened


async def test_stopping_writes_what_is_queued(place: Place) -> None:
    await place.audit.start()
    for _ in range(2500):
        place.audit.record(entry())
    await asyncio.sleep(0)  # the writer is in the middle of it
    await place.audit.stop()
    assert place.counts == {"login_failed failure": 2500}
    _, total = await place.audit.page(AuditFilter(), after=None, limit=1)
    assert total == 2500


async def test_the_queue_is_bounded_and_losses_are_counted(place: Place) -> None:
    for _ in range(10_005):
        place.audit.record(entry())
    assert place.counts == {"login_failed lost": 5}
    await place.audit.stop()
    assert place.counts == {"login_failed lost": 5, "login_failed failure": 10_000}


@pytest.mark.parametrize("fault", [ApiError(ErrorCode.DATABASE_UNAVAILABLE), RuntimeError("a defect")])
async def test_what_cannot_be_written_is_counted_and_the_writer_goes_on(
    place: Place, fault: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    await place.audit.start()
    write = place.database.write

    async def fail(_: Callable[[WriteTx], object]) -> None:
        raise fault

    monkeypatch.setattr(place.database, "write", fail)
    place.audit.record(entry())
    await until(lambda: place.counts["login_failed lost"] == 1)
    monkeypatch.setattr(place.database, "write", write)
    place.audit.record(entry())
    await until(lambda: place.counts["login_failed failure"] == 1)
    await place.audit.stop()


async def test_a_walk_yields_each_record_once_and_newest_first(place: Place) -> None:
    for number in range(25):
        place.audit.record(entry(f"event-{number % 2}", actor_id=f"actor-{number % 3}"))
        place.clock.time += number % 4  # several within one moment
    await place.audit.stop()
    seen: list[AuditRow] = []
    after: tuple[int, str] | None = None
    while True:
        page, total = await place.audit.page(AuditFilter(), after=after, limit=4)
        assert total == 25
        seen += page.items
        if page.after is None:
            break
        after = (page.after[0], page.after[1])
    assert len({row.audit_id for row in seen}) == len(seen) == 25
    assert seen == sorted(seen, key=lambda row: (row.timestamp, row.audit_id), reverse=True)


async def test_filters(place: Place) -> None:
    for number in range(10):
        place.audit.record(
            entry(
                "even" if number % 2 == 0 else "odd", actor_id=str(number), target_type="user", target_id="t"
            )
        )
        place.clock.time += 1
    await place.audit.stop()
    start = place.clock.now() - 10_000
    assert len(await place.rows(event="even")) == 5
    assert [row.actor_id for row in await place.rows(actor_id="3")] == ["3"]
    assert len(await place.rows(target_type="user", target_id="t", result="failure")) == 10
    assert await place.rows(result="denied") == []
    assert [row.actor_id for row in await place.rows(start=start + 2000, end=start + 4000)] == ["4", "3", "2"]
    assert [row.actor_id for row in await place.rows(event="odd", start=start + 2000)] == ["9", "7", "5", "3"]


async def test_records_are_kept_for_a_year(place: Place) -> None:
    place.audit.record(entry("old"))
    await place.audit.stop()
    place.clock.time += 364 * DAY
    place.audit.record(entry("new"))
    await place.audit.stop()
    assert await place.audit.purge() == 0
    place.clock.time += DAY + 1
    assert await place.audit.purge() == 1
    assert [row.event for row in await place.rows()] == ["new"]
